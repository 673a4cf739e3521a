"""`tmtv card`: what is known comes from run, report and cases; what is not is said; nothing of another network.

ATLAS: the field names and the words of its lists are those of the schema 2025-11, github.com/RSNA/ATLAS, model.json
(commit 713dab6) and dataset.json (b94c820). The files are RSNA's and carry no licence, so they are not kept here.
"""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from small_cohort import make_cohort

from petct.console import run_app
from petct.files import sha256, write_json
from tmtv_tf.card.atlas import METRICS
from tmtv_tf.card.claim import ITEMS
from tmtv_tf.cases.cohort import write_cohort
from tmtv_tf.cli import app
from tmtv_tf.models.file import read_content, seal
from tmtv_tf.weights import FOLDER, PET_CT

PERSON = {"Name", "Email", "Address", "ORCID", "URL"}
REFERENCE = {"Authors", "Title", "Source", "Date", "DOI", "URL", "PMID", "PMCID", "Notes"}
DESCRIPTORS = {
    "Authors": PERSON,
    "Comments": None,
    "Contact": None,
    "Date": {"Created": None, "Published": None, "Updated": None},
    "Ethical review": None,
    "Funding": None,
    "License": {"Text": None, "URL": None},
    "References": dict.fromkeys(REFERENCE),
    "Version": None,
}
INDEXING = {"Content": {"NM", "OI"}, "RadLex": None, "SNOMED": None, "Keywords": None}
MODALITIES = {"PET-CT (RID10341)", "Positron emission tomography (RID10337)"}
IMAGING = {
    "Modalities": MODALITIES,
    "Procedures": None,
    "File format": {"DICOM", "JPEG", "NiFTI", "PNG", "Other"},
    "Resolution": None,
    "Comments": None,
}
USE = {"Intended": None, "Out-of-scope": None, "Excluded": None}
REGULATORY = (
    "FDA cleared",
    "CE marked",
    "Predicate device",
    "Authorization status",
    "File number",
    "Comment",
)
MODEL = {
    "Name": None,
    "Link": None,
    "Indexing": INDEXING,
    "Descriptors": DESCRIPTORS,
    "Model properties": {
        **dict.fromkeys(
            (
                *("Architecture", "Availability", "Clinical benefit", "Clinical workflow phase"),
                *(
                    "Decision threshold",
                    "Degree of automation",
                    "Indications for use",
                    "Input",
                    "Instructions",
                ),
                *("Limitations", "Recommendation", "Reproducibility", "Sustainability"),
            )
        ),
        "Output": {"Description": None, "CDEs": None},
        "Regulatory information": dict.fromkeys(REGULATORY),
        "Use": USE,
        "User": USE,
    },
    "Imaging": IMAGING,
    "Model performance": {"Metrics": set(METRICS), "Comments": None},
}
SUBSET = dict.fromkeys(
    (
        *("Site count", "Patient count", "Exam count", "Series count", "Image count", "Age range", "Sex"),
        *("Demographic", "Criterion", "Comments"),
    )
)
DATASET = {
    "Name": None,
    "Link": None,
    "Indexing": INDEXING,
    "Descriptors": DESCRIPTORS,
    "Dataset properties": dict.fromkeys(
        (
            *("Confidentiality", "External data", "Missing information", "Motivation", "Noise"),
            *("Partitioning scheme", "Re-identification", "Relationships between instances", "Sampling"),
            "Sensitive data",
        )
    ),
    "Imaging": {**IMAGING, "Pre-processing": None, "Burned-in PHI": {"Yes", "No", "Unknown"}},
    "Partitions": {
        "Partition": {"Training", "Validation", "Internal testing"},
        "Total": SUBSET,
        "Subsets": SUBSET,
        "Comments": None,
    },
}
CONFIG = {
    "seed": 3,
    "epochs": 5,
    "batch": 2,
    "monitor": "val_loss",
    "optimizer": {"name": "sgd", "learning_rate": 0.001},
    "model": {"filters": 8, "convolutions": [1, 2, 3, 3]},
}


