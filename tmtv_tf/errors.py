"""The errors of this package. All derive from `postprocess.errors.PostprocessError` (a ValueError), so that
every command turns them into one sentence on stderr."""

from postprocess.errors import ImageError, ParameterError, PostprocessError

__all__ = [
    "CaseError",
    "DicomError",
    "ImageError",
    "ModelError",
    "ParameterError",
    "RoiError",
    "SuvError",
    "TmtvError",
]

TmtvError = PostprocessError


class DicomError(TmtvError):
    """A DICOM file or series that cannot be used. Names file, tag, keyword and value."""


class SuvError(DicomError):
    """SUV cannot be computed. Names tag, keyword, value and what would make it valid."""


class RoiError(TmtvError):
    """A reader's ROI file that cannot be trusted."""


class CaseError(TmtvError):
    """A case folder or cohort table that is incomplete or contradicts itself."""


class ModelError(TmtvError):
    """A model file that does not fit the data or its own description."""
