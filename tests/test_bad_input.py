"""Bad input, as a user meets it: one clear sentence, the exit status of the contract, nothing half-written."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from petct.image import Geometry, Image, read_image, write_image

BIN = Path(sys.executable).parent


def call(*arguments: object) -> tuple[int, str]:
    """Exit status and stderr of a console command; a traceback is a failure whatever the status."""
    command = [str(BIN / str(arguments[0])), *map(str, arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort")
    status, said = call("tmtv", "phantom", out, "--cases", 2, "--seed", 5, "--voxel-mm", 8)
    assert status == 0, said
    return out / "dicom"


@pytest.fixture
def patient(cohort: Path, tmp_path: Path) -> Path:
    """A copy of one patient's DICOM that a test may spoil: the Siemens one (BQML, START)."""
    return shutil.copytree(cohort / "PHANTOM-0001", tmp_path / "dicom")


def pet_files(patient: Path) -> list[Path]:
    return sorted((patient / "PT").glob("*.dcm"))


def edit(paths: list[Path], change) -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)


def nothing_written(out: Path) -> bool:
    """No case folder, nor a remnant of one, stands in the output."""
    return not any(p.is_dir() and any(p.rglob("*.nii.gz")) for p in out.glob("*"))


def refused(patient: Path, out: Path, *words: str) -> None:
    """`tmtv prepare` leaves with 2, says every word, and writes no case."""
    path_list = out.with_name("paths.csv")
    status, said = call("tmtv", "prepare", patient, "--out", out, "--path-list", path_list)
    assert status == 2, said
    if path_list.exists():  # stderr is no terminal here, so files have numbers
        with path_list.open(newline="") as file:
            for row in sorted(csv.DictReader(file), key=lambda row: len(row["number"]), reverse=True):
                said = said.replace(row["number"], row["path"])
    for word in words:
        assert word in said, said
    assert nothing_written(out)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "out", "empty")
    assert call("tmtv", "inspect", tmp_path / "empty")[0] == 2
    assert call("tmtv", "inspect", tmp_path / "nowhere")[0] == 2


def test_a_folder_without_pet(patient: Path, tmp_path: Path) -> None:
    shutil.rmtree(patient / "PT")
    refused(patient, tmp_path / "out", "PET")


def test_pet_without_ct_is_prepared_and_says_so(patient: Path, tmp_path: Path) -> None:
    shutil.rmtree(patient / "CT")
    status, said = call("tmtv", "prepare", patient, "--out", tmp_path / "out")
    assert status == 0, said
    (case,) = (tmp_path / "out").glob("*/case.json")
    assert not (case.parent / "ct.nii.gz").exists()
    assert any("CT" in warning for warning in json.loads(case.read_text())["warnings"])


def test_a_truncated_file(patient: Path, tmp_path: Path) -> None:
    victim = pet_files(patient)[3]
    victim.write_bytes(victim.read_bytes()[:-1000])
    refused(patient, tmp_path / "out", victim.name)


def test_a_text_file_among_the_dicom_is_passed_over(patient: Path, tmp_path: Path) -> None:
    (patient / "PT" / "notes.txt").write_text("not an image")
    status, said = call("tmtv", "prepare", patient, "--out", tmp_path / "out")
    assert status == 0, said
    assert "file,file 1,not a DICOM file" in (tmp_path / "out" / "left_out.csv").read_text()


def test_a_missing_weight(patient: Path, tmp_path: Path) -> None:
    edit(pet_files(patient), lambda d: d.pop("PatientWeight"))
    refused(patient, tmp_path / "out", "PatientWeight", "(0010,1030)")


def test_a_missing_dose(patient: Path, tmp_path: Path) -> None:
    def remove(dataset: pydicom.Dataset) -> None:
        del dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose

    edit(pet_files(patient), remove)
    refused(patient, tmp_path / "out", "RadionuclideTotalDose", "(0018,1074)")