def unknown_fields(card: Any, schema: Any, path: str = "") -> list[str]:
    """Fields of the card that the schema does not have, and words that its lists do not have."""
    if isinstance(card, list):
        return [wrong for inner in card for wrong in unknown_fields(inner, schema, path)]
    if isinstance(card, dict):
        found = []
        for key, inner in card.items():
            known = isinstance(schema, dict) and key in schema
            found += unknown_fields(inner, schema[key], f"{path}/{key}") if known else [f"{path}/{key}"]
        return found
    return [f"{path}: {card}"] if isinstance(schema, set) and card not in schema else []


def model_file(folder: Path) -> Path:
    """The packaged network under a description that says how it was trained."""
    content = read_content(FOLDER / f"{PET_CT}.keras")
    content |= {"trained_on": "patients", "provenance": {"config": CONFIG, "data_sha256": "d" * 64}}
    path = folder / "best.keras"
    with zipfile.ZipFile(FOLDER / f"{PET_CT}.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name != "tmtv.json":
                new.writestr(name, old.read(name))
        seal(new, content)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its run, the report of a real evaluation of its results on five test cases, and the cases."""
    root = make_cohort(tmp_path_factory.mktemp("card"))
    model = model_file(root)
    for path in (root / "results").glob("*/tmtv.json"):
        content = json.loads(path.read_text())
        content["inputs"]["model"] = {"file": "best.keras", "sha256": sha256(model)}
        path.write_text(json.dumps(content))
    ids = {"train": [f"case{i:02d}" for i in range(4)], "validation": ["case04", "case05"]}
    write_json(
        root / "run" / "run.json",
        {
            "config": CONFIG,
            "data": {"cases": ids, "sha256": "d" * 64},
            "starts": [
                {
                    "time": "2026-11-20T08:00:00+00:00",
                    "devices": ["GPU 0"],
                    "software": {"tensorflow": "2.21.0", "keras": "3.15.1"},
                }
            ],
            "training_hours": 2.5,
        },
    )
    assert command("evaluate", root / "results", "--cases", root / "cases", "--out", root / "report") == 0
    return root


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    return int(left.value.code or 0)


def everything(root: Path) -> list[object]:
    return ["--run", root / "run", "--report", root / "report", "--cases", root / "cases"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def card(sources: Path) -> Path:
    link = "https://example.org/network"
    assert (
        command(
            "card", sources / "best.keras", *everything(sources), "--link", link, "--out", sources / "card"
        )
        == 0
    )
    return sources / "card"


def test_the_cards_have_the_fields_of_atlas(card: Path) -> None:
    model = json.loads((card / "atlas_model.json").read_text())
    dataset = json.loads((card / "atlas_dataset.json").read_text())
    assert model["$schema"] == "https://atlas.rsna.org/schemas/2025-11/model.json"
    assert set(model) == {"$schema", "Model"}
    assert set(dataset) == {"$schema", "Dataset"}
    assert unknown_fields(model["Model"], MODEL) == []
    assert unknown_fields(dataset["Dataset"], DATASET) == []
    assert unknown_fields({"Name": "x", "Licence": "y"}, MODEL) == ["/Licence"]
    assert {"Name", "Link"} <= set(model["Model"])
    assert all(4 <= len(use) <= 64 for use in model["Model"]["Model properties"]["Use"]["Excluded"])


def test_what_the_run_knows_stands_in_the_card(card: Path, sources: Path) -> None:
    model = json.loads((card / "atlas_model.json").read_text())["Model"]
    assert model["Descriptors"]["Date"] == {"Created": "2026-11-20"}
    assert "V-Net" in model["Model properties"]["Architecture"]
    assert "2.50 h" in model["Model properties"]["Sustainability"]
    evaluation = json.loads((sources / "report" / "evaluation.json").read_text())
    assert f"median Dice {evaluation['median_dice_tmtvprob']:.2f}" in model["Model performance"]["Comments"]
    partitions = json.loads((card / "atlas_dataset.json").read_text())["Dataset"]["Partitions"]
    assert [(p["Partition"], p["Total"]["Exam count"]) for p in partitions] == [
        ("Training", 6),
        ("Internal testing", 5),
    ]
    assert sum(part["Exam count"] for part in partitions[0]["Subsets"]) == 6


def test_every_item_of_claim_is_known_or_said_to_be_missing(card: Path) -> None:
    rows = table(card / "claim.csv")
    assert [row["item"] for row in rows] == [str(i) for i in range(1, 45)]
    assert [row["name"] for row in rows] == list(ITEMS)
    assert all(row["known"] or row["missing"] for row in rows)
    status = {row["item"]: row["status"] for row in rows}
    assert (status["23"], status["5"], status["44"], status["1"]) == (
        "known",
        "not known",
        "not known",
        "partly",
    )
    assert "epochs: 5" in rows[24]["known"]
    assert "2.50 h on GPU 0" in rows[24]["known"]
    page = (card / "card.md").read_text()
    assert "Not a medical device" in page
    assert "Not given" not in page


def test_relaince_calls_a_test_split_of_the_own_cohort_a_proof_of_concept(card: Path) -> None:
    rows = {row["recommendation"]: row for row in table(card / "relaince.csv")}
    assert "proof of concept" in (card / "card.md").read_text()
    assert rows["The testing cohort is external"]["status"] == "not known"
    assert "by the ids in run.json" in rows["Development and testing cases do not overlap"]["known"]


def test_a_report_on_training_cases_is_said_to_flatter(sources: Path, tmp_path: Path) -> None:
    run = json.loads((sources / "run" / "run.json").read_text())
    run["data"]["cases"]["train"].append("case07")
    write_json(tmp_path / "run.json", run)
    arguments = ["--run", tmp_path, "--report", sources / "report", "--out", tmp_path / "card"]
    assert command("card", sources / "best.keras", *arguments) == 0
    page = (tmp_path / "card" / "card.md").read_text()
    assert "1 of the reported cases were trained on: the figures flatter." in page
    assert "case07" in page


def test_a_model_file_alone_says_what_it_does_not_know(tmp_path: Path) -> None:
    assert command("card", FOLDER / f"{PET_CT}.openvino", "--out", tmp_path) == 0
    page = (tmp_path / "card.md").read_text()
    assert "Not given, so not known: --run, --report, --cases." in page
    assert "synthetic images only" in page
    assert "ATLAS requires a link" in page
    assert "Nothing is claimed." in page
    assert not (tmp_path / "atlas_dataset.json").exists()
    assert unknown_fields(json.loads((tmp_path / "atlas_model.json").read_text())["Model"], MODEL) == []


def test_what_is_about_another_network_is_refused(sources: Path, tmp_path: Path, capsys) -> None:
    model, other = sources / "best.keras", FOLDER / f"{PET_CT}.keras"
    assert command("card", other, "--report", sources / "report", "--out", tmp_path / "a") == 2
    assert "about another network, best.keras" in capsys.readouterr().err
    assert command("card", other, "--run", sources / "run", "--out", tmp_path / "a") == 2
    assert "may be another's run" in capsys.readouterr().err
    run = json.loads((sources / "run" / "run.json").read_text())
    write_json(tmp_path / "run.json", run | {"data": {"cases": {}, "sha256": "e" * 64}})
    assert command("card", model, "--run", tmp_path, "--out", tmp_path / "a") == 2
    assert "trained on other data" in capsys.readouterr().err
    shutil.copytree(sources / "report", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    write_json(tmp_path / "report" / "evaluation.json", report | {"model": None})
    assert command("card", model, "--report", tmp_path / "report", "--out", tmp_path / "a") == 2
    assert "does not say which network" in capsys.readouterr().err
    write_cohort(tmp_path / "empty", [])
    assert command("card", model, "--cases", tmp_path / "empty", "--out", tmp_path / "a") == 2
    assert "no prepared case" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_packaged_network_is_named(tmp_path):
    from typer.testing import CliRunner

    from tmtv_tf.cli import app

    result = CliRunner().invoke(app, ["card", "synthetic-pet", "--out", str(tmp_path / "card")])
    assert result.exit_code == 0, result.output
    assert "trained on synthetic images only" in (tmp_path / "card" / "card.md").read_text()
