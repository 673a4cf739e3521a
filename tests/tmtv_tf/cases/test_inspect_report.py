"""What `tmtv inspect` prints for people."""

from __future__ import annotations

import pytest

from tmtv_tf.cases.inspect import Report
from tmtv_tf.cases.inspect_report import print_report


@pytest.mark.parametrize("width", [80, 160])
def test_the_report_fits_a_terminal(capsys: pytest.CaptureFixture[str], width: int) -> None:
    """No column is folded and no UID is broken, with the longest values that a PET has."""
    row = dict.fromkeys(("refused", "suv_rule", "passed_over")) | {
        "study": 1,
        "patient": 1,
        "modality": "RTSTRUCT",
        "series_number": 1234,
        "n_slices": 1234,
        "spacing_mm": [3.27, 4.6875, 4.6875],
        "units": "PROPCNTS",
        "suv_factor": 0.000242902977,
        "series_uid": "1." + "2" * 62,
        "selected": True,
        "problems": [],
    }
    print_report(Report([row], {}, {}), width)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= max(width, len("  #1 RTSTRUCT: ") + 64)
    text = "\n".join(lines)
    for whole in ("RTSTRUCT", "1234", "3.27 4.688 4.688", "PROPCNTS", "0.000242902977", row["series_uid"]):
        assert whole in text
