"""DICOM out: lesions as SEG, RTSTRUCT and SR, a page as encapsulated PDF, each tied to its PET series."""

from petct.export.pdf import write_pdf
from petct.export.rtstruct import write_rtstruct
from petct.export.seg import write_seg
from petct.export.source import Provenance, SourceSeries
from petct.export.sr import write_sr

__all__ = ["Provenance", "SourceSeries", "write_pdf", "write_rtstruct", "write_seg", "write_sr"]
