"""RELAINCE (Jha et al., J Nucl Med 2022;63:1288): of which class an evaluation is, what it shows, what it does not.

The recommendations are its Table 2 in our words. Evaluations for clinical decisions and after deployment are beyond
what this software measures.
"""

from __future__ import annotations

from tmtv_tf.card.atlas import performance
from tmtv_tf.card.facts import Facts, Known

PROOF_OF_CONCEPT, TECHNICAL = "proof of concept", "technical task-specific"
NO_REPORT = "No evaluation was given (--report)."


def evaluation_class(facts: Facts) -> str:
    """Proof of concept for phantoms and for a test split of the training's own cohort; empty without a report."""
    if not facts.report:
        return ""
    return PROOF_OF_CONCEPT if facts.phantoms or facts.report["split"] == "test" else TECHNICAL


def claim(facts: Facts) -> str:
    """What this evaluation shows, in one paragraph, and what it does not."""
    if not facts.report:
        return f"Nothing is claimed. {NO_REPORT}"
    people = "computer-made phantoms" if facts.phantoms else "cases"
    where = (
        "the test split of the cohort that it was trained on"
        if facts.report["split"] == "test"
        else "this cohort"
    )
    return (
        "Task: outline lymphoma and measure TMTV on FDG PET/CT. "
        f"On {facts.report['cases_reported']} {people}, {where}, "
        f"{facts.name} reached: {performance(facts)} The class of this evaluation is {evaluation_class(facts)}. It "
        "does not show how the network does on other scanners, other readers or in clinical decisions."
    )


def recommendations(facts: Facts) -> list[tuple[str, str, Known]]:
    """Class, recommendation, and what is known of it."""
    if not facts.report:
        return [(name, text, Known("", NO_REPORT)) for name, text in _TEXTS]
    flatters, inside = facts.tested_on_training, facts.report["split"] == "test"
    if flatters is None:
        overlap = Known("", "Give --run: the ids of the training are in its run.json.")
    elif flatters:
        overlap = Known("", f"{len(flatters)} reported cases were trained on: {', '.join(flatters[:5])}.")
    else:
        overlap = Known("No reported case was trained on, by the ids in run.json.")
    ceiling = Known("The ceiling of each method is in the report.", "Who annotated, and how well.")
    rivals = facts.report["rivals"]
    rival = (
        Known("Two systems without a network are in the report.")
        if "threshold" in rivals
        else Known("", rivals["note"])
    )
    study = Known(
        "Phantoms: simulation." if facts.phantoms else "",
        "" if facts.phantoms else "Retrospective or prospective.",
    )
    external = Known(
        "",
        "The test split of the training's cohort is not external."
        if inside
        else "Whether this cohort is external.",
    )
    found = (
        overlap,
        ceiling,
        Known(rival.known, rival.missing or "A comparison with another network: tmtv evaluate A B."),
        Known("Dice, TMTV agreement, lesions found."),
        Known("Detection and quantification: lesions, TMTV."),
        study,
        Known(
            "",
            "Phantoms are painted: how real they are was not measured."
            if facts.phantoms
            else "No simulation was given.",
        ),
        external,
        ceiling,
        Known("TMTV by published thresholds in the network's mask."),
        Known("ICC, CCC, limits of agreement, share within 10 % or 10 mL, lesion F1, Dice."),
    )
    return [(name, text, known) for (name, text), known in zip(_TEXTS, found, strict=True)]


_TEXTS = (
    (PROOF_OF_CONCEPT, "Development and testing cases do not overlap"),
    (PROOF_OF_CONCEPT, "The ground truth is of reasonable quality"),
    (PROOF_OF_CONCEPT, "Compared with conventional and state-of-the-art methods"),
    (PROOF_OF_CONCEPT, "Figures of merit that motivate clinical evaluation"),
    (TECHNICAL, "A clinically relevant task"),
    (TECHNICAL, "The right type of study"),
    (TECHNICAL, "Simulations are realistic and vary as people do"),
    (TECHNICAL, "The testing cohort is external"),
    (TECHNICAL, "The reference standard is good and fits the task"),
    (TECHNICAL, "A reliable way from the image to the quantity"),
    (TECHNICAL, "Figures of merit that quantify the task"),
)
