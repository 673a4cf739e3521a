"""The paper's own numbers, as printed in it."""

from __future__ import annotations

from tmtv_tf.evaluation import paper


def test_the_papers_numbers_agree_with_its_abstract():
    """Abstract: median Dice 0.77, 0.70 and 0.90; differences of the median TMTV 32, 147 and 5 mL; Spearman 0.92,
    0.95 and 0.98."""
    for method, dice, difference, rho in (
        ("41", 0.77, 32, 0.92),
        ("2.5", 0.70, 147, 0.95),
        ("4.0", 0.90, 5, 0.98),
    ):
        assert paper.DICE_BY_SUBTYPE["All", method][0] == dice
        assert paper.TMTV_ML[method, "manual"][0] - paper.TMTV_ML[method, "predicted"][0] == difference
        assert paper.SPEARMAN[method] == rho


def test_the_papers_trials_add_up_to_its_cohort() -> None:
    assert sum(n for trial, (n, _) in paper.COHORT.items() if trial != "All") == paper.COHORT["All"][0]
