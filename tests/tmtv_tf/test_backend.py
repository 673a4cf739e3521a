"""What happens before TensorFlow is imported."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tmtv_tf.input.grid import ModelGrid

LOADS = """
from tmtv_tf._backend import load_cusolver
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


@pytest.mark.parametrize(("asked", "on"), [(None, "True"), ("0", "False"), ("1", "True")])
def test_onednn_is_on_unless_the_user_says_no(asked, on):
    """Whatever the CPU: TensorFlow alone leaves it off on many, where 3-D convolutions then take five times as long."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {} if asked is None else {"TF_ENABLE_ONEDNN_OPTS": asked}
    found = (
        "from tmtv_tf._backend import quiet_tensorflow; quiet_tensorflow()\n"
        "from tensorflow.python.util import _pywrap_util_port; print(_pywrap_util_port.IsMklEnabled())"
    )
    run = subprocess.run([sys.executable, "-c", found], env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == on, run.stderr


@pytest.mark.parametrize("module", ["tmtv_tf.cli", "training.train_vnet", "training.cross_validate"])
def test_without_tensorflow_a_command_says_what_to_install(tmp_path, module):
    """`pip install .` leaves TensorFlow out; two modules that cannot be imported stand in for that here."""
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("tmtv.json", json.dumps({"grid": ModelGrid().to_json()}))
    (tmp_path / "cases" / "a").mkdir(parents=True)
    (tmp_path / "cases" / "a" / "case.json").write_text("{}")
    arguments = (
        ["predict", tmp_path / "cases", "--model", tmp_path / "model.keras"]
        if module == "tmtv_tf.cli"
        else ["--data", tmp_path / "cases", "--config", "demo.yaml"]
    )
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments), "--out", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: This command needs TensorFlow: pip install '.[cpu]'")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
