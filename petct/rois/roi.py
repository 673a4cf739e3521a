"""One reader's region: a mask in its bounding box on the PET grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage


@dataclass(frozen=True)
class Roi:
    """A region of interest on the PET grid.

    Attributes
    ----------
    name : the reader's text. It may name a patient: outputs carry it only when asked.
    corner : (z, y, x) index on the PET grid of `mask[0, 0, 0]`
    mask : (Z, Y, X) bool, the ROI's bounding box; shape (0, 0, 0) for a ROI without any voxel on the PET
    """

    name: str
    corner: tuple[int, int, int]
    mask: npt.NDArray[np.bool_]

    @classmethod
    def from_mask(
        cls, name: str, mask: npt.NDArray[np.bool_], corner: tuple[int, int, int] = (0, 0, 0)
    ) -> Roi:
        """Cut `mask`, whose first voxel lies at `corner` of the PET grid, to its bounding box."""
        if not mask.any():
            return cls(name, (0, 0, 0), np.zeros((0, 0, 0), bool))
        box = []
        for axis in range(3):
            occupied = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
            box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
        first = (corner[0] + box[0].start, corner[1] + box[1].start, corner[2] + box[2].start)
        return cls(name, first, np.ascontiguousarray(mask[tuple(box)]))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where the bounding box lies on the PET grid."""
        z, y, x = (slice(c, c + n) for c, n in zip(self.corner, self.mask.shape))
        return z, y, x

    @property
    def voxels(self) -> int:
        return int(np.count_nonzero(self.mask))

    def values(self, image: npt.NDArray) -> npt.NDArray:
        """The image's values (N,) inside the ROI, in (Z, Y, X) order."""
        return image[self.slices][self.mask]

    def components(self) -> list[Roi]:
        """The ROI's 6-connected parts, each a ROI of its own; none if it has no voxel."""
        if not self.voxels:
            return []
        labels, _ = ndimage.label(self.mask)
        parts = []
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            z, y, x = (c + s.start for c, s in zip(self.corner, box))
            parts.append(replace(self, corner=(z, y, x), mask=labels[box] == label))
        return parts
