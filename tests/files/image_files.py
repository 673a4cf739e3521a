"""One oblique image in a file of any format, and files whose bytes were changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from petct.image import Geometry, Image

OBLIQUE = np.linalg.qr(np.array([[0.96, 0.1, 0.2], [-0.1, 0.99, 0.05], [0.0, 0.0, 1.0]]))[0]
GRID = Geometry((5, 6, 7), (3.0, 2.0, 2.5), (-10.0, 20.0, 333.3), tuple(OBLIQUE.ravel()))
VALUES = (np.random.default_rng(1).random(GRID.shape) * 100).astype(np.float32)


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def by_simpleitk(path: Path) -> Image:
    image = sitk.ReadImage(str(path))
    geometry = Geometry(
        image.GetSize()[::-1], image.GetSpacing()[::-1], image.GetOrigin(), image.GetDirection()
    )
    return Image(sitk.GetArrayFromImage(image), geometry)


def write_by_simpleitk(path: Path, compress: bool = False) -> None:
    image = sitk.GetImageFromArray(VALUES)
    image.SetSpacing(GRID.spacing_mm[::-1])
    image.SetOrigin(GRID.origin_mm)
    image.SetDirection(GRID.direction)
    sitk.WriteImage(image, str(path), useCompression=compress)
