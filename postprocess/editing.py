"""What a reader changes, voxel by voxel. Pure functions: the same edits in the same order give the same lesions.

A lesion keeps the number that it has in the automatic result. The number of a lesion that was taken out stays empty; a
lesion that was added, or split off, takes the next free one. What an edit does never depends on the edits after it, so
numbers stay when more edits follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from petct.errors import ParameterError
from petct.image import Geometry
from postprocess._components import IntVector, Labels
from postprocess.methods import parse_method
from postprocess.seeds import SEED_LIMIT_MM
from postprocess.segmentation import Lesions, Segmentation


@dataclass(frozen=True)
class ExcludeLesion:
    """A lesion of the automatic result: under a method whose lesions are parts its whole part, else its voxels."""

    method: str
    label: int


@dataclass(frozen=True)
class RestoreLesion:
    """A lesion of the automatic result comes back, whatever took it or some of its voxels out."""

    method: str
    label: int


@dataclass(frozen=True, eq=False)
class ExcludeRegion:
    """Ascending flat indices of voxels that are no lesion, and that no threshold sees (a bladder)."""

    index: IntVector


@dataclass(frozen=True, eq=False)
class ExcludePart:
    """A lesion that earlier edits made or changed: ascending flat indices of its voxels.

    added : the places, in the list of edits, of the earlier ones whose added voxels go with it under every method.
    """

    index: IntVector
    added: tuple[int, ...] = ()


@dataclass(frozen=True)
class IncludeSeed:
    """The component of SUV over a method's threshold that holds an LPS point (x, y, z), up to a distance from it."""

    point_mm: tuple[float, float, float]
    limit_mm: float = SEED_LIMIT_MM


@dataclass(frozen=True, eq=False)
class Split:
    """A lesion in groups 1..N, of ascending flat indices. Group 1 keeps the number; each other gets the next free one.

    Under a method whose lesions are parts, each group of a part is a part, with a threshold of its own.
    """

    index: IntVector
    group: Labels


@dataclass(frozen=True, eq=False)
class Merge:
    """All lesions with a voxel among ascending flat indices become one, with the lowest of their numbers.

    Under a method whose lesions are parts, the parts of one connected mass become one part, with one threshold; lesions
    apart from each other keep their own.
    """

    index: IntVector


@dataclass(frozen=True, eq=False)
class Paint:
    """Voxels (ascending flat indices) that are lesion under every method.

    Of the lesion that they touch (the lowest number where several), else of a new one.
    """

    index: IntVector


@dataclass(frozen=True, eq=False)
class Erase:
    """Voxels (ascending flat indices) that are no lesion under any method. Thresholds still see them."""

    index: IntVector


Edit = (
    ExcludeLesion | RestoreLesion | ExcludeRegion | ExcludePart | IncludeSeed | Split | Merge | Paint | Erase
)


def apply_edits(
    work: Segmentation, geometry: Geometry, method: str, edits: Sequence[Edit]
) -> tuple[Lesions, list[str]]:
    """The lesions of one method after a reader's edits, in their order.

    Parameters
    ----------
    work : the raw mask and its parts, of the automatic result
    geometry : the grid of `work.suv`
    method : whose lesions are edited
    edits : an `ExcludeLesion` of any method acts on every method; an excluded region acts on the thresholds of the
        parts that it touches; an added region that touches a lesion of a method whose lesions are components
        joins it (the lowest number where several), else it is a new lesion

    Returns
    -------
    lesions : numbers as in the automatic result, then the added ones; with gaps. No edits: the automatic result.
    warnings : sentences about edits that did less than asked

    Raises
    ------
    ParameterError
        A lesion that its method does not have, a point outside the image, no such method.

    Notes
    -----
    Lesions below the smallest volume of the method are left out, as in the automatic result.
    """
    from postprocess.edited import EditedLesions

    state = EditedLesions.of(work, method)
    warnings: list[str] = []
    for edit in edits:
        state, said = state.after(edit, geometry)
        warnings += said
    return state.lesions(), warnings


def lesion_voxels(work: Segmentation, method: str, label: int) -> npt.NDArray[np.bool_]:
    """Which voxels of `work.index` an excluded lesion takes out of every method.

    Raises
    ------
    ParameterError
        A label that the method does not have.
    """
    lesions = work.lesions(method)
    members = np.searchsorted(work.index, lesions.index[lesions.label == label])
    if members.size == 0:
        raise ParameterError(
            f"{method}:{label}: there is no such lesion in the automatic result; {method} has "
            f"{lesions.label.max(initial=0)}."
        )
    if work.instances is not None:
        return work.parts == label
    if parse_method(method, work.config).per_part:
        return work.parts == work.parts[members[0]]
    taken = np.zeros(work.index.size, bool)
    taken[members] = True
    return taken
