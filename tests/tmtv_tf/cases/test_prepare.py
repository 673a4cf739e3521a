"""`tmtv prepare` on small DICOM trees: what comes out, what is kept, what is refused, what is never written."""

import shutil

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV, roi_mask, write_study
from dicom_files import uid
from prepare_files import only_case, prepare, table, without_weight

from petct.console import run_app
from petct.image import Image, read_image, write_image
from petct.rois import Roi
from tmtv_tf.cases.case import METHODS, find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.cases.truth import make_truth
from tmtv_tf.cli import app


def test_one_study(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    case = only_case(tmp_path / "out")
    pet = read_image(case.pet)
    assert pet.array.dtype == np.float32
    assert pet.geometry.same_grid(GEOMETRY)
    assert np.allclose(pet.array, SUV, rtol=1e-6)
    ct = read_image(case.ct)
    assert ct.geometry.shape == (16, 6, 5)
    assert ct.array[0, 0, 0] == 1 - 1024
    truth = make_truth(pet.array, [Roi.from_mask("", roi_mask())], 0.015)
    for method in METHODS:
        mask = read_image(case.references[method])
        assert mask.array.dtype == np.uint8
        assert mask.geometry.same_grid(GEOMETRY)
        assert np.array_equal(mask.array != 0, truth.mask(method))
    assert np.array_equal(read_image(case.tmtvprob).array, truth.probability())
    (row,) = table(case.folder / "rois.csv")
    assert "name" not in row
    assert float(row["volume_ml"]) == pytest.approx(36 * 0.015)

    info = case.info
    assert info["case_id"] == case.folder.name == case.case_id
    assert info["study_uid"] == uid("P1", "S1")
    assert info["pet_series_uid"] == uid("P1", "S1", "pet")
    assert info["ct_series_uid"] == uid("P1", "S1", "ct")
    assert info["suv"]["factor"] == pytest.approx(4e-4, rel=1e-9)
    assert info["suv"]["rule"].startswith("BQML, START")
    assert info["suv"]["overrides"] == {}
    assert info["grid"]["shape"] == list(SHAPE)
    assert info["rois"]["count"] == 1
    (cohort,) = read_cohort(tmp_path / "out")
    assert cohort["case_id"] == case.case_id
    assert cohort["split"] == "train"
    (summary,) = table(tmp_path / "out" / "prepare.csv")
    assert (summary["status"], summary["slices"], summary["rois"]) == ("done", "8", "1")


def test_without_ct_and_without_rois(tmp_path):
    write_study(tmp_path / "in", ct=False, roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    case = only_case(tmp_path / "out")
    assert (case.ct, case.references, case.tmtvprob) == (None, {}, None)
    assert sorted(p.name for p in case.folder.iterdir()) == ["case.json", "pet.nii.gz"]


def test_a_name_that_fits_two_studies_is_refused(tmp_path, capsys):
    for study in ("S1", "S2"):
        write_study(tmp_path / "in" / study, "P1", study, roi=False)
    write_image(tmp_path / "rois" / "P1.nii.gz", Image(np.ones(SHAPE, np.uint8), GEOMETRY))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--rois", tmp_path / "rois", status=2)
    assert "its name fits 2 studies" in capsys.readouterr().err
    (tmp_path / "rois" / "P1.nii.gz").rename(tmp_path / "rois" / f"{uid('P1', 'S1', 'pet')}.nii.gz")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--rois", tmp_path / "rois")
    assert sorted(bool(load_case(f).references) for f in find_cases(tmp_path / "out")) == [False, True]


PLANTED = {
    "PatientName": "Zwetschgenbaum^Kunigunde",
    "PatientID": "ZWB4711",
    "PatientBirthDate": "19310203",
    "AccessionNumber": "ACC99887",
    "InstitutionName": "Klinikum Hinterwald",
    "StudyDescription": "Frau Zwetschgenbaum Kontrolle",
    "SeriesDescription": "PET Kunigunde",
    "ReferringPhysicianName": "Quacksalber^Egon",
    "OtherPatientIDs": "OLD-ID-123",
    "PatientComments": "lives in Hinterwald",
}


def test_nothing_identifying_is_written_or_said(tmp_path, capsys):
    """Planted names are in no output, not even where a case fails or folders carry them."""

    def plant(ds, k):
        for keyword, value in PLANTED.items():
            setattr(ds, keyword, value)

    def plant_and_break(ds, k):
        plant(ds, k)
        without_weight(ds, k)

    root = tmp_path / "in" / "Zwetschgenbaum_Kunigunde"
    write_study(root / "good", "ZWB4711", "S1", edit=plant)
    write_study(root / "bad", "ZWB4711", "S2", edit=plant_and_break)
    write_study(root / "no pet", "ZWB4711", "S3", edit=plant, roi=False)
    shutil.rmtree(root / "no pet" / "PT")
    (root / "letter of ZWB4711.txt").write_text("Dear Frau Zwetschgenbaum")
    (tmp_path / "clinical.csv").write_text("PatientID,subtype\nZWB4711,HL\n")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv", status=1)
    said = capsys.readouterr()
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    names = [str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*")]
    everything = b"\n".join([*written, *map(str.encode, [*names, said.out, said.err])]).lower()
    for word in ("zwetschgenbaum", "kunigunde", "zwb4711", "19310203", "acc99887", "hinterwald", "quacksalber",
                 "egon", "old-id-123", "kontrolle", "lymph node of somebody"):  # fmt: skip
        assert word.encode() not in everything, word
    assert "PatientWeight (0010,1030)" in said.err


def test_arrays_for_training(tmp_path):
    write_study(tmp_path / "in")
    with pytest.raises(SystemExit):
        run_app(
            app,
            ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--grid-shape", "8", "8", "8"],
        )
    case = only_case(tmp_path / "out")
    assert case.info["model_grid"]["shape"] == [8, 8, 8]
    assert list((case.folder / "model_grid").rglob("image.*"))
