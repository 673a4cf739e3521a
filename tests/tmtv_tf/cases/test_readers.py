"""Several readers of one case: whose file is whose, what they agree on, and what the case folder holds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from study_files import BOXES, SHAPE, suv_image, write_pet_ct
from typer.testing import CliRunner

from petct.errors import CaseError, ParameterError
from petct.image import Geometry, Image, read_image, write_image
from petct.rois import RoiTarget
from petct.rois.lookup import find_roi_files
from tmtv_tf.cases.case import load_case
from tmtv_tf.cases.prepare import Settings
from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort
from tmtv_tf.cases.readers import group_by_reader, majority, write_readers
from tmtv_tf.cases.truth import METHODS
from tmtv_tf.cli import app

GEOMETRY = Geometry(SHAPE, (3.0, 2.0, 2.5))
BOX = BOXES[8.0]
# What each of four readers outlines of a box of SUV 8: the whole box, less and less of its height.
HEIGHTS = {"r1": 4, "r2": 4, "r3": 3, "r4": 1}


def drawn(height: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[BOX] = 1
    mask[BOX[0].start + height :] = 0
    return mask


def four_readers(folder: Path, suv: np.ndarray) -> tuple[dict, list[str]]:
    files = {}
    for reader, height in HEIGHTS.items():
        write_image(folder / reader / "a.nii.gz", Image(drawn(height), GEOMETRY))
        files[reader] = [folder / reader / "a.nii.gz"]
    target = RoiTarget(Image(suv.astype(np.float32), GEOMETRY))
    return write_readers(folder / "case", files, target, Settings(grid=None))


def test_more_than_half_of_the_readers():
    count = np.arange(5)
    assert majority(count, 4).tolist() == [False, False, False, True, True]
    assert majority(count[:4], 3).tolist() == [False, False, True, True]
    assert majority(count[:3], 2).tolist() == [False, False, True]


def test_outlines_are_the_majority_and_tmtvprob_the_mean(tmp_path: Path) -> None:
    """Slices 0, 1 and 2, 3 of the box: 4, 3 and 3, 2 readers. SUV 8 everywhere in it, so Otsu takes what was drawn."""
    info, warnings = four_readers(tmp_path, suv_image())
    case = tmp_path / "case"
    assert np.array_equal(read_image(case / "reference_outlines.nii.gz").array, drawn(3))
    for method in METHODS:
        assert np.array_equal(read_image(case / f"reference_{method}.nii.gz").array, drawn(3))
    expected = np.mean([drawn(height) for height in HEIGHTS.values()], axis=0)
    tmtvprob = read_image(case / "tmtvprob.nii.gz").array
    assert np.array_equal(tmtvprob, expected)  # 2 of 4 is exactly 0.5
    for reader, height in HEIGHTS.items():
        own = case / "readers" / reader
        assert np.array_equal(read_image(own / "reference_outlines.nii.gz").array, drawn(height))
        assert np.array_equal(read_image(own / "rois.nii.gz").array, drawn(height))
        assert np.array_equal(read_image(own / "tmtvprob.nii.gz").array, drawn(height))
        assert info["readers"][reader]["count"] == 1
    assert info["count"] == 1
    assert info["components"]
    assert info["tmtv_ml"]["41"] == pytest.approx(drawn(3).sum() * GEOMETRY.voxel_ml)
    assert any("more than half of the readers" in text for text in warnings)
    with (case / "rois.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert int(row["voxels"]) == drawn(3).sum()


def test_a_reader_who_found_nothing_counts(tmp_path: Path) -> None:
    for reader, mask in (("a", drawn(4)), ("b", np.zeros(SHAPE, np.uint8))):
        write_image(tmp_path / f"{reader}.nii.gz", Image(mask, GEOMETRY))
    files = {reader: [tmp_path / f"{reader}.nii.gz"] for reader in "ab"}
    target = RoiTarget(Image(suv_image().astype(np.float32), GEOMETRY))
    info, _ = write_readers(tmp_path / "case", files, target, Settings(grid=None))
    assert info["count"] == 0
    assert not read_image(tmp_path / "case" / "reference_outlines.nii.gz").array.any()
    assert read_image(tmp_path / "case" / "tmtvprob.nii.gz").array.max() == 0.5


def test_the_reader_is_the_folder(tmp_path: Path) -> None:
    for name in ("r1/P1.nii.gz", "r2/P1/x.nii.gz"):
        write_image(tmp_path / name, Image(drawn(4), GEOMETRY))
    groups = group_by_reader(tmp_path, find_roi_files(tmp_path)[0])
    assert {reader: [file.names for file in files] for reader, files in groups.items()} == {
        "r1": [("P1",)],
        "r2": [("x", "P1")],
    }
    write_image(tmp_path / "beside.nii.gz", Image(drawn(4), GEOMETRY))
    with pytest.raises(CaseError, match="lies beside them"):
        group_by_reader(tmp_path, find_roi_files(tmp_path)[0])


@pytest.mark.parametrize("names", [(".r", "r2"), ("Reader One", "r2"), ("a", "A")])
def test_a_readers_name_must_be_a_folder_name_everywhere(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write_image(tmp_path / name / "P1.nii.gz", Image(drawn(4), GEOMETRY))
    with pytest.raises(CaseError, match="the reader"):
        group_by_reader(tmp_path, find_roi_files(tmp_path)[0])


def test_prepare_with_readers(tmp_path: Path) -> None:
    """Two patients; the second has no ROIs of reader r2, and says so."""
    for patient in ("P1", "P2"):
        write_pet_ct(tmp_path / "dicom" / patient, patient=patient, study=f"S{patient}")
    pets = {p: tmp_path / "dicom" / p / "pet" for p in ("P1", "P2")}
    assert all(folder.is_dir() for folder in pets.values())
    from petct.exam import read_exam

    for patient, reader in (("P1", "r1"), ("P1", "r2"), ("P1", "r3"), ("P2", "r1"), ("P2", "r3")):
        pet = read_exam(pets[patient]).pet
        mask = np.zeros(pet.array.shape, np.uint8)
        mask[pet.array > (6 if reader == "r2" else 4)] = 1
        write_image(tmp_path / "rois" / reader / f"{patient}.nii.gz", pet.with_array(mask))
    ids = tmp_path / "ids.csv"
    ids.write_text("PatientID,case_id\nP1,c1\nP2,c2\n")
    arguments = ["prepare", str(tmp_path / "dicom"), "--out", str(tmp_path / "cases"), "--no-model-grid"]
    arguments += ["--rois", str(tmp_path / "rois"), "--readers", "--case-ids", str(ids)]
    arguments += ["--key-file", str(tmp_path / "key")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    first, second = (load_case(tmp_path / "cases" / name) for name in ("c1", "c2"))
    assert list(first.readers) == ["r1", "r2", "r3"]
    assert list(second.readers) == ["r1", "r3"]
    assert any("Readers without ROIs for this case: r2" in text for text in second.info["warnings"])
    with (tmp_path / "cases" / "prepare.csv").open(newline="") as file:
        summary = {row["case_id"]: row["readers"] for row in csv.DictReader(file)}
    assert summary == {"c1": "r1 | r2 | r3", "c2": "r1 | r3"}
    outlines = read_image(first.outlines).array  # both boxes: two of three drew the cooler one
    assert np.array_equal(outlines, read_image(first.readers["r1"] / "reference_outlines.nii.gz").array)
    again = CliRunner().invoke(app, arguments)
    assert "2 were finished already" in again.output


def test_readers_need_a_folder_of_them(tmp_path: Path) -> None:
    write_pet_ct(tmp_path / "dicom")
    with pytest.raises(ParameterError, match="--readers needs --rois"):
        prepare_cohort(Request((tmp_path / "dicom",), tmp_path / "cases", readers=True))
