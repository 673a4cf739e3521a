"""What happens before TensorFlow is imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

LOADS = """
from tmtv_tf.quiet import load_cusolver
load_cusolver()
print([line.split()[-1] for line in open("/proc/self/maps") if "libcusolver" in line][:1])
"""


def run(site: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{os.getcwd()}"}
    return subprocess.run(
        [sys.executable, "-c", LOADS], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_cusolver_of_the_wheels_is_loaded(tmp_path):
    """A shared library of another package stands in for CUDA's: only that it is loaded can be seen without a GPU."""
    library = tmp_path / "nvidia" / "cusolver" / "lib" / "libcusolver.so.11"
    library.parent.mkdir(parents=True)
    shutil.copy(next(Path(np.__file__).parent.rglob("_umath_linalg*.so")), library)
    rpath = next(Path(np.__file__).parent.parent.glob("numpy.libs"), None)
    if rpath is not None:  # the libraries that the copy itself needs
        (tmp_path / "nvidia" / "numpy.libs").symlink_to(rpath)
    assert str(library) in run(tmp_path)


def test_without_the_wheel_nothing_is_loaded(tmp_path):
    assert run(tmp_path) == "[]\n"
    (tmp_path / "nvidia" / "cublas").mkdir(parents=True)
    assert run(tmp_path) == "[]\n"
