"""A page for viewers that do not show structured reports: encapsulated PDF (DICOM PS3.3 A.45.1)."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from petct.dicom.quiet import quiet_pydicom
from petct.errors import ParameterError
from petct.export.encoding import save
from petct.export.source import Provenance, SourceSeries, content_key, new_object, stamp


@quiet_pydicom()
def write_pdf(
    path: str | Path, pdf: bytes, source: SourceSeries, provenance: Provenance, *, title: str = "TMTV report"
) -> Dataset:
    """Write a PDF into a DICOM object of the source's study; returns the object as written.

    Parameters
    ----------
    path : of the file, written whole or not at all
    pdf : the bytes of a PDF file
    source : the PET series that the object belongs to
    provenance : method, network and version, as every object states them
    title : of the document

    Returns
    -------
    Dataset
        The object as written.

    Raises
    ------
    ParameterError
        `pdf` is not a PDF.

    Examples
    --------
    >>> source = SourceSeries(exam.headers, exam.pet.geometry)  # doctest: +SKIP
    >>> pdf = Path("report.pdf").read_bytes()  # doctest: +SKIP
    >>> write_pdf("report.dcm", pdf, source, Provenance("41", "vnet", "0.2.0"))  # doctest: +SKIP
    """
    if not pdf.startswith(b"%PDF-"):
        raise ParameterError("pdf: this is not a PDF file (it does not start with %PDF-).")
    dataset = new_object(
        source, provenance, "DOC", EncapsulatedPDFStorage, content_key(source, provenance, pdf, title)
    )
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    stamp(dataset, provenance.created)
    dataset.AcquisitionDateTime = ""
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    save(path, dataset)
    return dataset
