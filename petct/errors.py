"""The errors of all four packages: one sentence each, naming the file, the tag and the value that is wrong."""

from __future__ import annotations


class TmtvError(ValueError):
    """Base of every refusal. Command lines print its text and nothing else, and leave with `exit_status`."""

    exit_status = 2


class ImageError(TmtvError):
    """An image file that cannot be read, or whose geometry or values cannot be trusted."""


class ParameterError(TmtvError):
    """A parameter outside its range, or parameters that contradict each other."""


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


class ArchiveError(TmtvError):
    """An archive (PACS) that cannot be reached, refuses, or sends what cannot be right.

    retry : a later try may do (it is gone, busy or full)
    """

    def __init__(self, text: str, *, retry: bool = False) -> None:
        super().__init__(text)
        self.retry = retry


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with one sentence that says how far the work has come."""
