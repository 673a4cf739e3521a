"""TMTV of FDG PET/CT: DICOM to SUV, networks, evaluation and export. Importing this loads no TensorFlow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["models"],
    submod_attrs={
        "inference.load": ["load_model"],
        "pipeline.options": ["RunOptions"],
        "pipeline.run": ["RunResult", "run"],
        "_version": ["__version__"],
    },
)
