"""One open case: its images, the lesions of every method after the reader's edits, and what the page is told."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np

from petct.errors import CaseError
from petct.image import Image, read_image
from petct.orientation import to_canonical
from petct.palette import lesion_color
from postprocess.config import Config
from postprocess.editing import apply_edits
from postprocess.edits import EditLog, read_log
from postprocess.measures import Lesion, lesions_of_voxels, summarize
from postprocess.requests import edit_of
from postprocess.results import read_result
from postprocess.segmentation import Lesions, Segmentation
from postprocess.suv_source import find_suv
from tmtv_tf.review.mip import Projections
from tmtv_tf.review.volumes import affine_ras
from tmtv_tf.review.worklist import Case, Folders, ct_path, default_method, pet_path


class Session:
    """The state of one case. Everything public may be called from several threads."""

    def __init__(self, case: Case, folders: Folders) -> None:
        self.case, self.folders, self.lock = case, folders, RLock()
        result = read_result(case.automatic)
        if result is None:
            raise CaseError(f"{case.automatic}: not a whole result; run tmtv-postprocess again.")
        self.automatic = result
        self.methods = tuple(result["methods"])
        self.config = Config(
            **{k: v for k, v in result["parameters"].items() if k in Config.__dataclass_fields__}
        )
        self._pool = ThreadPoolExecutor(2)
        self._pet: Future[Image] = self._pool.submit(self._read_pet)
        self._raw: Future[Image] = self._pool.submit(self._read_raw)

    @property
    def pet(self) -> Image:
        return self._pet.result()

    @cached_property
    def ct(self) -> Image | None:
        path = ct_path(self.folders, self.case.case_id)
        return None if path is None else to_canonical(read_image(path))

    @cached_property
    def projections(self) -> Projections:
        return Projections(self.pet)

    @cached_property
    def work(self) -> Segmentation:
        return Segmentation(self._raw.result().array > 0, self.pet.array, self.pet.spacing_mm, self.config)

    @property
    def log(self) -> EditLog:
        return read_log(self.case.folder)

    def lesions(self, method: str) -> Lesions:
        """The lesions of a method after the edits in force."""
        if method not in self.methods:
            raise CaseError(
                f"{self.case.case_id}: no result of the method {method}; it has {', '.join(self.methods)}."
            )
        with self.lock:
            return self._final[method]

    @cached_property
    def _final(self) -> dict[str, Lesions]:
        geometry = self.pet.geometry
        edits = [edit_of(entry, self.case.folder, self.work, geometry)[0] for entry in self.log.in_force]
        return {method: apply_edits(self.work, geometry, method, edits)[0] for method in self.methods}

    @cached_property
    def _automatic(self) -> dict[str, Lesions]:
        return {method: self.work.lesions(method) for method in self.methods}

    def state(self, method: str | None = None) -> dict[str, Any]:
        """What the page shows."""
        method = method or default_method(self.methods)
        lesions = self.lesions(method)
        geometry = self.pet.geometry
        with self.lock:
            log = self.log
            automatic, final = self._automatic[method], lesions
            before, after = (self._rows(found) for found in (automatic, final))
            return {
                "case_id": self.case.case_id,
                "revision": len(log.entries),
                "methods": list(self.methods),
                "method": method,
                "shape": list(geometry.shape),
                "spacing_mm": list(geometry.spacing_mm),
                "affine_ras": affine_ras(geometry).tolist(),
                "mip": self.mip_json(),
                "lesions": [self._lesion(row, final, automatic) for row in after],
                "excluded": [
                    self._lesion(row, automatic, automatic)
                    for row in before
                    if row.label not in {r.label for r in after}
                ],
                "totals": {name: self._totals(name) for name in self.methods},
                "can_undo": bool(log.in_force),
                "can_redo": False,
                "signed": None,
                "status": self.case.status,
                "warnings": [self.folders.short(text) for text in self.automatic["warnings"]],
                "has_ct": self.case.has_ct,
            }

    def mip_json(self) -> dict[str, Any]:
        found = self.projections
        down, across = found.mm_per_pixel
        return {"width": found.width, "height": found.height, "mm_per_pixel": [across, down]}

    def _rows(self, lesions: Lesions) -> list[Lesion]:
        return lesions_of_voxels(lesions, self.pet.array, self.pet.geometry)

    def _totals(self, method: str) -> dict[str, Any]:
        found = {}
        for name, lesions in (("automatic", self._automatic[method]), ("final", self._final[method])):
            rows = self._rows(lesions)
            measures = summarize(rows, lesions, self.pet.geometry)
            found[name] = {
                k: getattr(measures, k) for k in ("tmtv_ml", "tlg", "dmax_mm", "lesion_count", "suv_max")
            }
        return found

    def _lesion(self, row: Lesion, lesions: Lesions, automatic: Lesions) -> dict[str, Any]:
        index = lesions.index[lesions.label == row.label]
        before = automatic.index[automatic.label == row.label]
        hottest = index[self.pet.array.reshape(-1)[index].argmax()]
        geometry = self.pet.geometry
        place = geometry.to_world(np.array(np.unravel_index(hottest, geometry.shape)).T)[0]
        origin = "added" if before.size == 0 else "automatic" if np.array_equal(before, index) else "changed"
        return {
            "label": row.label,
            **{k: getattr(row, k) for k in ("volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg")},
            "centroid_mm": [row.x_mm, row.y_mm, row.z_mm],
            "hottest_mm": place.tolist(),
            "region": None,
            "origin": origin,
            "color": "#{:02x}{:02x}{:02x}".format(*lesion_color(row.label)),
        }

    def _read_pet(self) -> Image:
        image, _ = find_suv(pet_path(self.folders, self.case.case_id)).read()
        return to_canonical(Image(image.array.astype(np.float32, copy=False), image.geometry))

    def _read_raw(self) -> Image:
        path = self.case.automatic / "lesions_raw.nii.gz"
        if not path.is_file():
            raise CaseError(
                f"{path}: the page needs the result of the method raw; run tmtv-postprocess with it."
            )
        return to_canonical(read_image(self.folders.checked(path)))
