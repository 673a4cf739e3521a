"""What the user of `tmtv run` chooses."""

from __future__ import annotations

import pytest

from petct.errors import TmtvError
from tmtv_tf.pipeline.options import RunOptions


def test_the_exported_method_is_computed_once() -> None:
    assert RunOptions(methods=("2.5", "41"), export="41").all_methods == ("2.5", "41")
    assert RunOptions(methods=("2.5",), export="41").all_methods == ("2.5", "41")


def test_what_changes_no_file_makes_no_other_result() -> None:
    again = RunOptions(overwrite=True, clear_edits=True)
    assert again.as_dict() == RunOptions().as_dict()
    assert RunOptions(pdf_dicom=True).as_dict() != RunOptions().as_dict()


@pytest.mark.parametrize("wrong", [{"methods": ("0.41",)}, {"export": "42x"}, {"seg_kind": "FRACTIONAL"}])
def test_what_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(TmtvError):
        RunOptions(**wrong)
