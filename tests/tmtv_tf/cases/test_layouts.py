"""The public FDG-PET-CT-Lesions release in both its forms, and the table of images."""

import csv

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV, write_study
from roi_files import pet_datasets, write_seg

from petct.console import run_app
from petct.image import Image, read_image, write_image
from petct.rois import Roi
from tmtv_tf.cases.case import find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.cases.truth import make_truth
from tmtv_tf.cli import app


@pytest.fixture(autouse=True)
def own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def prepare(*arguments, status=0):
    with pytest.raises(SystemExit) as exit_:
        run_app(app, ["prepare", "--no-model-grid", *map(str, arguments)])
    assert exit_.value.code == status


def expert_mask():
    """Two lesions that do not touch: components are ROIs of their own."""
    mask = np.zeros(SHAPE, bool)
    mask[6:8, 1:3, 1:3] = True
    mask[1:3, 4, 3:5] = True
    return mask


def write_nifti_study(root, subject, study, mask):
    folder = root / subject / study
    write_image(folder / "SUV.nii.gz", Image(SUV, GEOMETRY))
    write_image(folder / "CTres.nii.gz", Image(np.zeros(SHAPE, np.float32), GEOMETRY))
    write_image(folder / "SEG.nii.gz", Image(mask.astype(np.uint8), GEOMETRY))
    return folder


def write_metadata(path, rows):
    """The columns of the release's CSV that matter, one row per series as in the original."""
    columns = [
        "Series UID",
        "Subject ID",
        "Study UID",
        "Modality",
        "File Location",
        "diagnosis",
        "age",
        "sex",
    ]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for subject, study_uid, study_folder, diagnosis in rows:
            for modality in ("PT", "CT", "SEG"):
                location = f"./FDG-PET-CT-Lesions/{subject}/{study_folder}/{modality}-1"
                writer.writerow(["1.2", subject, study_uid, modality, location, diagnosis, "060Y", "M"])


def per_component_truth(pet, mask):
    return make_truth(pet, Roi.from_mask("", mask).components(), 1.0).probability()


def test_autopet_nifti(tmp_path):
    root = tmp_path / "FDG-PET-CT-Lesions"
    visit = "01-01-2003-NA-PET-CT Ganzkoerper-1234"
    write_nifti_study(root, "PETCT_a", visit, expert_mask())
    write_nifti_study(root, "PETCT_a", "later", np.zeros(SHAPE, bool))
    write_nifti_study(root, "PETCT_b", visit, expert_mask())
    write_nifti_study(root, "PETCT_c", visit, expert_mask())
    write_metadata(
        root / "Clinical-Metadata.csv",
        [
            ("PETCT_a", "1.1", visit, "LYMPHOMA"),
            ("PETCT_a", "1.2", "later", "LYMPHOMA"),
            ("PETCT_b", "1.3", visit, "MELANOMA"),
            ("PETCT_c", "1.4", visit, "LYMPHOMA"),
        ],
    )
    prepare(root, "--layout", "autopet", "--out", tmp_path / "out")
    cases = [load_case(folder) for folder in find_cases(tmp_path / "out")]
    assert len(cases) == 3
    rows = read_cohort(tmp_path / "out")
    assert len({row["patient_key"] for row in rows}) == 2
    by_patient = {row["patient_key"]: row["split"] for row in rows}
    assert all(by_patient[row["patient_key"]] == row["split"] for row in rows)
    counts = sorted(case.info["rois"]["count"] for case in cases)
    assert counts == [0, 2, 2]  # a study without disease has an empty truth, not none
    for case in cases:
        mask = expert_mask() if case.info["rois"]["count"] else np.zeros(SHAPE, bool)
        assert np.array_equal(read_image(case.tmtvprob).array, per_component_truth(SUV, mask))
        assert np.array_equal(read_image(case.pet).array, SUV)
    assert "MELANOMA" in (tmp_path / "out" / "left_out.csv").read_text()
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*.json"))
    assert b"PETCT_" not in everything


