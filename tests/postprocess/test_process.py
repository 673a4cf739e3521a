"""Between reading a case and its files: what is computed, warned of, and left behind by a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edit_files import contents

import postprocess.process as case_module
import postprocess.results as results_module
from petct.errors import TmtvError
from petct.files import sha256, write_json
from petct.image import read_image, write_image
from postprocess.case import Job, run_case
from postprocess.config import Config


@pytest.mark.parametrize("what", ["write_image", "write_lesions", "write_json"])
def test_a_method_that_cannot_be_added_leaves_the_result_whole(
    job: Job, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The disk is full when the label image, the table or `tmtv.json` is to be written."""

    def full(path: Path, *arguments: object) -> None:
        raise TmtvError(f"{path}: cannot be written (No space left on device).")

    run_case(job)
    before = {path.name: path.read_bytes() for path in job.folder.iterdir()}
    monkeypatch.setattr(case_module if what == "write_json" else results_module, what, full)
    with pytest.raises(TmtvError, match="No space left"):
        run_case(replace(job, methods=("raw", "41", "otsu")))
    assert {path.name: path.read_bytes() for path in job.folder.iterdir()} == before
    monkeypatch.undo()
    assert run_case(job)["skipped"]


def test_killed_half_way_leaves_nothing_that_looks_finished(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    run_case(job)
    (job.folder / ".0123abcd.lesions_41.nii.gz").write_bytes(b"of a run that was killed outright")
    monkeypatch.setattr(results_module, "write_lesions", killed)
    with pytest.raises(KeyboardInterrupt):
        run_case(replace(job, config=Config(split_above_ml=20.0)))
    assert not (job.folder / "tmtv.json").exists()
    monkeypatch.undo()
    assert not run_case(job)["skipped"]
    assert sorted(contents(job.folder)) == [
        "lesions_41.csv",
        "lesions_41.nii.gz",
        "lesions_raw.csv",
        "lesions_raw.nii.gz",
        "tmtv.json",
    ]


def test_a_mask_in_the_cold_is_worth_a_warning(job: Job) -> None:
    image = read_image(job.map_file.path)
    write_image(job.map_file.path, image.with_array(np.ascontiguousarray(image.array[:, :, ::-1])))
    assert any("belong together" in text for text in run_case(job)["warnings"])


def test_what_the_prediction_warned_of_stands_in_the_result(job: Job) -> None:
    """Also where the result was finished before the prediction said so."""
    beside = job.map_file.path.with_name("prediction.json")
    finished = run_case(job)
    warning = "m.keras was trained on phantoms only."
    content = {"inputs": {"pet": sha256(job.suv_path)}, "warnings": [warning, 3]}
    write_json(beside, content)
    again = run_case(job)
    assert again["warnings"] == [warning, *finished["warnings"]]
    assert again["methods"] == finished["methods"]
    assert json.loads((job.folder / "tmtv.json").read_text())["warnings"] == again["warnings"]
    assert run_case(job)["skipped"]
