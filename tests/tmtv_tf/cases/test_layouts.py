"""The public FDG-PET-CT-Lesions release in both its forms, and the table of images."""

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV
from layout_files import expert_mask
from prepare_files import prepare

from petct.image import Image, write_image
from tmtv_tf.cases.case import find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort


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
