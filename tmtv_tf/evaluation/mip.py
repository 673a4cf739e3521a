"""Coronal maximum-intensity projections with the outlines of reference and prediction."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from petct.image import Geometry, Image
from tmtv_tf.report.pictures import SUV_WINDOW, body_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

PIXELS_PER_MM = 1.0
GREYS = 160  # of 256 entries of a picture's palette
GREY_SPREAD = 3  # largest difference of red, green and blue in what counts as grey
PNG_LEVEL = 6  # of zlib: 9 makes 5 % less in seven times the time
HEADER_MM, FOOTER_MM = 28.0, 40.0  # above the body: the case; below: the SUV scale
SMALLEST_WIDTH_MM = 260.0  # so that the scale and a case id have room
NUMBERS_SHOWN = 30  # more would hide what they stand for
NUMBER_MM = (12.0, 20.0)  # room of a number, z and x: a smaller lesion nearer than this goes without
NUMBER_COLOUR = "#8A1C00"
# Blue and orange: distinct for colour-blind readers and in print, on white and on black.
REFERENCE_COLOUR = "#0A7FCC"
PREDICTION_COLOUR = "#FF6A00"


def coronal_projection(array: npt.NDArray, geometry: Geometry) -> tuple[npt.NDArray, tuple[float, float]]:
    """Maximum along the front-back axis, however the array is stored.

    Returns
    -------
    projection : (Z, X); row 0 is the lowest (feet), column 0 the patient's right, as seen from the front.
    spacing_mm : (row, column)
    """
    view = _coronal(geometry)
    projection = array.max(axis=view.of_y)
    if view.of_z > view.of_x:
        projection = projection.T
    projection = projection[:: -1 if view.flip_z else 1, :: -1 if view.flip_x else 1]
    return projection, (geometry.spacing_mm[view.of_z], geometry.spacing_mm[view.of_x])


def coronal_mip_png(
    pet: Image,
    reference: npt.NDArray[np.bool_],
    prediction: npt.NDArray[np.bool_],
    lesions: npt.NDArray[np.integer] | None = None,
    case_id: str = "",
) -> bytes:
    """PNG of the PET's coronal MIP, inverse grey with its SUV scale, the case's name above.

    The reference is outlined in blue, the prediction in orange; lesions have their numbers, the
    NUMBERS_SHOWN largest where there is room.
    The right of the body is on the left of the picture: R and L say so.
    """
    from matplotlib.figure import Figure

    suv, spacing_mm = coronal_projection(pet.array, pet.geometry)
    rows, columns = body_window(suv, spacing_mm)
    height_mm = (rows.stop - rows.start) * spacing_mm[0]
    width_mm = max((columns.stop - columns.start) * spacing_mm[1], SMALLEST_WIDTH_MM)
    dpi = 100
    whole_mm = height_mm + HEADER_MM + FOOTER_MM
    figure = Figure(figsize=(width_mm * PIXELS_PER_MM / dpi, whole_mm * PIXELS_PER_MM / dpi), dpi=dpi)
    axes = figure.add_axes((0, FOOTER_MM / whole_mm, 1, height_mm / whole_mm))
    axes.set_axis_off()
    shown_mm = (columns.stop - columns.start) * spacing_mm[1]
    image = axes.imshow(
        suv[rows, columns],
        cmap="gray_r",
        vmin=SUV_WINDOW[0],
        vmax=SUV_WINDOW[1],
        origin="lower",
        extent=(0, shown_mm, 0, height_mm),
        interpolation="bilinear",
        aspect="auto",
    )
    for mask, colour, width in ((reference, REFERENCE_COLOUR, 3.2), (prediction, PREDICTION_COLOUR, 1.5)):
        _outline(axes, coronal_projection(mask, pet.geometry)[0][rows, columns], spacing_mm, colour, width)
    taken: list[tuple[float, float]] = []
    for number, (row, column) in lesion_places(lesions, pet.geometry).items():
        x, z = (column - columns.start + 0.5) * spacing_mm[1], (row - rows.start + 0.5) * spacing_mm[0]
        if all(abs(x - a) > NUMBER_MM[1] or abs(z - b) > NUMBER_MM[0] for a, b in taken):
            _letters(axes, str(number), (x, z), NUMBER_COLOUR)
            taken.append((x, z))
    axes.set_xlim((shown_mm - width_mm) / 2, (shown_mm + width_mm) / 2)  # a narrow body stands in the middle
    axes.set_ylim(0, height_mm)
    for text, place_x in (("R", 0.03), ("L", 0.97)):
        axes.text(place_x, 0.99, text, transform=axes.transAxes, ha="center", va="top", weight="bold")
    figure.text(0.02, 1 - HEADER_MM / whole_mm / 2, case_id, va="center", weight="bold", parse_math=False)
    bar = figure.add_axes((0.3, FOOTER_MM * 0.62 / whole_mm, 0.4, FOOTER_MM * 0.22 / whole_mm))
    scale = figure.colorbar(image, cax=bar, orientation="horizontal", ticks=[*SUV_WINDOW])
    scale.ax.set_xticklabels([f"SUV {SUV_WINDOW[0]:g}", f"{SUV_WINDOW[1]:g} and more"])
    scale.ax.tick_params(length=0, labelsize=9)
    return png(figure)


def lesion_places(
    lesions: npt.NDArray[np.integer] | None, geometry: Geometry
) -> dict[int, tuple[float, float]]:
    """Row and column in `coronal_projection` of the centroid of the largest lesions: label -> (row, column).

    Labels are 1, 2, ... by descending volume, so the first NUMBERS_SHOWN are the largest.
    """
    from scipy import ndimage

    if lesions is None or not lesions.any():
        return {}
    view, found = _coronal(geometry), {}
    for label, box in enumerate(ndimage.find_objects(lesions, max_label=NUMBERS_SHOWN), start=1):
        if box is None:  # excluded by a reader
            continue
        centre = np.argwhere(lesions[box] == label).mean(axis=0) + [part.start for part in box]
        row, column = centre[view.of_z], centre[view.of_x]
        found[label] = (
            lesions.shape[view.of_z] - 1 - row if view.flip_z else row,
            lesions.shape[view.of_x] - 1 - column if view.flip_x else column,
        )
    return found


@dataclass(frozen=True)
class _View:
    """Which array axes are front-back, head-feet, left-right, and whether the last two run the other way."""

    of_y: int
    of_z: int
    of_x: int
    flip_z: bool
    flip_x: bool


def _coronal(geometry: Geometry) -> _View:
    # rows x, y, z of the world; columns the array's axes
    axes = geometry.index_to_world[:3, :3] / np.asarray(geometry.spacing_mm)
    of_y = int(np.argmax(np.abs(axes[1])))
    others = [axis for axis in range(3) if axis != of_y]
    of_z = max(others, key=lambda axis: abs(axes[2, axis]))
    of_x = others[0] if others[1] == of_z else others[1]
    return _View(of_y, of_z, of_x, bool(axes[2, of_z] < 0), bool(axes[0, of_x] < 0))


def _outline(
    axes: Axes,
    projected: npt.NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    colour: str,
    width: float,
) -> None:
    if projected.any():
        x = (np.arange(projected.shape[1]) + 0.5) * spacing_mm[1]
        z = (np.arange(projected.shape[0]) + 0.5) * spacing_mm[0]
        axes.contour(x, z, projected.astype(float), levels=[0.5], colors=[colour], linewidths=width)


def _letters(axes: Axes, text: str, place: tuple[float, float], colour: str) -> None:
    """Small letters beside a place, readable on white and on black."""
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=2.2, foreground="white")]
    axes.annotate(
        text,
        place,
        xytext=(5, 3),
        textcoords="offset points",
        color=colour,
        fontsize=9,
        weight="bold",
        path_effects=outline,
        annotation_clip=True,
    )


def png(figure: Figure) -> bytes:
    """A matplotlib figure as the bytes of a PNG with a palette (a third of the size, no visible loss)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    with_palette(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, "png", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def with_palette(rgb: npt.NDArray[np.uint8]) -> Picture:
    """A picture (Y, X, 3) in GREYS greys and a palette of its colours for the rest, so that no grey gets a tint."""
    from PIL import Image as Pillow

    red, green, blue = (rgb[..., i] for i in range(3))  # a reduction over an axis of three is far slower
    darkest, lightest = (f(f(red, green), blue) for f in (np.minimum, np.maximum))
    grey = lightest - darkest <= GREY_SPREAD
    mean = (red.astype(np.uint16) + green + blue) / 3
    index = np.rint(mean * ((GREYS - 1) / 255)).astype(np.uint8)
    palette = np.repeat(np.rint(np.linspace(0, 255, GREYS)).astype(np.uint8), 3).tolist()
    if not grey.all():
        coloured = Pillow.fromarray(rgb[~grey][None])
        few = coloured.quantize(256 - GREYS, method=Pillow.Quantize.MEDIANCUT, dither=Pillow.Dither.NONE)
        index[~grey] = GREYS + np.asarray(few)[0]
        palette += (few.getpalette() or [])[: 3 * (256 - GREYS)]
    picture = Pillow.fromarray(index, "P")
    picture.putpalette(palette)
    return picture