def test_the_user_can_supply_what_is_missing(cohort: Path, patient: Path, tmp_path: Path) -> None:
    weight_kg = float(pydicom.dcmread(pet_files(patient)[0]).PatientWeight)
    assert call("tmtv", "prepare", patient, "--out", tmp_path / "whole")[0] == 0
    edit(pet_files(patient), lambda d: d.pop("PatientWeight"))
    out = tmp_path / "supplied"
    status, said = call("tmtv", "prepare", patient, "--out", out, "--weight-kg", weight_kg)
    assert status == 0, said
    (whole,) = (tmp_path / "whole").glob("*/pet.nii.gz")
    (supplied,) = out.glob("*/pet.nii.gz")
    np.testing.assert_array_equal(read_image(supplied).array, read_image(whole).array)
    assert "weight_kg" in json.dumps(
        json.loads((supplied.parent / "case.json").read_text())["suv"]["overrides"]
    )


def test_a_missing_slice(patient: Path, tmp_path: Path) -> None:
    by_position = sorted(pet_files(patient), key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
    by_position[10].unlink()
    refused(patient, tmp_path / "out", "missing")


def test_two_patients_in_one_folder_are_two_cases(cohort: Path, tmp_path: Path) -> None:
    together = tmp_path / "together"
    together.mkdir()
    for i, path in enumerate(sorted(cohort.rglob("*.dcm"))):
        shutil.copy(path, together / f"IM{i:05d}")
    status, said = call("tmtv", "prepare", together, "--out", tmp_path / "out")
    assert status == 0, said
    assert len(list((tmp_path / "out").glob("*/case.json"))) == 2


def test_one_bad_patient_does_not_stop_the_other(cohort: Path, tmp_path: Path) -> None:
    both = shutil.copytree(cohort, tmp_path / "both")
    edit(pet_files(both / "PHANTOM-0001"), lambda d: d.pop("PatientWeight"))
    status, said = call("tmtv", "prepare", both, "--out", tmp_path / "out")
    assert status == 1
    assert "PatientWeight" in said
    assert len(list((tmp_path / "out").glob("*/case.json"))) == 1


def test_an_output_that_cannot_be_written(patient: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    status, said = call("tmtv", "prepare", patient, "--out", tmp_path / "file" / "out")
    assert status == 2
    assert "file" in said


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A probability map and a PET on one grid."""
    geometry = Geometry((12, 10, 8), (4.0, 3.0, 2.0), (10.0, 20.0, 30.0))
    suv = np.random.default_rng(0).uniform(0, 9, geometry.shape).astype(np.float32)
    write_image(tmp_path / "case" / "pet.nii.gz", Image(suv, geometry))
    write_image(tmp_path / "case" / "probability.nii.gz", Image((suv > 5).astype(np.float32), geometry))
    return tmp_path / "case" / "probability.nii.gz", tmp_path / "case" / "pet.nii.gz"


def test_a_map_of_another_patients_grid(pair: tuple[Path, Path], tmp_path: Path) -> None:
    probability, pet = pair
    image = read_image(probability)
    elsewhere = Geometry(image.geometry.shape, image.spacing_mm, (5000.0, 0.0, 0.0))
    write_image(probability, Image(image.array, elsewhere))
    out = tmp_path / "out"
    status, said = call("tmtv-postprocess", "--probability", probability, "--suv", pet, "--out", out)
    assert status == 2
    assert str(probability) in said
    assert not list(out.rglob("*.nii.gz"))


def test_a_map_with_nan(pair: tuple[Path, Path], tmp_path: Path) -> None:
    probability, pet = pair
    image = read_image(probability)
    image.array[3, 4, 5] = np.nan
    write_image(probability, image)
    out = tmp_path / "out"
    status, said = call("tmtv-postprocess", "--probability", probability, "--suv", pet, "--out", out)
    assert status == 2
    assert "NaN" in said
    assert str(probability) in said
    assert not list(out.rglob("*.nii.gz"))


def test_a_result_folder_that_cannot_be_written(pair: tuple[Path, Path], tmp_path: Path) -> None:
    probability, pet = pair
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    status, said = call("tmtv-postprocess", "--probability", probability, "--suv", pet, "--out", out)
    assert status == 2
    assert "file" in said
