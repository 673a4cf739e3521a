"""A body with hot balls, none of which has a twin on the other side; its result, a server of it, a browser on that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from dicom_files import AXIAL, FACTOR, write_series
from export_files import oblique
from pydicom.dataset import Dataset

import petct
import tmtv_tf
from petct.image import Geometry, Image, write_image

VOXEL_MM = 4.0
SHAPE = (58, 34, 50)
CENTRE_MM = (12.0, -30.0, 905.0)
ORIENTATIONS = {
    "head first": AXIAL,
    "feet first": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "oblique": oblique(),
}


@dataclass(frozen=True)
class Ball:
    """at_mm : LPS from the centre of the body (left, posterior, head are positive)."""

    at_mm: tuple[float, float, float]
    radius_mm: float
    suv: float
    found: bool = True


# The network of these tests finds all but `MISSED`, and the bladder. The twins touch: one lesion, two peaks.
BALLS = {
    "left": Ball((45, -20, 62), 17, 8.0),
    "right": Ball((-42, 18, -20), 13, 6.0),
    "twin": Ball((-14, 0, 25), 14, 7.0),
    "other twin": Ball((10, 4, 25), 12, 6.5),
    "bladder": Ball((0, -5, -85), 18, 20.0),
    "missed": Ball((-48, -12, 66), 11, 9.0, found=False),
}


@dataclass(frozen=True)
class Made:
    """Results of `tmtv run` and the DICOM they are from."""

    results: Path
    dicom: Path
    ids: dict[str, str]


def _offsets(geometry: Geometry) -> npt.NDArray[np.float64]:
    """(Z, Y, X, 3) LPS mm of every voxel from the centre of the body."""
    index = np.indices(geometry.shape).reshape(3, -1).T
    return (geometry.to_world(index) - CENTRE_MM).reshape(*geometry.shape, 3)


def suv_image(geometry: Geometry) -> npt.NDArray[np.float64]:
    """SUV 1 in the body, falling from the centre of each ball to a quarter at its edge; 0 in the air."""
    place = _offsets(geometry)
    suv = ((place / (88, 58, 110)) ** 2).sum(axis=-1) <= 1.0
    suv = suv.astype(float)
    for ball in BALLS.values():
        far = np.linalg.norm(place - ball.at_mm, axis=-1) / ball.radius_mm
        suv = np.maximum(suv, np.where(far <= 1, ball.suv * (1 - 0.75 * far**2), 0))
    return suv


def found_mask(geometry: Geometry) -> npt.NDArray[np.uint8]:
    """What the network found."""
    place = _offsets(geometry)
    mask = np.zeros(geometry.shape, np.uint8)
    for ball in BALLS.values():
        if ball.found:
            mask[np.linalg.norm(place - ball.at_mm, axis=-1) <= ball.radius_mm] = 1
    return mask


def write_study(
    folder: Path, orientation: tuple[float, ...] = AXIAL, *, patient: str = "P1", ct: bool = True
) -> Path:
    """PET and CT as DICOM, with rows and columns along `orientation`."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    half = (np.array(SHAPE) - 1) / 2 * VOXEL_MM
    origin = np.array(CENTRE_MM) - half[0] * normal - half[1] * column - half[2] * row
    axes = tuple(float(v) for v in np.stack([row, column, normal], axis=1).ravel())
    suv = suv_image(Geometry(SHAPE, (VOXEL_MM,) * 3, tuple(float(v) for v in origin), axes))

    def place(ds: Dataset, k: int) -> None:
        ds.ImageOrientationPatient = list(orientation)
        ds.ImagePositionPatient = [round(float(v), 6) for v in origin + k * VOXEL_MM * normal]
        ds.PixelSpacing = [VOXEL_MM, VOXEL_MM]
        ds.StudyTime, ds.StudyID, ds.PatientBirthDate = "101500", "7", "19500101"

    def pet(ds: Dataset, k: int) -> None:
        place(ds, k)
        ds.RescaleSlope = "1"
        ds.PixelData = np.rint(suv[k] / FACTOR).astype("<u2").tobytes()

    def tissue(ds: Dataset, k: int) -> None:
        place(ds, k)
        ds.PixelData = np.where(suv[k] > 0, 1024 + 40, 24).astype("<u2").tobytes()

    write_series(folder / "pet", "PT", SHAPE[0], patient=patient, edit=pet, matrix=SHAPE[1:])
    if ct:
        write_series(
            folder / "ct", "CT", SHAPE[0], series="2", patient=patient, edit=tissue, matrix=SHAPE[1:]
        )
    return folder


def write_result(study: Path, out: Path) -> str:
    """The result of `tmtv run --mask` of a study; its case id."""
    geometry = petct.read_exam(study).pet.geometry
    mask = out.parent / f"{study.name}_mask.nii.gz"
    write_image(mask, Image(found_mask(geometry), geometry))
    result = tmtv_tf.run(study, mask=mask, out=out)
    (case_id,) = result.studies
    return case_id


@contextmanager
def serving(*arguments: str | Path) -> Iterator[str]:
    """`tmtv review` with these arguments; the address that it prints."""
    command = [sys.executable, "-m", "tmtv_tf.cli", "review", *map(str, arguments), "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            address = re.search(r"http://\S+", line)
            assert address, line
            yield address.group()
        finally:
            server.terminate()
            server.wait(timeout=20)
