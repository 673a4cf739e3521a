"""The items of CLAIM 2024 (Tejani et al., Radiol Artif Intell 2024;6:e240300), in our words, and what is known of each.

What only the author can say is said to be missing; nothing is guessed.
"""

from __future__ import annotations

from tmtv_tf.card.atlas import grid_text, limitations, performance, phantom_note
from tmtv_tf.card.facts import Facts, Known, patients
from tmtv_tf.evaluation.wording import number

ITEMS = (
    "Title names the kind of AI",
    "Summary of design, methods, results, conclusions",
    "Background, intended use and role of the AI",
    "Aims and hypotheses",
    "Prospective or retrospective",
    "Goal of the study",
    "Data sources",
    "Inclusion and exclusion",
    "Preprocessing",
    "Selection of data subsets",
    "De-identification",
    "Missing data",
    "Image acquisition protocol",
    "How the reference standard was obtained",
    "Why this reference standard",
    "Who annotated",
    "Annotation of the test set",
    "Agreement of annotators",
    "How cases were assigned to partitions",
    "Level at which partitions are disjoint",
    "Intended sample size",
    "Description of the model",
    "Software",
    "Initial weights",
    "Training",
    "How the final model was chosen",
    "Ensembles",
    "Metrics",
    "Significance and uncertainty",
    "Robustness, sensitivity analysis",
    "Explainability",
    "Evaluation on internal data",
    "Testing on external data",
    "Trial registration",
    "Numbers included and excluded",
    "Demographics and clinical characteristics by partition",
    "Performance and its uncertainty",
    "Diagnostic performance and its precision",
    "Failure analysis",
    "Limitations",
    "Implications for practice",
    "Full protocol or further technical details",
    "Availability of software, model, data",
    "Funding",
)
AUTHOR = "Only you can say this."


def claim_items(facts: Facts) -> list[Known]:
    """What is known of each of `ITEMS`, in their order."""
    found = {**_design(facts), **_reference(facts), **_model(facts), **_results(facts)}
    return [found.get(number, Known("", AUTHOR)) for number in range(1, len(ITEMS) + 1)]


def _design(facts: Facts) -> dict[int, Known]:
    rows = facts.rows
    cohort = f"{len(rows)} cases of {patients(rows)} patients. {phantom_note(facts)}".strip() if rows else ""
    vendors = ", ".join(f"{vendor} {n}" for vendor, n in sorted(facts.vendors.items()))
    grid = facts.description.grid.to_json()
    ends = ((key, value) for key, value in grid.items() if "window" in key)
    windows = ", ".join(f"{key} {low:g} to {high:g} is 0 to 1" for key, (low, high) in ends)
    missing = ", ".join(
        f"{name} {sum(row.get(name) is None for row in rows)}"
        for name in ("subtype", "trial", "ann_arbor_stage", "age_years")
    )
    split = ", ".join(f"{name} {patients(members)}" for name, members in facts.splits.items())
    return {
        1: Known(
            f"Deep learning, convolutional network. {facts.architecture}".strip(), "The title of your paper."
        ),
        7: Known(cohort, "Sites, dates, consent."),
        8: Known(
            "Studies that were left out, with reasons: left_out.csv, prepare.csv." if rows else "",
            "The clinical criteria.",
        ),
        9: Known(
            "PET to SUVbw by written rules or refused; CT in HU; both linear onto the network's grid: "
            f"{grid_text(facts)}; {windows}."
        ),
        10: Known("The attenuation-corrected PET and the CT of its frame of reference, by rule."),
        11: Known(
            "Case ids are keyed hashes; no names, birth dates or patient IDs are written. UIDs are kept."
        ),
        12: Known(
            f"Empty cells: {missing}. An undefined value is left out of a statistic and counted."
            if rows
            else "",
            "Why they are missing.",
        ),
        13: Known(
            f"Vendors: {vendors}." if vendors else "",
            "Dose, uptake, reconstruction (case.json has them per case).",
        ),
        19: Known(
            f"By patient, within each subtype, drawn from a seed, written once: {split}." if split else "",
            "" if split else AUTHOR,
        ),
        20: Known(
            "The patient; a cohort where one is in two partitions is refused." if rows else "",
            "" if rows else AUTHOR,
        ),
        21: Known(
            f"{len(rows)} cases were at hand." if rows else "", "Whether a sample size was calculated."
        ),
    }


