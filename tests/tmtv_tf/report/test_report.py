"""The page of one study: what it says, and that left is left and the head is up in its pictures."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import postprocess
from petct.image import Geometry, Image
from petct.palette import LESION_COLORS
from tmtv_tf.evaluation.field_tables import MEASURES
from tmtv_tf.report.content import LESIONS_SHOWN, METHOD_COLUMNS, StudyPage, method_name
from tmtv_tf.report.html import write_html
from tmtv_tf.report.pdf import render_pdf
from tmtv_tf.report.pictures import cuts, projections

SPACING = (4.0, 3.0, 2.0)
HOT = {1: (slice(30, 34), slice(10, 16), slice(40, 48)), 2: (slice(6, 9), slice(24, 27), slice(8, 12))}


@pytest.fixture
def study() -> tuple[Image, np.ndarray]:
    """Lesion 1: head end, front, patient's left. Lesion 2: foot end, back, patient's right."""
    suv = np.zeros((40, 40, 60), np.float32)
    suv[2:38, 4:36, 4:56] = 1.0
    labels = np.zeros(suv.shape, np.int32)
    for label, box in HOT.items():
        suv[box], labels[box] = 8.0, label
    return Image(suv, Geometry(suv.shape, SPACING, (-59.0, -58.5, 0.0))), labels


def page(study: tuple[Image, np.ndarray], **changes: object) -> StudyPage:
    pet, labels = study
    methods = {"raw": postprocess.patient_measures(labels, pet.array, SPACING).as_dict()}
    lesions = postprocess.lesion_table(labels, pet.array, SPACING)
    said = {
        "case_id": "case-1", "method": "raw", "methods": methods, "lesions": lesions,
        "projections": projections(pet, labels), "cuts": cuts(pet, labels),
        "suv": [("Rule", "START & co")], "origin": [("Model", "<script>alert(1)</script>")],
        "warnings": ["Trained on synthetic images only; not validated on patients."],
    }  # fmt: skip
    return StudyPage(**{**said, **changes})


def places(png: bytes, label: int) -> np.ndarray:
    """(row, column), as shares of the picture, of the pixels in a lesion's colour."""
    picture = np.asarray(Pillow.open(io.BytesIO(png)).convert("RGB")).astype(int)
    near = np.abs(picture - LESION_COLORS[label - 1]).max(axis=2) <= 3
    assert near.any(), f"lesion {label} is not drawn"
    return np.argwhere(near).mean(axis=0) / picture.shape[:2]


def test_the_head_is_up_and_the_patients_right_is_on_the_left(study: tuple[Image, np.ndarray]) -> None:
    coronal, sagittal = projections(*study)
    first, second = places(coronal.png, 1), places(coronal.png, 2)
    assert first[0] < 0.35 < 0.65 < second[0]  # lesion 1 is higher up
    assert second[1] < 0.4 < 0.6 < first[1]  # lesion 2, on the patient's right, is on the left
    first, second = places(sagittal.png, 1), places(sagittal.png, 2)
    assert first[0] < 0.35 < 0.65 < second[0]
    assert first[1] < 0.5 < second[1]  # the front is on the left


def test_axial_cuts_go_through_the_largest_lesions(study: tuple[Image, np.ndarray]) -> None:
    pictures = cuts(*study)
    assert [p.caption for p in pictures] == ["Axial cut through lesion 1", "Axial cut through lesion 2"]
    row, column = places(pictures[0].png, 1)
    assert row < 0.5 < column  # front, patient's left


