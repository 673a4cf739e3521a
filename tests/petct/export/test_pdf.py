"""A PDF as a DICOM object."""

from __future__ import annotations

from pathlib import Path

import pytest
from export_files import pet_source
from pydicom import dcmread

from petct.export import Provenance, write_pdf

PROVENANCE = Provenance("41", "test network", "0.2.0")


def test_a_pdf_comes_back_byte_for_byte(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    write_pdf(tmp_path / "pdf.dcm", b"%PDF-1.4 odd", source, PROVENANCE)
    dataset = dcmread(tmp_path / "pdf.dcm")
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == b"%PDF-1.4 odd"
    with pytest.raises(ValueError, match="not a PDF"):
        write_pdf(tmp_path / "no.dcm", b"hello", source, PROVENANCE)
