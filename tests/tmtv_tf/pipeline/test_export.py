"""`tmtv export` of results and masks, beside what `tmtv run` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from study_files import BOXES, VOXEL_ML, suv_image, write_pet_ct
from typer.testing import CliRunner

import petct
import tmtv_tf
from petct.errors import CaseError, ParameterError
from petct.image import Image, read_image, write_image
from postprocess.case import Job, run_case
from postprocess.inputs import MapFile
from tmtv_tf.cli import app
from tmtv_tf.pipeline.export import export


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return write_pet_ct(tmp_path / "dicom")


@pytest.fixture
def result(study: Path, tmp_path: Path) -> Path:
    exam = petct.read_exam(study)
    write_image(tmp_path / "mask.nii.gz", Image(suv_image() > 4, exam.pet.geometry))
    (case_id,) = tmtv_tf.run(study, mask=tmp_path / "mask.nii.gz", out=tmp_path / "out").studies
    return tmp_path / "out" / case_id


def test_an_existing_result_gives_what_the_run_gave(study: Path, result: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app, ["export", str(result), "--series", str(study), "--out", str(tmp_path / "dicom2")]
    )
    assert made.exit_code == 0, made.output
    target = petct.RoiTarget(*_target(study))
    for name in ("seg.dcm", "rtstruct.dcm"):
        found, wanted = (
            petct.read_rois(folder / name, target)[0] for folder in (tmp_path / "dicom2", result)
        )
        for a, b in zip(found, wanted, strict=True):
            assert a.corner == b.corner
            assert np.array_equal(a.mask, b.mask)


def _target(study: Path) -> tuple[Image, str, str]:
    exam = petct.read_exam(study)
    return exam.pet, exam.pet_series.series_uid, exam.pet_series.frame_of_reference_uid


def test_any_mask_is_exported(study: Path, tmp_path: Path) -> None:
    exam = petct.read_exam(study)
    mask = np.zeros(exam.pet.array.shape, np.uint8)
    mask[BOXES[5.0]] = 3
    write_image(tmp_path / "reader.nii.gz", Image(mask, exam.pet.geometry))
    made = export(tmp_path / "reader.nii.gz", study, tmp_path / "d", method="raw")
    assert made.tmtv_ml == pytest.approx(np.count_nonzero(mask) * VOXEL_ML)
    assert dcmread(tmp_path / "d" / "seg.dcm").SegmentSequence[0].SegmentLabel == "Lesion 1"


def test_an_empty_mask_is_a_report_of_zero(study: Path, tmp_path: Path) -> None:
    exam = petct.read_exam(study)
    write_image(tmp_path / "none.nii.gz", Image(np.zeros(exam.pet.array.shape, np.uint8), exam.pet.geometry))
    assert export(tmp_path / "none.nii.gz", study, tmp_path / "d").files == ("sr.dcm",)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["sr.dcm"]


def _prepared_with_weight(study: Path, folder: Path) -> Path:
    prepare = ["prepare", str(study), "--out", str(folder / "cases"), "--weight-kg", "90", "--no-model-grid"]
    assert CliRunner().invoke(app, prepare).exit_code == 0
    (case,) = (path for path in (folder / "cases").iterdir() if path.is_dir())
    return case


def _result_of_case(case: Path, mask: np.ndarray, folder: Path) -> Path:
    write_image(folder / "mask.nii.gz", read_image(case / "pet.nii.gz").with_array(mask))
    map_file = MapFile(folder / "mask.nii.gz", is_mask=True)
    result = folder / "out" / case.name
    run_case(Job(case_id=case.name, folder=result, map_file=map_file, suv_path=case / "pet.nii.gz"))
    return result


def test_a_case_prepared_with_a_weight_is_exported_with_it(study: Path, tmp_path: Path) -> None:
    """The header's weight gives SUV that are 70/90 of those of the case; its result says so itself."""
    case = _prepared_with_weight(study, tmp_path)
    pet = read_image(case / "pet.nii.gz")
    result = _result_of_case(case, pet.array > 5.5, tmp_path)
    made = export(result, study, tmp_path / "d", method="raw")
    assert made.tmtv_ml == pytest.approx(np.count_nonzero(pet.array > 5.5) * VOXEL_ML)
    # A result that does not say so, of a version before, is refused with the reason.
    stated = json.loads((result / "tmtv.json").read_text())
    del stated["inputs"]["suv"]["overrides"]
    (result / "tmtv.json").write_text(json.dumps(stated))
    with pytest.raises(CaseError, match="another weight, dose or injection time"):
        export(result, study, tmp_path / "d", method="raw")