def test_autopet_dicom(tmp_path):
    root = tmp_path / "FDG-PET-CT-Lesions"
    masks = expert_mask()[..., None]
    for subject, study in (("PETCT_a", "S1"), ("PETCT_b", "S1")):
        folder = write_study(root / subject / "visit", subject, study, roi=False)
        write_seg(folder / "SEG" / "seg.dcm", pet_datasets(folder / "PT"), masks)
    write_metadata(
        tmp_path / "metadata.csv",
        [("PETCT_a", "", "visit", "LYMPHOMA"), ("PETCT_b", "", "visit", "NEGATIVE")],
    )
    prepare(root, "--layout", "autopet", "--clinical", tmp_path / "metadata.csv", "--out", tmp_path / "out")
    (folder,) = find_cases(tmp_path / "out")
    case = load_case(folder)
    assert case.info["rois"]["count"] == 2
    pet = read_image(case.pet).array
    assert np.array_equal(read_image(case.tmtvprob).array, per_component_truth(pet, expert_mask()))
    assert "diagnosis NEGATIVE" in (tmp_path / "out" / "left_out.csv").read_text()


def test_autopet_needs_its_table_and_a_lymphoma(tmp_path, capsys):
    root = tmp_path / "x" / "release"
    write_nifti_study(root, "PETCT_a", "visit", expert_mask())
    prepare(root, "--layout", "autopet", "--out", tmp_path / "out", status=2)
    assert "no table with the columns Subject ID and diagnosis" in capsys.readouterr().err
    write_metadata(root / "m.csv", [("PETCT_a", "1.1", "visit", "NEGATIVE")])
    prepare(root, "--layout", "autopet", "--out", tmp_path / "out", status=2)
    assert "none of its 1 studies has the diagnosis LYMPHOMA" in capsys.readouterr().err


def test_autopet_study_without_its_mask_fails_alone(tmp_path, capsys):
    root = tmp_path / "release"
    write_nifti_study(root, "PETCT_a", "visit", expert_mask())
    (write_nifti_study(root, "PETCT_b", "visit", expert_mask()) / "SEG.nii.gz").unlink()
    write_metadata(root / "m.csv", [(s, "1", "visit", "LYMPHOMA") for s in ("PETCT_a", "PETCT_b")])
    prepare(root, "--layout", "autopet", "--out", tmp_path / "out", status=1)
    assert "SEG.nii.gz missing" in capsys.readouterr().err


def test_table_of_images(tmp_path):
    write_image(tmp_path / "images" / "pet.nii.gz", Image(SUV, GEOMETRY))
    write_image(tmp_path / "images" / "ct.nii.gz", Image(np.zeros(SHAPE, np.int16), GEOMETRY))
    write_image(tmp_path / "images" / "rois.nii.gz", Image(expert_mask().astype(np.uint8), GEOMETRY))
    (tmp_path / "table.csv").write_text(
        "PatientID,study,pet,ct,rois,case_id,subtype,split\n"
        "Doe,1,images/pet.nii.gz,images/ct.nii.gz,images/rois.nii.gz,alpha,HL,test\n"
        "Doe,2,images/pet.nii.gz,,,alpha,HL,test\n"
        "Roe,,images/pet.nii.gz,,,beta,FL,train\n"
    )
    prepare(tmp_path / "table.csv", "--layout", "nifti", "--out", tmp_path / "out", "--split-components")
    rows = read_cohort(tmp_path / "out")
    assert [row["split"] for row in rows] == ["test", "test", "train"]
    assert rows[0]["case_id"].startswith("alpha-")
    assert rows[2]["case_id"] == "beta"
    with_rois = [case for folder in find_cases(tmp_path / "out") if (case := load_case(folder)).references]
    (case,) = with_rois
    assert case.info["rois"]["count"] == 2
    assert case.ct is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Doe,missing.nii.gz", "line 2: pet: no file missing.nii.gz"),
        (",pet.nii.gz", "must not be empty"),
        ("Doe,pet.nii.gz\nDoe,pet.nii.gz", "line 3: a second row of this patient"),
    ],
)
def test_bad_tables_are_refused(tmp_path, capsys, line, message):
    write_image(tmp_path / "pet.nii.gz", Image(SUV, GEOMETRY))
    (tmp_path / "table.csv").write_text(f"PatientID,pet\n{line}\n")
    prepare(tmp_path / "table.csv", "--layout", "nifti", "--out", tmp_path / "out", status=2)
    assert message in capsys.readouterr().err


def test_activity_instead_of_suv_is_refused(tmp_path, capsys):
    write_image(tmp_path / "pet.nii.gz", Image(SUV * 2500, GEOMETRY))
    (tmp_path / "table.csv").write_text("PatientID,pet\nDoe,pet.nii.gz\n")
    prepare(tmp_path / "table.csv", "--layout", "nifti", "--out", tmp_path / "out", status=2)
    assert "which no SUV is" in capsys.readouterr().err
