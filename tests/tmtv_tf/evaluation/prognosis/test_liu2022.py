"""The paper's own numbers."""

import pytest

from tmtv_tf.evaluation.prognosis import liu2022


def test_youden_index_of_the_published_rows_is_their_sum():
    """Youden = sensitivity + specificity - 1 in every row of Tables 3 and 4 (to the printed digits)."""
    for row in [*liu2022.MAIN.values(), *liu2022.ABLATION.values()]:
        if row[5] is not None:
            assert row[5] + row[6] - 1 == pytest.approx(row[7], abs=0.0015)