def test_a_result_of_another_pet_is_refused(study: Path, result: Path, tmp_path: Path) -> None:
    """The same grid, other SUV: the numbers of the result are not true there."""
    for path in (study / "pet").iterdir():
        ds = dcmread(path)
        ds.PatientWeight = "90"
        ds.save_as(path)
    with pytest.raises(CaseError, match="belongs to another PET"):
        export(result, study, tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_what_is_not_there_is_named(study: Path, result: Path, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no result of the method otsu; it has raw, 41, 2.5, 4.0"):
        export(result, study, tmp_path / "d", method="otsu")
    with pytest.raises(CaseError, match="neither the folder of a result"):
        export(tmp_path / "nothing", study, tmp_path / "d")


def _empty_result(study: Path, folder: Path) -> Path:
    """A result of this study without a lesion."""
    exam = petct.read_exam(study)
    folder.mkdir()
    write_image(folder / "none.nii.gz", Image(np.zeros(exam.pet.array.shape, np.uint8), exam.pet.geometry))
    (case_id,) = tmtv_tf.run(study, mask=folder / "none.nii.gz", out=folder / "out").studies
    return folder / "out" / case_id


def test_a_result_without_lesion_is_not_exported_to_another_patient(study: Path, tmp_path: Path) -> None:
    """0 mL is true of every PET on the same grid; the series tells whose it is."""
    other = write_pet_ct(tmp_path / "other", patient="P2", study="S2")
    result = _empty_result(study, tmp_path / "empty")
    with pytest.raises(CaseError, match="was made from DICOM series"):
        export(result, other, tmp_path / "d")
    assert export(result, study, tmp_path / "d").files == ("sr.dcm",)


def test_nor_is_that_of_a_case_prepared_with_a_weight(study: Path, tmp_path: Path) -> None:
    """Its result names the series, though its PET is a file."""
    case = _prepared_with_weight(study, tmp_path)
    other = write_pet_ct(tmp_path / "other", patient="P2", study="S2")
    result = _result_of_case(case, np.zeros(read_image(case / "pet.nii.gz").array.shape, bool), tmp_path)
    with pytest.raises(CaseError, match="was made from DICOM series"):
        export(result, other, tmp_path / "d", method="raw")
    made = export(result, study, tmp_path / "d", method="raw")
    assert (made.files, made.warnings) == (("sr.dcm",), ())


def test_a_result_from_dicom_in_its_place_has_the_headers_weight(study: Path, tmp_path: Path) -> None:
    """It had the 90 kg of the result that it replaced, and nothing said so: it could not be exported."""
    case = _prepared_with_weight(study, tmp_path)
    result = _result_of_case(case, read_image(case / "pet.nii.gz").array > 5.5, tmp_path)
    map_file = MapFile(tmp_path / "mask.nii.gz", is_mask=True)
    run_case(Job(case_id=case.name, folder=result, map_file=map_file, suv_path=study, overwrite=True))
    stated = json.loads((result / "tmtv.json").read_text())
    assert stated["methods"]["raw"]["suv_max"] == pytest.approx(petct.read_exam(study).pet.array.max())
    export(result, study, tmp_path / "d", method="raw")


def test_the_same_pet_under_another_uid_is_said(study: Path, result: Path, tmp_path: Path) -> None:
    other = write_pet_ct(tmp_path / "other", patient="P2", study="S2")
    (text,) = export(result, other, tmp_path / "d").warnings
    assert "it was made from DICOM series" in text


def test_an_export_leaves_no_object_of_an_earlier_one(study: Path, result: Path, tmp_path: Path) -> None:
    """Lesions first, none then: the SR states 0, and no SEG of the lesions stands beside it."""
    export(result, study, tmp_path / "d")
    export(_empty_result(study, tmp_path / "empty"), study, tmp_path / "d")
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["sr.dcm"]


def test_the_objects_of_another_study_are_kept(study: Path, result: Path, tmp_path: Path) -> None:
    other = write_pet_ct(tmp_path / "other", patient="P2", study="S2", hot=False)
    export(result, study, tmp_path / "d")
    before = {path: path.read_bytes() for path in (tmp_path / "d").iterdir()}
    with pytest.raises(CaseError, match="seg.dcm: it is of another study and is kept"):
        export(_empty_result(other, tmp_path / "empty"), other, tmp_path / "d")
    assert {path: path.read_bytes() for path in (tmp_path / "d").iterdir()} == before


def test_a_form_of_seg_that_is_none_is_refused(study: Path, result: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="BINARY or LABELMAP"):
        export(result, study, tmp_path / "d", seg_kind="FRACTIONAL")
