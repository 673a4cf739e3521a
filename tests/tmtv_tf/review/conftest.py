"""Results to review, and Debian's chromium on them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from review_browser import Reader, chromium
from review_phantom import ORIENTATIONS, Made, write_result, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("review")
    os.environ.setdefault("XDG_CONFIG_HOME", str(folder / "config"))
    ids = {}
    for name, orientation in ORIENTATIONS.items():
        study = write_study(folder / "dicom" / name.replace(" ", "_"), orientation, patient=name)
        ids[name] = write_result(study, folder / "results")
    return Made(folder / "results", folder / "dicom", ids)


@pytest.fixture
def own(made: Made, tmp_path: Path) -> Made:
    """A copy that a test may change."""
    return Made(Path(shutil.copytree(made.results, tmp_path / "results")), made.dicom, made.ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as started:
        yield started


@pytest.fixture
def window(browser: object) -> Iterator[Callable[[str], Reader]]:
    """Windows that are closed, and looked at for foreign requests, after the test."""
    opened: list[Reader] = []

    def new(address: str) -> Reader:
        opened.append(Reader(browser, address))
        return opened[-1]

    yield new
    for one in opened:
        one.close()
