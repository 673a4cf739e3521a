"""DICOM out: lesions as SEG, RTSTRUCT and SR, a page as encapsulated PDF, each tied to its PET series."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "pdf": ["write_pdf"],
        "rtstruct": ["write_rtstruct"],
        "seg": ["write_seg"],
        "source": ["Provenance", "SourceSeries"],
        "sr": ["write_sr"],
    },
)
