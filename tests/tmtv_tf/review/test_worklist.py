"""Cases, readers and whose turn it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from review_files import review_of

from petct.errors import TmtvError
from tmtv_tf.review.worklist import reader_folders


@pytest.mark.parametrize(
    ("blind", "adjudicates", "says"),
    [
        ("../x", (), "cannot be a folder name"),
        ("anna", ("anna", "ben"), "leave out --blind"),
        (None, ("anna", "nobody"), "no such reader"),
        (None, ("anna", "anna"), "two readers"),
    ],
)
def test_readers_that_cannot_be(tmp_path: Path, blind: str | None, adjudicates: Any, says: str) -> None:
    review_of(tmp_path)
    (tmp_path / "results" / "readers" / "anna").mkdir(parents=True)
    (tmp_path / "results" / "readers" / "ben").mkdir(parents=True)
    with pytest.raises(TmtvError, match=says):
        reader_folders(tmp_path / "results", None, None, blind, adjudicates)
