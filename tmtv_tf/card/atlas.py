"""The cards of RSNA's ATLAS (schema 2025-11, github.com/RSNA/ATLAS, model.json and dataset.json).

A field whose value is not known is left out. The schema itself is RSNA's and not kept here; the field names are pinned
by a test.
"""

from __future__ import annotations

from typing import Any

from tmtv_tf.card.facts import Facts, patients
from tmtv_tf.cases.cohort import CLINICAL, CohortRow
from tmtv_tf.evaluation.wording import number, span
from tmtv_tf.input.multitask_input import MultitaskGrid
from tmtv_tf.report.content import NOT_A_DEVICE

MODEL_SCHEMA = "https://atlas.rsna.org/schemas/2025-11/model.json"
DATASET_SCHEMA = "https://atlas.rsna.org/schema/2025-11/dataset.json"
PARTITIONS = {"train": "Training", "validation": "Validation", "test": "Internal testing"}
# In the words of the schema: what `tmtv evaluate` reports.
METRICS = (
    "95th percentile Hausdorff distance",
    "Bland-Altman analysis",
    "coefficient of variation",
    "concordance correlation coefficient",
    "Dice similarity coefficient",
    "F1 score",
    "intersection over union",
    "intraclass correlation coefficient",
    "negative predictive value",
    "positive predictive value",
    "sensitivity",
    "Spearman's rho",
    "specificity",
)
PAPERS = (
    {
        "Authors": "Revailler W, et al.",
        "Title": "Deep Learning Approach to Automatize TMTV Calculations Regardless of Segmentation Methodology for "
        "Major FDG-Avid Lymphomas",
        "Source": "Diagnostics 2022;12:417",
        "DOI": "10.3390/diagnostics12020417",
    },
    {
        "Authors": "Liu P, Zhang M, Gao X, Li B, Zheng G",
        "Title": "Joint Lymphoma Lesion Segmentation and Prognosis Prediction From Baseline FDG-PET Images via "
        "Multitask Convolutional Neural Networks",
        "Source": "IEEE Access 2022;10:81612",
        "DOI": "10.1109/ACCESS.2022.3195906",
    },
)


def model_card(facts: Facts) -> dict[str, Any]:
    """The ATLAS card of the network; without `Link`, which ATLAS requires, where none was given."""
    paper = PAPERS[int(isinstance(facts.description.grid, MultitaskGrid))]
    starts = facts.run.get("starts") or []
    return {
        "$schema": MODEL_SCHEMA,
        "Model": _filled(
            {
                "Name": facts.name,
                "Link": facts.link,
                "Indexing": {
                    "Content": ["NM", "OI"],
                    "Keywords": ["FDG PET/CT", "lymphoma", "total metabolic tumour volume", "segmentation"],
                },
                "Descriptors": {
                    "Version": str(facts.description.software.get("tmtv_tf", "")),
                    "Date": {"Created": str(starts[0]["time"])[:10]} if starts else {},
                    "References": [{**paper, "Notes": "Truth and thresholds; this network is another."}],
                    "Comments": f"File {facts.file}, SHA-256 {facts.digest}.",
                },
                "Model properties": _properties(facts),
                "Imaging": {
                    "Modalities": [
                        "PET-CT (RID10341)" if _with_ct(facts) else "Positron emission tomography (RID10337)"
                    ],
                    "File format": ["DICOM", "NiFTI"],
                    "Resolution": grid_text(facts),
                },
                "Model performance": {"Metrics": list(METRICS), "Comments": performance(facts)}
                if facts.report
                else {},
            }
        ),
    }


def dataset_card(facts: Facts) -> dict[str, Any]:
    """The ATLAS card of the prepared cases: partitions, subtypes, what is missing."""
    empty = {name: sum(row.get(name) is None for row in facts.rows) for name in CLINICAL}
    vendors = ", ".join(f"{vendor} {n}" for vendor, n in sorted(facts.vendors.items()))
    return {
        "$schema": DATASET_SCHEMA,
        "Dataset": _filled(
            {
                "Name": f"Cases of {facts.name}",
                "Indexing": {"Content": ["NM", "OI"], "Keywords": ["FDG PET/CT", "lymphoma"]},
                "Descriptors": {"Comments": phantom_note(facts)},
                "Dataset properties": {
                    "Partitioning scheme": "By patient, within each subtype, drawn from a seed and written once; no "
                    "patient is in two partitions."
                    if facts.rows
                    else "",
                    "Missing information": "Empty cells of cohort.csv: "
                    + ", ".join(f"{name} {n} of {len(facts.rows)}" for name, n in empty.items() if n)
                    if any(empty.values())
                    else "",
                    "Re-identification": "Case ids are keyed hashes of the PatientID; the key is not part of the "
                    "cases. Series and study UIDs are kept: who has the archive can find the examination. No names, "
                    "birth dates or patient IDs are written.",
                },
                "Imaging": {
                    "Modalities": ["PET-CT (RID10341)"],
                    "File format": ["NiFTI"],
                    "Pre-processing": "PET in SUVbw on its own grid, CT in HU on its own grid.",
                    "Burned-in PHI": "Unknown",
                    "Comments": f"Cases by vendor: {vendors}." if vendors else "",
                },
                "Partitions": [
                    {"Partition": PARTITIONS[split], "Total": _subset(rows), "Subsets": _by_subtype(rows)}
                    for split, rows in facts.splits.items()
                ],
            }
        ),
    }


