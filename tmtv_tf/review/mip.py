"""Rotating maximum-intensity projections: the body turned about its long axis, and its lesions in the same picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from petct.errors import ParameterError
from petct.image import Image
from petct.palette import lesion_color
from postprocess.segmentation import Lesions

ANGLES = 36
STEP_DEGREES = 360 // ANGLES
SMALLEST_PIXEL_MM = 3.0  # voxels are joined, keeping their maximum, until they are at least this wide
_SCALE = 500.0  # SUV to int16: steps of 0.002, up to SUV 65


class Projections:
    """The projections of one PET whose axes run along LPS z, y and x.

    At angle 0 the reader looks from the front: the patient's right is on the left. The angle grows as the patient
    turns to the right. Row 0 is the head. Lengths in a picture are `mm_per_pixel` along and across.
    """

    def __init__(self, pet: Image) -> None:
        self.geometry = pet.geometry
        sz, sy, sx = pet.spacing_mm
        self._blocks = tuple(max(1, math.ceil(SMALLEST_PIXEL_MM / s - 1e-6)) for s in (sy, sx))
        self._coarse = _pooled(pet.array, *self._blocks)
        self.mm_per_pixel = (sz, max(sy * self._blocks[0], sx * self._blocks[1]))
        ny, nx = self.geometry.shape[1] * sy, self.geometry.shape[2] * sx
        width = math.ceil(math.hypot(ny, nx) / self.mm_per_pixel[1]) + 1  # room for half a pixel
        # Even or odd as the blocks across: from the front, pixels and blocks have the same centres.
        self.width = width + (width - self._coarse.shape[1]) % 2
        self._cache: dict[int, npt.NDArray[np.int16]] = {}

    @property
    def height(self) -> int:
        return self.geometry.shape[0]

    def suv(self, angle: int) -> npt.NDArray[np.float32]:
        """(rows, columns) maximum SUV along the line of sight."""
        check_angle(angle)
        if angle not in self._cache:
            self._cache[angle] = self._project(angle)
        return self._cache[angle].astype(np.float32) / np.float32(_SCALE)

    def png(self, angle: int, window_high: float) -> bytes:
        """Inverted grey: SUV 0 is white, `window_high` and more is black."""
        if not 0 < window_high <= 1000:
            raise ParameterError(
                f"The window of a projection ends between 0 and SUV 1000. Received: {window_high:g}."
            )
        grey = 255 - np.clip(self.suv(angle) * (255 / window_high), 0, 255)
        return _png(Pillow.fromarray(np.rint(grey).astype(np.uint8)))

    def label_png(self, angle: int, lesions: Lesions, suv: npt.NDArray) -> bytes:
        """The lesions in their colours, the hottest on top; transparent elsewhere."""
        rows, columns = self.place(angle, lesions.index)
        order = np.argsort(suv.reshape(-1)[lesions.index], kind="stable")
        half = self._half_voxel(angle)
        picture = np.zeros((self.height, self.width, 4), np.uint8)
        colours = np.array(
            [
                (0, 0, 0, 0),
                *((*lesion_color(n), 255) for n in range(1, int(lesions.label.max(initial=0)) + 1)),
            ],
            np.uint8,
        )
        for shift in (-half, half, 0.0):
            column = np.clip(np.floor(columns[order] + shift), 0, self.width - 1).astype(int)
            picture[rows[order].astype(int), column] = colours[lesions.label[order]]
        return _png(Pillow.fromarray(picture, "RGBA"))

    def place(
        self, angle: int, index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Row and column (fractions; the first pixel reaches from 0 to 1) of the centres of voxels (flat indices)."""
        check_angle(angle)
        z, y, x = np.unravel_index(index, self.geometry.shape)
        return (self.height - 0.5 - z).astype(np.float64), self._across(angle, y, x)

    def inside(
        self, angle: int, polygon: Sequence[Sequence[float]], index: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which voxels (flat indices) a polygon of (x, y) pixels on the picture holds: by their centres."""
        from skimage.measure import points_in_poly

        corners = np.asarray(polygon, float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise ParameterError("A region is a polygon of at least three (x, y) points.")
        rows, columns = self.place(angle, index)
        low, high = corners.min(axis=0), corners.max(axis=0)
        near = (columns >= low[0]) & (columns <= high[0]) & (rows >= low[1]) & (rows <= high[1])
        found = np.zeros(index.size, bool)
        if near.any():
            found[near] = points_in_poly(np.stack([columns[near], rows[near]], axis=1), corners)
        return found

    def _project(self, angle: int) -> npt.NDArray[np.int16]:
        """Every block goes to each pixel that it covers, so that no hot one falls between two lines of sight."""
        ny, nx, nz = self._coarse.shape
        by, bx = self._blocks
        y = np.minimum(np.arange(ny) * by + (by - 1) / 2, self.geometry.shape[1] - 1)
        x = np.minimum(np.arange(nx) * bx + (bx - 1) / 2, self.geometry.shape[2] - 1)
        middle = self._across(angle, y[:, None], x).reshape(-1)
        half = self._half_voxel(angle, *self._blocks)
        pixels = np.floor(middle + np.array([[-half], [0.0], [half]])).astype(int)
        pixels = np.clip(pixels, 0, self.width - 1)
        pairs = np.unique(pixels * middle.size + np.arange(middle.size))
        pixel, block = np.divmod(pairs, middle.size)
        first = np.flatnonzero(np.append(True, np.diff(pixel)))
        result = np.zeros((self.width, nz), np.int16)
        flat = self._coarse.reshape(-1, nz)
        for start, stop in zip(first, [*first[1:], pixel.size]):
            result[pixel[start]] = flat[block[start:stop]].max(axis=0)
        return np.ascontiguousarray(result.T[::-1])

    def _across(self, angle: int, y: npt.NDArray, x: npt.NDArray) -> npt.NDArray[np.float64]:
        """The column (a fraction) of places given as array indices y and x."""
        _, sy, sx = self.geometry.spacing_mm
        _, ny, nx = self.geometry.shape
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        across_mm = (x - (nx - 1) / 2) * (sx * cos) + (y - (ny - 1) / 2) * (sy * sin)
        return np.asarray(across_mm / self.mm_per_pixel[1] + self.width / 2, np.float64)

    def _half_voxel(self, angle: int, by: int = 1, bx: int = 1) -> float:
        """Half of the width in the picture, in pixels, of a block of voxels."""
        cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
        _, sy, sx = self.geometry.spacing_mm
        return 0.499 * (bx * sx * cos + by * sy * sin) / self.mm_per_pixel[1]


def check_angle(angle: int) -> None:
    """Refuse an angle that has no picture."""
    if angle not in range(0, 360, STEP_DEGREES):
        raise ParameterError(f"Projections are made every {STEP_DEGREES} degrees. Received: {angle}.")


def _pooled(array: npt.NDArray, by: int, bx: int) -> npt.NDArray[np.int16]:
    """(Y, X, Z): the maximum of blocks of by x bx voxels of (Z, Y, X), as int16 of SUV * _SCALE."""
    nz, ny, nx = array.shape
    result = np.empty((-(-ny // by), -(-nx // bx), nz), np.int16)
    for z in range(nz):
        plane = np.maximum.reduceat(array[z], np.arange(0, ny, by), axis=0)
        plane = np.maximum.reduceat(plane, np.arange(0, nx, bx), axis=1)
        result[:, :, z] = np.clip(plane * _SCALE, 0, 32767)
    return result


def _png(picture: Pillow.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