def test_the_outline_lies_on_the_lesions_edge(study: tuple[Image, np.ndarray]) -> None:
    """The box of lesion 1 spans 8 voxels of 2 mm and 4 of 4 mm; the picture's scale is known from its height."""
    coronal = projections(*study)[0]
    picture = np.asarray(Pillow.open(io.BytesIO(coronal.png)).convert("RGB")).astype(int)
    near = np.argwhere(np.abs(picture - LESION_COLORS[0]).max(axis=2) <= 3)
    pixels_per_mm = 2.0  # of a picture that is not too large for it
    columns = near[:, 1]
    left_edge = columns.min() / pixels_per_mm
    # Cut to the body and 15 mm, rounded up to voxels: 8 voxels before the body's first, which is lesion's 36 before.
    assert left_edge == pytest.approx((40 - max(4 - 8, 0)) * 2.0, abs=1.5)


def test_the_page_says_the_number_the_warning_and_escapes_text(
    study: tuple[Image, np.ndarray], tmp_path: Path
) -> None:
    write_html(tmp_path / "report.html", page(study))
    text = (tmp_path / "report.html").read_text()
    total = (4 * 6 * 8 + 3 * 3 * 4) * 24 / 1000
    assert f"{total:,.1f} mL" in text
    assert "not validated on patients" in text
    assert "<script" not in text
    assert "START &amp; co" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)


def test_no_patient_unless_asked(study: tuple[Image, np.ndarray], tmp_path: Path) -> None:
    write_html(tmp_path / "with.html", page(study, patient=[("Name", "Doe^Jane")]))
    write_html(tmp_path / "without.html", page(study))
    assert "Doe^Jane" in (tmp_path / "with.html").read_text()
    assert "Doe" not in (tmp_path / "without.html").read_text()


def test_an_empty_result_is_a_page(study: tuple[Image, np.ndarray], tmp_path: Path) -> None:
    pet, labels = study
    labels = np.zeros_like(labels)
    methods = {"raw": postprocess.patient_measures(labels, pet.array, SPACING).as_dict()}
    empty = page(
        (pet, labels),
        methods=methods,
        lesions=[],
        projections=projections(pet, labels),
        cuts=cuts(pet, labels),
    )
    write_html(tmp_path / "report.html", empty)
    text = (tmp_path / "report.html").read_text()
    assert "0.0 mL" in text
    assert "No lesion was found" in text
    assert "nan" not in text.lower().replace("nanum", "")
    assert render_pdf(empty).startswith(b"%PDF-")


def test_more_lesions_than_rows_are_counted(study: tuple[Image, np.ndarray], tmp_path: Path) -> None:
    many = page(study).lesions * LESIONS_SHOWN
    write_html(tmp_path / "report.html", page(study, lesions=many))
    assert f"{LESIONS_SHOWN} smaller lesions are in the CSV file" in (tmp_path / "report.html").read_text()


def test_the_pdf_is_the_same_twice(study: tuple[Image, np.ndarray]) -> None:
    assert render_pdf(page(study)) == render_pdf(page(study))


@pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="poppler-utils is not installed (make test-tools)"
)
def test_the_pdf_says_what_the_html_says(study: tuple[Image, np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(render_pdf(page(study)))
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "report.pdf", "-"], check=True, capture_output=True, text=True
    )
    for said in (
        "5.5 mL",
        "in 2 lesions",
        "not validated on patients",
        "<script>alert(1)</script>",
        "Not a medical device",
    ):
        assert said in text.stdout


def test_a_method_is_called_what_the_table_of_methods_defines() -> None:
    # docs/how_to/postprocess.md: 50p is 50 % of SUVpeak; raw may be a reader's mask, so no network is named
    assert method_name("50p") == "50 % of each lesion's SUVpeak"
    assert method_name("41") == "41 % of each lesion's SUVmax"
    assert "network" not in method_name("raw")


def test_both_reports_give_a_measure_in_the_same_unit() -> None:
    pages = {key: name for key, name, _ in METHOD_COLUMNS}
    assert pages["tmtv_ml"] == MEASURES["tmtv"][0] == "TMTV, mL"
    assert pages["tlg"] == MEASURES["tlg"][0] == "TLG, g"  # mL x g/mL, as sr.dcm has it
