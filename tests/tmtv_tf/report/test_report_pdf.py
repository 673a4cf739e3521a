"""The page as PDF."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from report_page import page

from petct.image import Image
from tmtv_tf.report.pdf import render_pdf


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
