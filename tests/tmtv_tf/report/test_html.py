"""The page of one result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from report_page import SPACING, page

import postprocess
from petct.image import Image
from tmtv_tf.report.html import write_html
from tmtv_tf.report.pdf import render_pdf
from tmtv_tf.report.pictures import cuts, projections


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
