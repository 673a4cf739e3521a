"""NRRD and MetaImage: headers that can be trusted, and others."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import by_simpleitk, rewrite, write_by_simpleitk

from petct.errors import ImageError
from petct.image import read_image


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"ElementDataFile = a.raw", b"ElementDataFile = ../a.raw", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = ../..", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = ..", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = /etc/passwd", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = C:\\a.raw", "not in the folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = b.raw", "b.raw is missing"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = LIST\na.raw", "several files"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = a%d.raw 1 2 1", "several files"),
        (b"ElementSpacing = 2.5 2 3\n", b"", "ElementSpacing is missing"),
        (b"ElementSpacing = 2.5 2 3\n", b"ElementSpacing = 1_0 2 3\n", "ElementSpacing must be 3 numbers"),
        (b"NDims = 3\n", b"NDims = 3\nNDims = 3\n", "doubled"),
        (b"NDims = 3\n", b"NDims = 3\nDistanceUnits = um\n", "DistanceUnits must be mm"),
        (b"ElementType = MET_FLOAT", b"ElementType = MET_LONG", "ElementType"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6 4", "holds more than"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6 6", "ends after"),
    ],
)
def test_metaimage_headers_that_cannot_be_trusted(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = tmp_path / "folder" / "a.mhd"
    path.parent.mkdir()
    write_by_simpleitk(path)
    rewrite(path, old, new)
    with pytest.raises(ImageError, match=says):
        read_image(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"data file: a.raw", b"data file: ../a.raw", "not in the folder"),
        (b"data file: a.raw", b"datafile: /etc/passwd", "not in the folder"),
        (b"data file: a.raw", b"data file: LIST\na.raw", "several files"),
        (b"data file: a.raw", b"data file: a%d.raw 1 2 1", "several files"),
        (b"space: left-posterior-superior", b"space: scanner-xyz", "patient's left"),
        (b"space: left-posterior-superior\n", b"", "patient's left"),
        (b"type: float", b"type: block", "type"),
        (b"type: float", b'type: float\nspace units: "m" "m" "m"', "space units must be mm"),
        (b"encoding: raw", b"encoding: hex", "encoding"),
        (b"kinds: domain domain", b"kinds: domain time", "kinds"),
        (b"sizes: 7 6 5", b"sizes: 7 6 4", "holds more than"),
        (b"sizes: 7 6 5", b"sizes: 7 6 6", "ends after"),
        (b"sizes: 7 6 5", b"sizes: 7 6 5\nsizes: 7 6 5", "doubled"),
    ],
)
def test_nrrd_headers_that_cannot_be_trusted(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = tmp_path / "folder" / "a.nhdr"
    path.parent.mkdir()
    write_by_simpleitk(path)
    rewrite(path, old, new)
    with pytest.raises(ImageError, match=says):
        read_image(path)


def test_nrrd_in_ras_is_brought_to_lps(tmp_path: Path) -> None:
    write_by_simpleitk(tmp_path / "a.nrrd")
    rewrite(tmp_path / "a.nrrd", b"space: left-posterior-superior", b"space: right-anterior-superior")
    assert read_image(tmp_path / "a.nrrd").geometry.same_grid(by_simpleitk(tmp_path / "a.nrrd").geometry)
