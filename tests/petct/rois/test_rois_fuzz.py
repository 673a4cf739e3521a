"""Mutated RTSTRUCT and SEG files: the same ROIs, or a refusal; never a traceback, never fewer ROIs in silence."""

import random

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV, write_study
from pydicom import dcmread
from roi_files import pet_datasets, write_seg

from petct.errors import TmtvError
from petct.image import Image
from petct.rois import RoiTarget, read_rois

# What a warning or the ROI itself says when one ROI is gone by itself, its file otherwise whole.
SAID = ("no closed contour", "is empty", "holds no voxel", "beyond the PET")


def elements(dataset, path=()):
    for element in dataset:
        yield (*path, element.tag)
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from elements(item, (*path, element.tag, index))


def parent_of(dataset, path):
    for tag, index in zip(path[:-1:2], path[1::2]):
        dataset = dataset[tag].value[index]
    return dataset


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("study"))
    slices = pet_datasets(folder / "PT")
    masks = np.zeros((*SHAPE, 2), bool)
    masks[2:4, 1:3, 1:3, 0] = masks[3:6, 2:5, 2:4, 1] = True
    seg = write_seg(folder / "seg.dcm", slices, masks)
    pet = slices[0]
    target = RoiTarget(Image(SUV, GEOMETRY), pet.SeriesInstanceUID, pet.FrameOfReferenceUID)
    return {"rtstruct": folder / "RS" / "rs.dcm", "seg": seg}, target


@pytest.mark.parametrize("kind", ["rtstruct", "seg"])
@pytest.mark.parametrize("change", ["remove", "empty", "cut", "bytes"])
def test_mutations(tmp_path, files, kind, change):
    path, target = files[0][kind], files[1]
    raw, whole = path.read_bytes(), dcmread(path)
    expected, _ = read_rois(path, target)
    tags = list(elements(whole))
    rng = random.Random(f"{kind} {change}")
    mutant = tmp_path / "mutant.dcm"
    refusals = []
    for _ in range(60):
        if change == "cut":
            mutant.write_bytes(raw[: rng.randrange(200, len(raw) - 1)])
        elif change == "bytes":
            data = bytearray(raw)
            data[rng.randrange(132, len(raw))] = rng.randrange(256)
            mutant.write_bytes(data)
        else:
            dataset, where = dcmread(path), rng.choice(tags)
            parent = parent_of(dataset, where)
            if change == "remove":
                del parent[where[-1]]
            else:
                parent[where[-1]].value = [] if parent[where[-1]].VR == "SQ" else None
            dataset.save_as(mutant)
        try:
            rois, warnings = read_rois(mutant, target)
        except TmtvError as error:
            refusals.append(str(error))
            continue
        if change in ("remove", "empty"):  # a changed byte may be a changed coordinate
            same = [a.corner == b.corner and np.array_equal(a.mask, b.mask) for a, b in zip(rois, expected)]
            assert (all(same) and len(rois) == len(expected)) or any(w in " ".join(warnings) for w in SAID), (
                where
            )
    assert refusals
    assert all("mutant.dcm" in refusal for refusal in refusals)