def performance(facts: Facts) -> str:
    """The figures of the report in one paragraph."""
    report = facts.report
    dice = report["dice_tmtvprob"]
    low, high = (float("nan") if v is None else v for v in report["median_dice_tmtvprob_interval_95"])
    lines = [
        f"{report['cases_reported']} cases ({report['split']}): median Dice {number(dice['median'])} "
        f"({span(low, high)}) against {', '.join(report['truths'])}."
    ]
    for row in report["concordance"]:
        if row["measure"] == "tmtv":
            icc, low, high = (
                float("nan") if row[key] is None else row[key] for key in ("icc", "icc_low", "icc_high")
            )
            dice = report["methods"][row["method"]]["median_dice"]
            lines.append(
                f"TMTV under {row['method']}: median Dice {number(dice)}, ICC(A,1) {number(icc)} "
                f"({span(low, high)}), bias {number(row['bias'], 1, sign=True)} mL."
            )
    return " ".join(lines)


def phantom_note(facts: Facts) -> str:
    """Whether the cases are computer-made."""
    total = sum(facts.vendors.values())
    return f"{facts.phantoms} of {total} cases are computer-made phantoms." if facts.phantoms else ""


def limitations(facts: Facts) -> list[str]:
    """What the network must not be trusted with, as its file and the report say it."""
    said = facts.description.warnings(facts.file, on_phantom=False) + list(facts.report.get("warnings", {}))
    if facts.tested_on_training:
        said.append(
            f"{len(facts.tested_on_training)} of the reported cases were trained on: the figures flatter."
        )
    return [*dict.fromkeys(said), NOT_A_DEVICE]


def _properties(facts: Facts) -> dict[str, Any]:
    seed = facts.config.get("seed")
    hours = facts.hours
    return {
        "Architecture": facts.architecture,
        "Input": ("FDG PET in SUVbw and CT in HU" if _with_ct(facts) else "FDG PET in SUVbw")
        + f"; {grid_text(facts)}.",
        "Output": {
            "Description": "Probability of lymphoma for every voxel of the PET; TMTV by thresholds in it."
        },
        "Decision threshold": "probability > 0.5",
        "Degree of automation": "Automatic; a reader can correct the result, and both numbers are kept.",
        "Limitations": " ".join(limitations(facts)),
        "Regulatory information": {"Authorization status": "None: research software, not a medical device."},
        "Reproducibility": f"Seed {seed}; the model file holds its configuration."
        if seed is not None
        else "",
        "Sustainability": "" if hours is None else f"Training took {number(hours, 2)} h.",
        "Use": {"Intended": ["Image segmentation"], "Excluded": ["Diagnosis", "Treatment", "Triage"]},
        "User": {"Intended": ["Researcher"]},
    }


def _with_ct(facts: Facts) -> bool:
    return "ct" in getattr(facts.description.grid, "channels", ())


def grid_text(facts: Facts) -> str:
    """The network's grid in words."""
    grid = facts.description.grid.to_json()
    shape = grid.get("size", grid["shape"])
    spacing = "" if "size" in grid else f" of {' x '.join(f'{mm:g}' for mm in grid['spacing_mm'])} mm"
    return f"{' x '.join(map(str, shape))} voxels{spacing} (Z, Y, X)"


def _subset(rows: list[CohortRow]) -> dict[str, Any]:
    return {"Patient count": patients(rows), "Exam count": len(rows)}


def _by_subtype(rows: list[CohortRow]) -> list[dict[str, Any]]:
    names = sorted({row.get("subtype") or "subtype not stated" for row in rows})
    members = {
        name: [r for r in rows if (r.get("subtype") or "subtype not stated") == name] for name in names
    }
    return [{"Criterion": name, **_subset(found)} for name, found in members.items()]


def _filled(value: Any) -> Any:
    """Without what is empty, at every depth."""
    if isinstance(value, dict):
        kept = {key: _filled(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in ("", None, {}, [])}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value
