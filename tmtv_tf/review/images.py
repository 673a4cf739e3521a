"""The images of one case, as the automatic result was made from them, or a reason why they are not."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from petct.errors import CaseError
from petct.image import Geometry, Image, image_geometry, read_image, resample
from petct.orientation import to_canonical
from postprocess.config import Config
from postprocess.measures import lesions_of_voxels, summarize
from postprocess.origin import Origin
from postprocess.results import TmtvResult
from postprocess.segmentation import Instances, Segmentation
from postprocess.suv_source import SuvSource, find_suv
from tmtv_tf.review.mip import Projections
from tmtv_tf.review.worklist import Folders, ct_path, pet_path

# A PET of this many voxels takes 0.8 GB; a larger one is no PET, and two open cases would fill the memory.
MAX_VOXELS = 200_000_000
# Two computations of one number from the same files.
SAME_NUMBER = 1e-6
# Axes whose unit vectors differ by less are parallel.
PARALLEL = 1e-3
OUTSIDE_CT_HU = -1000.0
CHECKED = ("tmtv_ml", "tlg", "suv_max", "lesion_count")


class CaseImages:
    """PET, CT and raw mask of a case, read side by side in the background.

    Parameters
    ----------
    case_id, folders : where they lie
    automatic : what `tmtv.json` holds
    """

    def __init__(self, case_id: str, folders: Folders, automatic: TmtvResult) -> None:
        self.case_id, self.folders, self.automatic = case_id, folders, automatic
        self.methods: tuple[str, ...] = tuple(automatic["methods"])
        self.config = Config.of(automatic["parameters"])
        self.pool = ThreadPoolExecutor(3)
        self._source: Future[SuvSource] = self.pool.submit(self._find_pet)
        self._stored: Future[Image] = self.pool.submit(self._read_pet)
        self._raw: Future[Image] = self.pool.submit(self._read_raw)

    @cached_property
    def pet(self) -> Image:
        """SUVbw, axes along LPS z, y, x."""
        return to_canonical(self._stored.result())

    @property
    def stored(self) -> Geometry:
        """The grid of the PET in its file."""
        return self._stored.result().geometry

    @cached_property
    def ct(self) -> Image | None:
        path = ct_path(self.folders, self.case_id)
        if path is None:
            return None
        _check_size(path)
        ct, pet = to_canonical(read_image(path)), self.pet.geometry
        if np.allclose(ct.geometry.direction, pet.direction, rtol=0, atol=PARALLEL):
            return ct
        return resample(ct, pet, fill=OUTSIDE_CT_HU)  # the page draws both along the same axes

    @cached_property
    def projections(self) -> Projections:
        return Projections(self.pet)

    @cached_property
    def work(self) -> Segmentation:
        """The automatic result's raw mask and parts; its lesions are those of the result.

        Raises
        ------
        CaseError
            The files are not those that the result was made from.
        """
        raw = self._raw.result()
        if not raw.geometry.same_grid(self.pet.geometry):
            raise CaseError(
                f"{self.case_id}: its lesions are on another grid than its PET ({raw.geometry.shape} and "
                f"{self.pet.geometry.shape} voxels, or another place): they do not belong together."
            )
        work = Segmentation(
            raw.array != 0,
            self.pet.array,
            self.pet.spacing_mm,
            self.config,
            instances=self._instances(raw),
        )
        self._check_pet()
        self._check_numbers(work)
        return work

    def _instances(self, raw: Image) -> Instances | None:
        """The regions of a mask, where each is a lesion: the labels of the method raw."""
        found = self.automatic.get("instances", "unknown" if "mask" in self.automatic["inputs"] else None)
        if found in ("overlapping", "unknown"):
            why = "its regions overlap" if found == "overlapping" else "it was made by an older version"
            raise CaseError(
                f"{self.case_id}: a result of a mask, and {why}: edit it with tmtv-postprocess"
                f"{'' if found == 'overlapping' else ', or run that again first'}."
            )
        return Instances.of_labels(raw.array) if found == "apart" else None

    def _find_pet(self) -> SuvSource:
        return find_suv(pet_path(self.folders, self.case_id))

    def _read_pet(self) -> Image:
        source = self._source.result()
        if source.pet is None:
            _check_size(source.path)
        image, _ = source.read()
        return image.with_array(image.array.astype(np.float32, copy=False))

    def _read_raw(self) -> Image:
        path = self.folders.checked(self.folders.results / self.case_id / "lesions_raw.nii.gz")
        if "raw" not in self.methods or not path.is_file():
            raise CaseError(
                f"{path}: the page needs the result of the method raw; run tmtv-postprocess with --method raw too."
            )
        _check_size(path)
        return to_canonical(read_image(path))

    def _check_pet(self) -> None:
        """Refuse another PET file than the result was made from."""
        stated = self.automatic["inputs"].get("suv") or {}
        source = self._source.result()
        if str(stated.get("file")).startswith("DICOM series ") and source.pet is None:
            return  # tmtv run wrote it from that series; its numbers are checked
        if Origin(source.name, tuple(source.files())).sha256() != stated.get("sha256"):
            raise CaseError(
                f"{source.path}: not the PET that the result was made from (its SHA-256 differs); run "
                "tmtv-postprocess again."
            )

    def _check_numbers(self, work: Segmentation) -> None:
        """Refuse images that do not give the numbers that the result states."""
        suv, geometry = self.pet.array, self.pet.geometry
        for method, stated in self.automatic["methods"].items():
            lesions = work.lesions(method)
            means = work.sphere_means(lesions.index)
            rows = lesions_of_voxels(lesions, suv, geometry, means=means, shapes=False)
            found = summarize(rows, lesions, geometry)
            for key in CHECKED:
                before: Any = stated.get(key) or 0.0
                now = getattr(found, key) or 0.0
                if abs(before - now) > SAME_NUMBER * max(abs(before), 1.0):
                    raise CaseError(
                        f"{self.case_id}: {key} of {method} is {before:.6g} in tmtv.json and {now:.6g} on its images: "
                        "they do not belong together; run tmtv-postprocess again."
                    )


def _check_size(path: Path) -> None:
    shape = image_geometry(path).shape
    if (voxels := shape[0] * shape[1] * shape[2]) > MAX_VOXELS:
        raise CaseError(
            f"{path}: {voxels / 1e6:.0f} million voxels; the review page shows up to {MAX_VOXELS / 1e6:.0f} million."
        )
