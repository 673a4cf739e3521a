"""The public FDG-PET-CT-Lesions release in both its forms."""

import csv

import numpy as np
from cohort_files import GEOMETRY, SHAPE, SUV, write_study
from layout_files import expert_mask
from prepare_files import prepare
from roi_files import pet_datasets, write_seg

from petct.image import Image, read_image, write_image
from petct.rois import Roi
from tmtv_tf.cases.case import find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.cases.truth import make_truth


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
