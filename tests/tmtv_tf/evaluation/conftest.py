from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import TEST_CASES, evaluate
from small_cohort import GEOMETRY, SHAPE, make_cohort

from petct.image import Image, read_image, write_image

NAMES = ("tmtvprob", "reference_41", "reference_2.5", "reference_4.0", "reference_otsu")
NOTHING = np.zeros(SHAPE, np.uint8)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_cohort(tmp_path_factory.mktemp("cohort"))
    assert evaluate(root) == 0
    return root


@pytest.fixture
def copy(cohort: Path, tmp_path: Path) -> Path:
    """A cohort to spoil, without its training cases."""
    for part in ("cases", "results", "probability"):
        shutil.copytree(cohort / part, tmp_path / part)
    for i in range(6):
        shutil.rmtree(tmp_path / "cases" / f"case{i:02d}")
    return tmp_path


@pytest.fixture(scope="session")
def readers_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five test cases; three readers, of whom the third read four; one case without lesion and with a false alarm."""
    root = make_cohort(tmp_path_factory.mktemp("field"))
    for i in range(6):
        shutil.rmtree(root / "cases" / f"case{i:02d}")
    for case_id in TEST_CASES:
        folder = root / "cases" / case_id
        for reader, steps in (("anne", 0), ("bert", 1), ("carl", -1)):
            if reader == "carl" and case_id == "case10":
                continue
            for name in NAMES:
                image = read_image(folder / f"{name}.nii.gz")
                moved = np.roll(image.array, steps, 2)
                write_image(folder / "readers" / reader / f"{name}.nii.gz", image.with_array(moved))
    for name in NAMES:
        write_image(root / "cases" / "case09" / f"{name}.nii.gz", Image(NOTHING, GEOMETRY))
    assert evaluate(root) == 0
    return root
