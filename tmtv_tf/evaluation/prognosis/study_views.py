"""Pictures of single patients: multi-scale features and 3-D renderings (Liu et al. 2022, figures 4 and 5)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmtv_tf.evaluation.figures import DPI, STYLE
from tmtv_tf.evaluation.mip import png

TRUTH_COLOUR = (0.0, 0.447, 0.698)
PREDICTION_COLOUR = (0.91, 0.349, 0.047)
SUV_RANGE = (0.0, 0.3)  # of the network's input, where 1 is SUV 25
COLUMN_INCH, ROW_INCH = 2.1, 4.2  # of one rendering


@dataclass(frozen=True)
class FeatureView:
    """What figure 4 shows of one patient; all arrays (Z, Y, X), the head at the highest z.

    Attributes
    ----------
    title : a line above the row.
    image : the network's input, 0..1.
    features : mean over the channels, from the highest resolution down.
    probability, truth : on the network's grid; `truth` None without contours.
    spacing_mm : of `image`.
    """

    title: str
    image: npt.NDArray[np.floating]
    features: Sequence[npt.NDArray[np.floating]]
    probability: npt.NDArray[np.floating] | None
    truth: npt.NDArray[np.bool_] | None
    spacing_mm: tuple[float, float, float]


def feature_figure(views: Sequence[FeatureView]) -> bytes:
    """Figure 4: per patient a coronal (upper) and a sagittal (lower) row of maximum-intensity projections.

    PET, mean features of each resolution (each map in its own grey range, 1st to 99th percentile), lesion
    probability, truth. Patient's right on the left; in sagittal views the front on the left.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = 3 + max(len(view.features) for view in views)
    extent = np.array(views[0].image.shape) * views[0].spacing_mm  # mm
    height = 1.3 * extent[0] / max(extent[1], extent[2])
    with rc_context(STYLE):
        figure = Figure(
            figsize=(1.3 * columns, (2 * height + 0.6) * len(views)), dpi=DPI, layout="constrained"
        )
        for view, part in zip(views, figure.subfigures(len(views), 1, squeeze=False)[:, 0], strict=True):
            part.suptitle(view.title, fontsize=9, fontweight="bold", x=0.01, ha="left")
            grid = part.subplots(2, columns, squeeze=False)
            for axes in grid.flat:
                axes.set_axis_off()
            for column, (name, volume, (low, high)) in enumerate(_panels(view)):
                grid[0][column].set_title(name, fontsize=8)
                _show(grid[0][column], volume, 1, extent, low, high)
                _show(grid[1][column], volume, 2, extent, low, high)
        return png(figure)


def rendering_figure(
    cases: Sequence[tuple[str, dict[str, npt.NDArray[np.bool_] | None]]],
    body: Sequence[npt.NDArray[np.bool_]],
    spacing_mm: tuple[float, float, float],
) -> bytes:
    """Figure 5: lesion surfaces of the truth and of each model, one row per patient.

    Parameters
    ----------
    cases : title of the row, and masks (Z, Y, X) by column title, the truth first; None leaves a gap.
    body : mask of each patient's body, drawn as a silhouette behind.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = max(len(masks) for _, masks in cases)
    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_INCH * columns, ROW_INCH * len(cases)), dpi=DPI)
        parts = figure.subfigures(len(cases), 1, squeeze=False)[:, 0]
        for part, (title, masks), outline in zip(parts, cases, body, strict=True):
            part.suptitle(title, fontsize=9, fontweight="bold", x=0.01, y=0.985, ha="left")
            for column, (name, mask) in enumerate(masks.items()):
                # A 3-D view fills a square and clips what lies outside: as wide as high, over its neighbours.
                side = 0.87 * ROW_INCH / (COLUMN_INCH * columns)
                box = ((column + 0.5) / columns - side / 2, 0, side, 0.87)
                axes = part.add_axes(box, projection="3d", computed_zorder=False)
                axes.patch.set_alpha(0)
                axes.set_axis_off()
                part.text(
                    (column + 0.5) / columns, 0.93, textwrap.fill(name, 22), fontsize=8, ha="center", va="top"
                )
                if mask is not None:
                    _render(
                        axes, mask, outline, spacing_mm, TRUTH_COLOUR if column == 0 else PREDICTION_COLOUR
                    )
        return png(figure)


def _panels(view: FeatureView) -> list[tuple[str, npt.NDArray, tuple[float, float]]]:
    panels: list[tuple[str, npt.NDArray, tuple[float, float]]] = [("PET", view.image, SUV_RANGE)]
    for stage, feature in enumerate(view.features):
        low, high = np.percentile(feature, [1, 99])
        name = "features 1/1" if stage == 0 else f"1/{2**stage}"
        panels.append((name, feature, (float(low), float(max(high, low + 1e-6)))))
    if view.probability is not None:
        panels.append(("probability", view.probability, (0.0, 1.0)))
    if view.truth is not None:
        panels.append(("truth", view.truth.astype(float), (0.0, 1.0)))
    return panels


def _show(axes, volume: npt.NDArray, axis: int, extent: npt.NDArray, low: float, high: float) -> None:  # noqa: ANN001
    width = extent[2] if axis == 1 else extent[1]
    axes.imshow(
        volume.max(axis=axis),
        cmap="gray_r",
        vmin=low,
        vmax=high,
        origin="lower",
        extent=(0, width, 0, extent[0]),
        interpolation="nearest",
    )


def _render(axes, mask, body, spacing_mm, colour) -> None:  # noqa: ANN001
    """Shaded lesion surface before the body's coronal silhouette; seen from the front."""
    shape_mm = np.array(mask.shape) * spacing_mm
    silhouette = np.pad(body.any(axis=1), 1).astype(float)  # closed where the body leaves the crop
    z = (np.arange(-1, mask.shape[0] + 1) + 0.5) * spacing_mm[0]
    x = (np.arange(-1, mask.shape[2] + 1) + 0.5) * spacing_mm[2]
    if 0 < silhouette.sum() < silhouette.size:
        grid_x, grid_z = np.meshgrid(x, z)
        axes.contour(
            grid_x,
            silhouette,
            grid_z,
            levels=[0.5],
            zdir="y",
            offset=shape_mm[1],
            colors="#999999",
            linewidths=0.8,
        )
    if mask.any():
        vertices, faces = _surface(mask, spacing_mm)
        axes.plot_trisurf(
            vertices[:, 2],
            vertices[:, 1],
            vertices[:, 0],
            triangles=faces,
            color=colour,
            linewidth=0,
            shade=True,
        )
    axes.set_xlim(0, shape_mm[2])
    axes.set_ylim(0, shape_mm[1])
    axes.set_zlim(0, shape_mm[0])
    axes.set_box_aspect((shape_mm[2], shape_mm[1], shape_mm[0]), zoom=1.04)
    axes.view_init(elev=0, azim=-90)
    axes.set_proj_type("ortho")  # so that a lesion lies where the silhouette has it


def _surface(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]):
    """Marching cubes around the mask's voxels: vertices (N, 3) in mm (z, y, x), faces (M, 3)."""
    from skimage.measure import marching_cubes

    padded = np.pad(mask, 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(padded, 0.5, spacing=spacing_mm)
    return vertices - np.array(spacing_mm) / 2, faces
