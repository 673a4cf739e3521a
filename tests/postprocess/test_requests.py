"""What a reader asks becomes entries of the log, or changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edit_files import GRID, MISSED, contents, edit, world

from petct.errors import ParameterError, TmtvError
from petct.image import Image, write_image
from postprocess.case import Job
from postprocess.requests import Request


def test_the_same_edit_twice_is_one(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :8] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    asked = {
        "exclude": (("41", 1), ("41", 1)),
        "seeds_mm": (world(MISSED),),
        "exclude_mask": tmp_path / "bladder.nii.gz",
    }
    edit(job, **asked)
    before = contents(job.folder)
    again = edit(job, **asked)
    assert (again["edits"], again["added"], again["skipped"]) == (3, 0, True)
    assert contents(job.folder) == before


def test_a_refused_edit_changes_no_file(job: Job, tmp_path: Path) -> None:
    edit(job, exclude=(("41", 1),))
    before = contents(job.folder)
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    for request, says in (
        ({"exclude": (("41", 99),)}, "there is no such lesion"),
        ({"exclude": (("41", 0),)}, "there is no such lesion"),
        ({"exclude": (("42%", 1),)}, "No method"),
        ({"seeds_mm": ((900.0, 0.0, 0.0),)}, "outside the PET"),
        ({"seeds_mm": ((float("nan"), 0.0, 0.0),)}, "outside the PET"),
        ({"exclude_mask": tmp_path / "bad.nii.gz"}, "not a readable"),
        ({"exclude": (("41", 2), ("41", 77))}, "there is no such lesion"),
    ):
        with pytest.raises(TmtvError, match=says):
            edit(job, **request)
        assert contents(job.folder) == before
    with pytest.raises(ParameterError, match="printable"):
        Request(reader="a\nb")
