"""Projections and axial cuts with the lesions outlined and numbered; drawn with NumPy and Pillow alone."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from scipy import ndimage

from petct.export.contours import contours
from petct.image import Geometry, Image, resample
from petct.orientation import to_canonical
from petct.palette import LESION_COLORS, lesion_color
from tmtv_tf.report.content import Picture

SUV_WINDOW = (0.0, 10.0)  # inverted grey: 0 is white, 10 and more is black
CT_WINDOW_HU = (-160.0, 240.0)
OUTSIDE_CT_HU = -1000.0
BODY_SUV = 0.2  # the picture is cut to where the projection exceeds this
MARGIN_MM = 15.0
LONGEST_SIDE_PX = 900
LARGEST_PX_PER_MM = 2.0
NUMBERED = 25  # more numbers than this hide the picture
CUTS = 3
BAR_MM = 100.0


def projections(pet: Image, labels: npt.NDArray[np.integer]) -> list[Picture]:
    """Coronal and sagittal maximum-intensity projections of SUV, lesions outlined in their colours.

    Parameters
    ----------
    pet : SUVbw, axes along LPS z, y, x (`petct.orientation.to_canonical`)
    labels : (Z, Y, X) on the same grid
    """
    boxes = _boxes(labels)
    result = []
    for axis, name, ends in (
        (1, "Coronal projection, seen from the front", "RL"),
        (2, "Sagittal projection", "AP"),
    ):
        sides = (pet.spacing_mm[0], pet.spacing_mm[2 if axis == 1 else 1])
        plane = pet.array.max(axis=axis)
        shapes = {label: (labels[box] == label).any(axis=axis) for label, box in boxes.items()}
        corners = {label: (box[0].start, box[2 if axis == 1 else 1].start) for label, box in boxes.items()}
        window = body_window(plane, sides)
        canvas = _Canvas(plane, sides, window, SUV_WINDOW, inverted=True, head_up=True)
        for label in sorted(boxes, reverse=True):  # the largest lesion last, on top
            canvas.outline(shapes[label], corners[label], label, numbered=label in list(boxes)[:NUMBERED])
        canvas.ends(*ends)
        canvas.scale_bar()
        canvas.grey_bar("SUV")
        result.append(Picture(canvas.png(), name))
    return result


def cuts(pet: Image, labels: npt.NDArray[np.integer], ct: Image | None = None) -> list[Picture]:
    """Axial PET (and CT, if there is one; -1000 HU outside it) through the largest section of the largest lesions.

    pet, labels : as `projections` takes them; ct : HU on any grid of the same frame of reference
    """
    ct = None if ct is None else to_canonical(ct)
    boxes = _boxes(labels)
    largest = sorted(boxes, key=lambda n: -np.count_nonzero(labels[boxes[n]] == n))[:CUTS]
    result = []
    for label in largest:
        box = boxes[label]
        k = box[0].start + int((labels[box] == label).sum(axis=(1, 2)).argmax())
        sides = (pet.spacing_mm[1], pet.spacing_mm[2])
        window = body_window(pet.array[k], sides)
        pictures = []
        planes = [(pet.array[k], SUV_WINDOW, True)]
        if ct is not None:
            planes.append((_on_slice(ct, pet.geometry, k), CT_WINDOW_HU, False))
        present = [n for n, b in boxes.items() if b[0].start <= k < b[0].stop]
        for plane, values, inverted in planes:
            canvas = _Canvas(plane, sides, window, values, inverted=inverted, head_up=False)
            for n in present:
                canvas.outline(labels[k][boxes[n][1:]] == n, (boxes[n][1].start, boxes[n][2].start), n)
            canvas.ends("R", "L")
            pictures.append(canvas.picture)
        result.append(Picture(_png(_beside(pictures)), f"Axial cut through lesion {label}"))
    return result


def _on_slice(ct: Image, geometry: Geometry, k: int) -> npt.NDArray:
    """HU (Y, X) on slice k of a grid."""
    plane = geometry.part((slice(k, k + 1), slice(0, geometry.shape[1]), slice(0, geometry.shape[2])))
    return resample(ct, plane, fill=OUTSIDE_CT_HU).array[0]


def _boxes(labels: npt.NDArray[np.integer]) -> dict[int, tuple[slice, slice, slice]]:
    return {n: box for n, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None}


class _Canvas:
    """A grey picture of a plane in millimetres, with lesions, letters and bars drawn on it."""

    def __init__(
        self,
        plane: npt.NDArray,
        sides_mm: tuple[float, float],
        window: tuple[slice, slice],
        values: tuple[float, float],
        *,
        inverted: bool,
        head_up: bool,
    ) -> None:
        rows, columns = window
        height_mm = (rows.stop - rows.start) * sides_mm[0]
        width_mm = (columns.stop - columns.start) * sides_mm[1]
        self.scale = min(LARGEST_PX_PER_MM, LONGEST_SIDE_PX / max(height_mm, width_mm))
        self.size = (max(1, round(width_mm * self.scale)), max(1, round(height_mm * self.scale)))
        self.sides_mm, self.window, self.head_up, self.inverted = sides_mm, window, head_up, inverted
        self.values = values
        low, high = values
        grey = np.clip((plane[rows, columns].astype(np.float32) - low) / (high - low), 0, 1)
        grey = 1 - grey if inverted else grey
        if head_up:  # rows run from the feet up, pictures from the top down
            grey = grey[::-1]
        small = Pillow.fromarray(np.rint(grey * 255).astype(np.uint8))
        self.picture = small.resize(self.size, Pillow.Resampling.BILINEAR).convert("RGB")
        self.draw = ImageDraw.Draw(self.picture)

    def outline(
        self, mask: npt.NDArray[np.bool_], corner: tuple[int, int], label: int, *, numbered: bool = True
    ) -> None:
        colour = lesion_color(label)
        for contour in contours(ndimage.binary_fill_holes(mask)[None]):
            points = [self._pixel(point) for point in contour.points + corner]
            self.draw.line(
                [*points, points[0]], fill=(0, 0, 0) if self.inverted else (255, 255, 255), width=4
            )
            self.draw.line([*points, points[0]], fill=colour, width=2)
        if numbered and mask.any():
            middle = float(np.argwhere(mask)[:, 0].mean()) + corner[0]
            x, y = self._pixel((middle, corner[1] + mask.shape[1]))
            self._text((min(x + 4, self.size[0] - 24), y), str(label), colour, "lm", 20)

    def ends(self, left: str, right: str) -> None:
        """Which side of the patient lies where."""
        self._text((8, 8), left, (0, 0, 0), "la", 26)
        self._text((self.size[0] - 8, 8), right, (0, 0, 0), "ra", 26)

    def scale_bar(self) -> None:
        length, y = BAR_MM * self.scale, self.size[1] - 12
        self.draw.line([(12, y), (12 + length, y)], fill=(0, 0, 0), width=3)
        self._text((12, y - 6), f"{BAR_MM / 10:g} cm", (0, 0, 0), "ls", 18)

    def grey_bar(self, name: str) -> None:
        """A strip with the lowest and highest value of the window."""
        height, x, y = 120, self.size[0] - 22, self.size[1] - 140
        ramp = np.linspace(0, 255, height).astype(np.uint8)[:, None].repeat(12, axis=1)
        self.picture.paste(Pillow.fromarray(ramp).convert("RGB"), (x, y))
        self.draw.rectangle([x, y, x + 11, y + height - 1], outline=(0, 0, 0))
        self._text((x - 4, y), f"{self.values[1]:g}", (0, 0, 0), "rt", 16)
        self._text((x - 4, y + height), f"{name} {self.values[0]:g}", (0, 0, 0), "rb", 16)

    def png(self) -> bytes:
        return _png(self.picture)

    def _pixel(self, point: Sequence[float] | npt.NDArray) -> tuple[float, float]:
        """(x, y) on the picture of a (row, column) index."""
        rows, columns = self.window
        y = (float(point[0]) + 0.5 - rows.start) * self.sides_mm[0] * self.scale
        x = (float(point[1]) + 0.5 - columns.start) * self.sides_mm[1] * self.scale
        return x, self.size[1] - y if self.head_up else y

    def _text(
        self, at: tuple[float, float], text: str, colour: tuple[int, int, int], anchor: str, size: int
    ) -> None:
        self.draw.text(
            at,
            text,
            fill=colour,
            anchor=anchor,
            font=ImageFont.load_default(size),
            stroke_width=3,
            stroke_fill=(255, 255, 255) if colour == (0, 0, 0) else (0, 0, 0),
        )


def body_window(plane: npt.NDArray, sides_mm: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold the body and a margin; all of them where there is none."""
    slices = []
    for axis in (0, 1):
        used = np.flatnonzero((plane > BODY_SUV).any(axis=1 - axis))
        margin = int(np.ceil(MARGIN_MM / sides_mm[axis]))
        low, high = (used[0] - margin, used[-1] + 1 + margin) if used.size else (0, plane.shape[axis])
        slices.append(slice(max(int(low), 0), min(int(high), plane.shape[axis])))
    return slices[0], slices[1]


def _beside(pictures: Sequence[Pillow.Image]) -> Pillow.Image:
    gap = 8
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    sheet = Pillow.new("RGB", (width, max(p.height for p in pictures)), (255, 255, 255))
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width + gap
    return sheet


def _png(picture: Pillow.Image) -> bytes:
    """PNG with a palette of greys and the lesions' colours: a third of the size, and no steps in the grey."""
    palette = Pillow.new("P", (1, 1))
    greys = np.linspace(0, 255, 256 - len(LESION_COLORS)).round().astype(int)
    palette.putpalette([*np.repeat(greys, 3).tolist(), *(v for colour in LESION_COLORS for v in colour)])
    buffer = io.BytesIO()
    picture.quantize(palette=palette, dither=Pillow.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()