def _reference(facts: Facts) -> dict[int, Known]:
    report = facts.report
    truths = ", ".join(f"{n} cases against {kind}" for kind, n in report.get("truths", {}).items())
    pairs = [row for row in report.get("readers", []) if row["second"] != "network"]
    agreement = "; ".join(
        f"{row['method']}, {row['first']} and {row['second']}: median Dice {number(row['median_dice'])}, "
        f"ICC {number(row['icc'])}"
        for row in pairs
    )
    readers = sorted({name for row in pairs for name in (row["first"], row["second"])})
    prob = "TMTVprob: the mean of 41 %, SUV > 2.5, SUV > 4.0 and Otsu in each outline."
    return {
        14: Known(f"{truths}. {prob}" if truths else "", "The instructions of the annotators."),
        15: Known(
            "As Revailler et al. 2022 and Liu et al. 2022." if truths else "", "Why it suits your question."
        ),
        16: Known(f"Readers: {', '.join(readers)}." if readers else "", "Their number, training and tools."),
        17: Known("", "Whether the test set was annotated as the training set was."),
        18: Known(agreement, "" if agreement else "One reader: no agreement was measured."),
    }


def _model(facts: Facts) -> dict[int, Known]:
    config, starts = facts.config, facts.run.get("starts") or []
    versions = (starts[-1] if starts else {}).get("software") or facts.description.software
    devices = ", ".join((starts[-1] if starts else {}).get("devices", []))
    keys = (
        "epochs",
        "batch",
        "precision",
        "optimizer",
        "loss",
        "augmentation",
        "reduce_on_plateau",
        "learning_rate_drop",
    )
    training = "; ".join(f"{key}: {config[key]}" for key in keys if config.get(key))
    hours = "" if facts.hours is None else f" {number(facts.hours, 2)} h on {devices}."
    start = (
        (config.get("model") or {}).get("initial_weights") if isinstance(config.get("model"), dict) else None
    )
    unknown = "" if config else "The file does not hold the configuration of its training."
    chosen = (
        f"The epoch of the lowest {config['monitor']} is best.keras, the last one last.keras."
        if "monitor" in config
        else ""
    )
    return {
        22: Known(facts.architecture, "" if facts.architecture else AUTHOR),
        23: Known(", ".join(f"{name} {version}" for name, version in versions.items())),
        24: Known(f"From {start}." if start else "Random, from the seed." if config else "", unknown),
        25: Known(training + hours, unknown),
        26: Known(chosen, "" if chosen else AUTHOR),
        27: Known("None: one network."),
        30: Known("", "None is part of a run."),
        31: Known("", "None beyond the outlines on each projection of the report."),
        42: Known(
            ("Configuration, seed and SHA-256 of the data: run.json. " if facts.run else "")
            + f"{facts.file} has SHA-256 {facts.digest}.",
            "A study protocol.",
        ),
    }


def _results(facts: Facts) -> dict[int, Known]:
    report = facts.report
    software = Known("github.com/tmtv-tf/tmtv-tf, Apache-2.0.", "Where the network and the data are.")
    if not report:
        nothing = Known("", "No evaluation was given (--report).")
        return {**dict.fromkeys((28, 29, 32, 33, 35, 37, 38, 39), nothing), **_always(facts), 43: software}
    detection = report["detection"]
    inside = report["split"] == "test"
    numbers = (
        f"{report['cases_evaluated']} evaluated, {len(report['failed'])} failed, "
        f"{len(report['without_result'])} without "
        f"a result, {report['cases_reported']} in the tables."
    )
    flatters = facts.tested_on_training
    checked = "" if flatters is None else f" {len(flatters)} of them were trained on, by their ids."
    overlap = "Whether any was trained on (--run)." if flatters is None else ""
    failures = (
        f"{detection['missed_foci']} of {detection['reference_foci']} lesions missed, "
        f"{detection['false_positive_foci']} false positives; each by place in missed_lesions.csv, false_positives.csv."
    )
    return {
        28: Known(
            "Dice, Jaccard, sensitivity, PPV, ICC(A,1), CCC, Bland-Altman, autoPET metrics, lesion F1, surface Dice."
        ),
        29: Known("Percentile bootstrap over cases (2000), F and z intervals, paired t-test, Spearman."),
        32: Known(
            f"The test split of the same cohort.{checked}" if inside else "", overlap if inside else AUTHOR
        ),
        33: Known(
            "" if inside else f"All cases of the cohort of the report.{checked}",
            "Whether a cohort is external." if not inside else "None in this report.",
        ),
        35: Known(numbers, "A flow diagram of patients."),
        37: Known(performance(facts)),
        38: Known(performance(facts), "" if not facts.phantoms else "Phantoms say nothing about people."),
        39: Known(failures),
        43: software,
        **_always(facts),
    }


def _always(facts: Facts) -> dict[int, Known]:
    subtypes = "; ".join(
        f"{split}: "
        + ", ".join(
            f"{name or 'not stated'} {sum(r.get('subtype') == name for r in rows)}"
            for name in sorted({r.get("subtype") for r in rows}, key=str)
        )
        for split, rows in facts.splits.items()
    )
    return {
        36: Known(
            f"Subtypes by partition: {subtypes}." if subtypes else "", "Age and sex: not in cohort.csv."
        ),
        40: Known(" ".join(limitations(facts)), "Those of your cohort."),
        41: Known("Research only, not a medical device.", "What it could mean for practice."),
    }
