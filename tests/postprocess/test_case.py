"""One case and its files: resume, interruption, editing, unwritable folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edit_files import contents

from petct.errors import TmtvError
from petct.files import sha256, write_json
from petct.image import read_image, write_image
from postprocess.case import Job, run_case
from postprocess.config import Config
from postprocess.inputs import MapFile
from postprocess.requests import Request


def test_finished_cases_are_skipped_and_new_methods_are_added(job: Job) -> None:
    first = run_case(job)
    before = contents(job.folder)
    assert run_case(job)["skipped"]
    assert contents(job.folder) == before
    more = run_case(replace(job, methods=("41", "2.5")))
    assert list(more["methods"]) == ["raw", "41", "2.5"]
    assert more["methods"]["41"] == first["methods"]["41"]
    assert contents(job.folder)["lesions_41.csv"] == before["lesions_41.csv"]  # not written again
    assert run_case(job)["skipped"]
    (job.folder / "lesions_raw.csv").unlink()
    assert not run_case(job)["skipped"]
    assert set(before) < set(contents(job.folder))


def test_other_parameters_or_inputs_are_computed_anew(job: Job) -> None:
    first = run_case(job)
    other = run_case(replace(job, config=Config(split_above_ml=1000.0), methods=("41",)))
    assert not other["skipped"]
    assert list(other["methods"]) == ["41"]  # what was computed with other parameters is gone from the result
    assert not (job.folder / "lesions_raw.csv").exists()
    assert first["methods"]["41"]["lesion_count"] == 3
    assert other["methods"]["41"]["lesion_count"] == 2
    image = read_image(job.suv_path)
    write_image(job.suv_path, image.with_array(image.array * 1.5))
    anew = replace(job, config=Config(split_above_ml=1000.0), methods=("41",), overwrite=True)
    again = run_case(anew)
    assert again["methods"]["41"]["suv_max"] == pytest.approx(1.5 * other["methods"]["41"]["suv_max"])


def test_a_result_does_not_outlive_its_inputs(job: Job) -> None:
    """A new map, or PET, that is refused: the numbers of the old one must not pass for its own."""
    for path in (job.map_file.path, job.suv_path):
        good = path.read_bytes()
        run_case(job)
        image = read_image(path)
        image.array[3, 3, 3] = np.nan
        write_image(path, image)
        with pytest.raises(TmtvError, match="NaN"):
            run_case(replace(job, overwrite=True))
        assert not list(job.folder.iterdir())
        path.write_bytes(good)


def test_a_result_of_another_input_is_replaced_only_if_that_is_asked_for(job: Job, tmp_path: Path) -> None:
    """Two masks of a flat folder were both case "flat", and the second overwrote the first (issue 12, item 3)."""
    run_case(job)
    before = contents(job.folder)
    mask = read_image(job.map_file.path)
    write_image(tmp_path / "in" / "mask.nii.gz", mask.with_array(mask.array > 0.5))
    other = replace(job, map_file=MapFile(tmp_path / "in" / "mask.nii.gz", is_mask=True))
    with pytest.raises(TmtvError, match=r"result of another probability and mask and is kept.*--overwrite"):
        run_case(other)
    write_image(tmp_path / "in" / "hotter.nii.gz", mask.with_array(read_image(job.suv_path).array * 2))
    with pytest.raises(TmtvError, match="result of another suv and is kept"):
        run_case(replace(job, suv_path=tmp_path / "in" / "hotter.nii.gz"))
    assert contents(job.folder) == before
    (tmp_path / "in" / "renamed.nii.gz").write_bytes(
        job.suv_path.read_bytes()
    )  # the same image by another name
    assert run_case(replace(job, suv_path=tmp_path / "in" / "renamed.nii.gz"))["methods"]
    assert list(run_case(replace(other, overwrite=True))["inputs"]) == ["mask", "suv"]


def test_a_refused_request_leaves_the_result_of_the_same_inputs(job: Job, tmp_path: Path) -> None:
    run_case(job)
    before = contents(job.folder)
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    for request in (Request(exclude=(("41", 99),)), Request(exclude_mask=tmp_path / "bad.nii.gz")):
        with pytest.raises(TmtvError):
            run_case(replace(job, request=request))
        assert contents(job.folder) == before


def test_a_folder_that_cannot_be_written(job: Job, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TmtvError, match="cannot be written"):
        run_case(replace(job, folder=tmp_path / "file" / "in"))


def test_same_inputs_same_bytes(job: Job) -> None:
    run_case(job)
    first = {path.name: path.read_bytes() for path in job.folder.iterdir()}
    other = replace(job, folder=job.folder.parent / "again")
    run_case(other)
    assert {path.name: path.read_bytes() for path in other.folder.iterdir()} == first


def test_sdmax_needs_height_and_weight(job: Job) -> None:
    found = run_case(replace(job, height_cm=170.0, weight_kg=70.0))["methods"]["41"]
    body_m2 = 0.007184 * 70**0.425 * 170**0.725
    assert found["sdmax_per_m"] == pytest.approx(found["dmax_mm"] / 1000 / body_m2)
    assert "sdmax_per_m" not in run_case(job)["methods"]["41"]


def test_no_label_of_the_case_is_a_path_or_a_patient(job: Job) -> None:
    run_case(job)
    text = (job.folder / "tmtv.json").read_text()
    assert str(job.suv_path.parent.parent) not in text
    assert json.loads(text)["software"]["name"] == "tmtv-tf"


def test_a_map_predicted_from_another_pet_is_refused(job: Job) -> None:
    beside = job.map_file.path.with_name("prediction.json")
    write_json(beside, {"inputs": {"pet": sha256(job.suv_path)}})
    assert run_case(job)["methods"]
    write_json(beside, {"inputs": {"pet": "0" * 64}})
    with pytest.raises(TmtvError, match="predicted from another PET"):
        run_case(replace(job, methods=("2.5",)))
    beside.unlink()
    assert run_case(replace(job, methods=("2.5",)))["methods"]
