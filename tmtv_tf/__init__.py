"""TMTV of FDG PET/CT: DICOM to SUV, networks, evaluation and export. Importing this loads no TensorFlow."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tmtv-tf")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
