"""The files that come with the package: small, of one network, said to be of synthetic images, and useful."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.left_out import CERTAIN, MIDPOINT
from petct.image import Geometry, Image
from tmtv_tf.inference.load import load_model
from tmtv_tf.models.file import read_content
from tmtv_tf.phantom.worlds.sample import make_sample
from tmtv_tf.phantom.worlds.score import score
from tmtv_tf.weights import NAMES, PET, packaged_file
from training.package_model import moved

OPEN = """
import sys
from tmtv_tf.inference.load import load_model
load_model(sys.argv[1])
print("openvino", "openvino" in sys.modules, "telemetry", "openvino_telemetry.main" in sys.modules)
"""


@pytest.fixture(scope="module")
def sample():
    return make_sample("painter", (99, 2))


def _probability(path, sample, backend, *, outlined=False):
    z, y, x = sample.suv.shape
    grid = Geometry((z, y, x), (4.0, 4.0, 4.0))
    model = load_model(path, backend=backend)
    if not outlined:
        model = replace(model, description=replace(model.description, outlining=None))
    return model.predict(Image(sample.suv, grid), Image(sample.hu, grid)).array


@pytest.mark.parametrize("name", NAMES)
def test_keras_and_openvino_agree_and_find_lesions_of_a_phantom(name, sample):
    for path in (packaged_file(name, ".keras"), packaged_file(name, ".openvino")):
        assert path.stat().st_size <= 5_000_000
    keras_map = _probability(packaged_file(name, ".keras"), sample, "keras")
    openvino_map = _probability(packaged_file(name, ".openvino"), sample, "auto")
    # bfloat16 where the processor has it: the largest difference is at a lesion's steep edge
    assert np.abs(keras_map - openvino_map).max() < 0.15
    assert np.mean((keras_map > 0.5) != (openvino_map > 0.5)) < 1e-4
    # this phantom is drawn by seed; an untrained or damaged network scores about 0
    dice = score(openvino_map, sample).dice
    assert dice > 0.3
    assert (
        score(_probability(packaged_file(name, ".openvino"), sample, "auto", outlined=True), sample).dice
        > dice
    )


def test_they_say_what_they_were_trained_on():
    for name in NAMES:
        model = load_model(packaged_file(name, ".openvino"))
        assert model.needs_ct == (name != PET)
        text = " ".join(model.description.warnings(name, on_phantom=False))
        assert "synthetic images only; not validated on patients" in text


def test_make_model_packages_what_is_packaged():
    text = (Path(__file__).parents[3] / "Makefile").read_text("utf-8")
    midpoint, certain = map(float, re.findall(r"--midpoint (\S+) --certain (\S+)", text)[-1])
    assert (midpoint, certain) == (MIDPOINT, CERTAIN)  # with which the bench of left-out worlds tests
    for name in NAMES:
        content = read_content(packaged_file(name, ".keras"))
        assert content["provenance"]["midpoint"] == midpoint
        assert content["outlining"]["certain"] == pytest.approx(moved(certain, midpoint))


def test_opening_one_tells_nobody(tmp_path):
    """OpenVINO reports each import to Google Analytics, and leaves the id of the computer in ~/intel."""
    said = subprocess.run(
        [sys.executable, "-c", OPEN, packaged_file(PET, ".openvino")],
        env=os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "openvino True telemetry False\n"
    assert not (tmp_path / "intel").exists()
