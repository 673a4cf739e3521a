"""A PET series of any orientation and a label image that shows every mistake: nothing in it is symmetric."""

from __future__ import annotations

import subprocess
from itertools import permutations, product
from pathlib import Path

import numpy as np
from dicom_files import write_series
from pydicom import dcmread
from pydicom.dataset import Dataset

from petct.export import SourceSeries
from petct.image import Geometry, Image

SHAPE = (12, 20, 26)


def orientations() -> list[tuple[float, ...]]:
    """ImageOrientationPatient of all 48 signed axis permutations (the slice normal follows from row and column, so
    24 distinct ones; slices ascending and descending along the normal make the other half)."""
    unit = np.eye(3)
    return [
        tuple(float(v) for v in np.concatenate([a * unit[i], b * unit[j]]))
        for i, j in permutations(range(3), 2)
        for a, b in product((1.0, -1.0), repeat=2)
    ]


def oblique() -> tuple[float, ...]:
    """Turned by 20 degrees about x, then by 10 about z."""
    a, b = np.deg2rad(20), np.deg2rad(10)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turned = z @ x
    return tuple(float(v) for v in np.round(np.concatenate([turned[:, 0], turned[:, 1]]), 9))


def pet_source(
    folder: Path, orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0), *, descending: bool = False
) -> tuple[SourceSeries, Image]:
    """Write a PET of 3 x 2 x 2.5 mm voxels (Z, Y, X); its headers in order along the normal, and its grid."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)

    def place(ds: Dataset, k: int) -> None:
        ds.ImageOrientationPatient = list(orientation)
        step = -k if descending else k
        ds.ImagePositionPatient = [
            round(float(v), 6) for v in np.array([-31.0, 17.0, 123.0]) + 3.0 * step * normal
        ]
        ds.StudyTime, ds.StudyID = "101500", "7"

    write_series(folder, "PT", SHAPE[0], edit=place, matrix=SHAPE[1:])
    by_height = sorted(
        (dcmread(path) for path in folder.iterdir()), key=lambda ds: float(normal @ ds.ImagePositionPatient)
    )
    geometry = Geometry(
        SHAPE,
        (3.0, 2.0, 2.5),
        tuple(float(v) for v in by_height[0].ImagePositionPatient),
        tuple(np.stack([row, column, normal], axis=1).ravel()),
    )
    return SourceSeries(tuple(by_height), geometry), Image(np.zeros(SHAPE, np.float32), geometry)


def lesions() -> np.ndarray:
    """Labels 1, 2, 4, 5: an L, a shell with an island in its hole, one voxel, two voxels that touch at a corner."""
    labels = np.zeros(SHAPE, np.int32)
    labels[2:7, 3:5, 3:12] = 1
    labels[2:4, 5:9, 3:5] = 1
    z, y, x = np.indices(SHAPE)
    distance = (z - 6) ** 2 + (y - 12) ** 2 + (x - 18) ** 2
    labels[(distance <= 30) & (distance >= 9)] = 2
    labels[6, 12, 18] = 2
    labels[0, 0, 25] = 4
    labels[11, 18, 2] = labels[11, 19, 3] = 5
    return labels


def dciodvfy_errors(path: Path) -> list[str]:
    """The errors that dicom3tools' dciodvfy finds."""
    result = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (result.stderr + result.stdout).splitlines() if line.startswith("Error")]
