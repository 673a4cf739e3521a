"""One case and its files: resume, interruption, editing, unwritable folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import postprocess.process as case_module
import postprocess.results as results_module
from petct.errors import TmtvError
from petct.files import sha256, write_json
from petct.image import Geometry, Image, read_image, write_image
from postprocess.case import Job, run_case
from postprocess.config import Config
from postprocess.inputs import MapFile
from postprocess.requests import Request

GRID = Geometry((20, 24, 60), (4.0, 3.0, 2.0), (-50.0, -36.0, 100.0))


def world(z: int, y: int, x: int) -> tuple[float, float, float]:
    return tuple(GRID.to_world((z, y, x))[0])


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Two hot spots that touch (one mass of 2 parts), one alone, and one that the map missed."""
    suv = np.full(GRID.shape, 0.5, np.float32)
    z, y, x = (np.arange(n) * s for n, s in zip(GRID.shape, GRID.spacing_mm))
    for (cz, cy, cx), top in (((10, 8, 12), 10), ((10, 8, 27), 8), ((4, 20, 50), 6), ((16, 20, 50), 12)):
        r2 = (z[:, None, None] - z[cz]) ** 2 + (y[:, None] - y[cy]) ** 2 + (x - x[cx]) ** 2
        suv += (top * np.exp(-r2 / 130)).astype(np.float32)
    probability = np.where(suv > 2, np.float32(0.9), 0)
    probability[12:, 14:, 36:] = 0
    write_image(tmp_path / "in" / "probability.nii.gz", Image(probability, GRID))
    write_image(tmp_path / "in" / "pet.nii.gz", Image(suv, GRID))
    return Job(
        case_id="in",
        map_file=MapFile(tmp_path / "in" / "probability.nii.gz"),
        suv_path=tmp_path / "in" / "pet.nii.gz",
        folder=tmp_path / "out" / "in",
        methods=("raw", "41"),
        config=Config(split_above_ml=10.0),
    )


def files(job: Job) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in job.folder.iterdir()}


def test_finished_cases_are_skipped_and_new_methods_are_added(job: Job) -> None:
    first = run_case(job)
    before = files(job)
    assert run_case(job)["skipped"]
    assert files(job) == before
    more = run_case(replace(job, methods=("41", "2.5")))
    assert list(more["methods"]) == ["raw", "41", "2.5"]
    assert more["methods"]["41"] == first["methods"]["41"]
    assert files(job)["lesions_41.csv"] == before["lesions_41.csv"]  # not written again
    assert run_case(job)["skipped"]
    (job.folder / "lesions_raw.csv").unlink()
    assert not run_case(job)["skipped"]
    assert set(before) < set(files(job))


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
    before = files(job)
    mask = read_image(job.map_file.path)
    write_image(tmp_path / "in" / "mask.nii.gz", mask.with_array(mask.array > 0.5))
    other = replace(job, map_file=MapFile(tmp_path / "in" / "mask.nii.gz", is_mask=True))
    with pytest.raises(TmtvError, match=r"result of another probability and mask and is kept.*--overwrite"):
        run_case(other)
    write_image(tmp_path / "in" / "hotter.nii.gz", mask.with_array(read_image(job.suv_path).array * 2))
    with pytest.raises(TmtvError, match="result of another suv and is kept"):
        run_case(replace(job, suv_path=tmp_path / "in" / "hotter.nii.gz"))
    assert files(job) == before
    (tmp_path / "in" / "renamed.nii.gz").write_bytes(
        job.suv_path.read_bytes()
    )  # the same image by another name
    assert run_case(replace(job, suv_path=tmp_path / "in" / "renamed.nii.gz"))["methods"]
    assert list(run_case(replace(other, overwrite=True))["inputs"]) == ["mask", "suv"]


def test_a_refused_request_leaves_the_result_of_the_same_inputs(job: Job, tmp_path: Path) -> None:
    run_case(job)
    before = files(job)
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    for request in (Request(exclude=(("41", 99),)), Request(exclude_mask=tmp_path / "bad.nii.gz")):
        with pytest.raises(TmtvError):
            run_case(replace(job, request=request))
        assert files(job) == before


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
    assert sorted(files(job)) == [
        "lesions_41.csv",
        "lesions_41.nii.gz",
        "lesions_raw.csv",
        "lesions_raw.nii.gz",
        "tmtv.json",
    ]


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


def test_the_model_of_a_map_is_an_input_of_its_result(job: Job) -> None:
    beside = job.map_file.path.with_name("prediction.json")
    assert "model" not in run_case(job)["inputs"]
    for digest in ("1" * 64, "2" * 64):
        write_json(beside, {"model": "best.keras", "inputs": {"model": digest, "pet": sha256(job.suv_path)}})
        assert run_case(job)["inputs"]["model"] == {"file": "best.keras", "sha256": digest}
        assert run_case(job)["skipped"]
    beside.write_text("[]")
    with pytest.raises(TmtvError, match=r"prediction\.json: not written by tmtv predict"):
        run_case(job)


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


def test_other_voxels_beside_the_same_header_are_another_input(job: Job, tmp_path: Path) -> None:
    """An .mhd holds no voxel: its own SHA-256 would keep the result of the old ones."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(job.suv_path))
    sitk.WriteImage(image, str(tmp_path / "in" / "pet.mhd"))
    job = replace(job, suv_path=tmp_path / "in" / "pet.mhd")
    run_case(job)
    assert run_case(job)["skipped"]
    sitk.WriteImage(image * 2, str(tmp_path / "in" / "pet.mhd"))
    with pytest.raises(TmtvError, match="--overwrite"):
        run_case(job)
