"""SUV against MIRP, an independent program (PyPI `mirp`), on every header style and on real data.

    from mirp.data_import.import_image import import_image
    next(import_image(folder)[0].to_object()).get_voxel_grid()

MIRP before 2.7 is no oracle: it cuts times to whole seconds and decays images that are SUV already. Version 2.7 asks
for pandas 3, which lifelines forbids, and runs as well with pandas 2: pip install --no-deps mirp==2.7.0
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from petct.dicom.headers import find_series
from petct.image import Geometry
from petct.suv import read_suv
from tmtv_tf.phantom.dicom import Study, write_pet
from tmtv_tf.phantom.patient import draw_patient
from tmtv_tf.phantom.scanners import SCANNERS

pytest.importorskip("mirp", reason="MIRP is not installed (pip install --no-deps mirp==2.7.0)")
if tuple(map(int, version("mirp").split(".")[:2])) < (2, 7):
    pytest.skip(
        f"MIRP {version('mirp')} is too old (pip install --no-deps mirp==2.7.0)", allow_module_level=True
    )
TOLERANCE = 1e-6


def mirp_suv(folder: Path) -> np.ndarray:
    from mirp.data_import.import_image import import_image

    logging.getLogger("mirp").setLevel(logging.ERROR)
    stack = import_image(str(folder))
    image = next(iter((stack[0] if isinstance(stack, list) else stack).to_object()))
    return np.asarray(image.get_voxel_grid(), float)


def assert_same(folder: Path, tolerance: float) -> None:
    ours, _ = read_suv(find_series(folder)[0][0])
    theirs = mirp_suv(folder)
    assert theirs.shape == ours.array.shape
    positive = ours.array > 1e-3 * ours.array.max()
    np.testing.assert_allclose(theirs[positive], ours.array[positive], rtol=tolerance)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda s: s.name)
def test_phantom_of_every_header_style(tmp_path: Path, scanner) -> None:
    """Two beds or three, painted: MIRP, this project and the painted SUV agree."""
    rng = np.random.default_rng(5)
    suv = rng.uniform(0.5, 20, (60, 3, 4)).astype(np.float32)
    geometry = Geometry(suv.shape, (scanner.slice_mm, 4.0, 4.0))
    study = Study(5, draw_patient(7, rng), scanner)
    write_pet(tmp_path, study, suv, geometry)
    image, _ = read_suv(find_series(tmp_path)[0][0])
    # A stored step is a slope, at most 20 / 32767 SUV; half of it, and 1e-6 of rounding in the header.
    np.testing.assert_allclose(image.array, suv, rtol=2e-6, atol=0.51 * 20 / 32767)
    assert_same(tmp_path, TOLERANCE)


def test_real_ge_whole_body(shared_data: Path) -> None:
    assert_same(shared_data / "ge_whole_body" / "image", TOLERANCE)


@pytest.mark.parametrize("name", ["STS_004", "STS_010", "STS_033"])
def test_real_gml(shared_data: Path, name: str) -> None:
    assert_same(shared_data / "sts" / name / "PET" / "image", 1e-6)


@pytest.mark.parametrize("name", ["0_0", "1_0", "2_0", "2_5", "3_1", "3_4", "4_0", "4_1"])
def test_reference_objects(shared_data: Path, name: str) -> None:
    """Their FrameReferenceTime is the middle of the frame, 0.4 s from its mean activity: 4.2e-5 between the rules."""
    assert_same(shared_data / "suv_dro" / f"DRO_{name}" / "PT", 5e-4 if name == "3_4" else 5e-5)
