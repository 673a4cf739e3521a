"""Which masks, results and truths an evaluation refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petct.errors import TmtvError
from petct.image import Geometry, Image, read_image, write_image
from postprocess.case import Job, run_case
from postprocess.inputs import MapFile
from tmtv_tf.evaluation.reading import CaseFiles, load

GEOMETRY = Geometry((8, 10, 12), (3.0, 2.0, 2.5), (-10.0, -20.0, 5.0))
LESION = (slice(2, 5), slice(3, 7), slice(4, 9))  # 60 voxels


@pytest.fixture
def files(tmp_path: Path) -> CaseFiles:
    """A case with a reader's mask, and the result of a mask of it."""
    case = tmp_path / "cases" / "c1"
    suv = np.random.default_rng(0).uniform(0, 1, GEOMETRY.shape).astype(np.float32)
    suv[LESION] += np.linspace(5, 9, 60, dtype=np.float32).reshape(3, 4, 5)
    mask = np.zeros(GEOMETRY.shape, np.uint8)
    mask[LESION] = 1
    write_image(case / "pet.nii.gz", Image(suv, GEOMETRY))
    write_image(case / "mask.nii.gz", Image(mask, GEOMETRY))
    found = MapFile(case / "mask.nii.gz", is_mask=True)
    result = tmp_path / "results" / "c1"
    run_case(Job(case_id="c1", folder=result, map_file=found, suv_path=case / "pet.nii.gz"))
    return CaseFiles("c1", result, case)


NO_MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a probability map": lambda mask: np.where(mask, 0.9, 0.01),
    "NaN": lambda mask: np.where(mask, np.nan, 0),
    "negative": lambda mask: np.where(mask, -1, 0).astype(np.int16),
    "a CT": lambda mask: np.where(mask, 40, -1000).astype(np.int16),
}


@pytest.mark.parametrize("what", NO_MASKS)
@pytest.mark.parametrize("role", ["prediction", "truth"])
def test_what_is_no_mask_is_refused(what: str, role: str, files: CaseFiles, tmp_path: Path) -> None:
    """Every value above 0 was lesion: a probability of 0.01 all over the body, and nothing of a negative label."""
    image = read_image(files.case / "mask.nii.gz")
    spoiled = image.with_array(NO_MASKS[what](image.array).astype(np.float32))
    path = tmp_path / "other.nii.gz" if role == "prediction" else files.case / "mask.nii.gz"
    write_image(path, spoiled)
    given = CaseFiles("c1", files.result, files.case, mask=path) if role == "prediction" else files
    with pytest.raises(TmtvError, match=f"{path.name}: (a|the) mask holds"):
        load(given)


def test_a_mask_of_another_examination_is_refused(files: CaseFiles, tmp_path: Path) -> None:
    """It counted as "no lesion found"."""
    image = read_image(files.case / "mask.nii.gz")
    far = Geometry(GEOMETRY.shape, GEOMETRY.spacing_mm, (500.0, 500.0, 500.0))
    write_image(tmp_path / "far.nii.gz", Image(image.array, far))
    with pytest.raises(TmtvError, match="do not overlap"):
        load(CaseFiles("c1", files.result, files.case, mask=tmp_path / "far.nii.gz"))


def test_a_mask_is_read_on_its_own_grid_and_orientation(files: CaseFiles, tmp_path: Path) -> None:
    """The same voxels stored from head to feet and from left to right."""
    image = read_image(files.case / "mask.nii.gz")
    (sz, _, sx), (x, y, z) = GEOMETRY.spacing_mm, GEOMETRY.origin_mm
    turned = Geometry(
        GEOMETRY.shape, GEOMETRY.spacing_mm, (x + 11 * sx, y, z + 7 * sz), (-1, 0, 0, 0, 1, 0, 0, 0, -1)
    )
    write_image(tmp_path / "turned.nii.gz", Image(image.array[::-1, :, ::-1].copy(), turned))
    read = load(CaseFiles("c1", files.result, files.case, mask=tmp_path / "turned.nii.gz"))
    assert np.array_equal(read.prediction, image.array > 0)


@pytest.mark.parametrize("spoil", ["flipped", "negative"])
def test_labels_that_are_not_those_of_the_result_are_refused(spoil: str, files: CaseFiles) -> None:
    """As many voxels as tmtv.json says, elsewhere."""
    path = files.result / "lesions_41.nii.gz"
    image = read_image(path)
    array = image.array[::-1].copy() if spoil == "flipped" else -image.array.astype(np.int16)
    write_image(path, image.with_array(array))
    with pytest.raises(TmtvError, match="where tmtv.json says|labels are 1 and more"):
        load(files)


def test_the_result_of_another_case_is_refused(files: CaseFiles) -> None:
    """Copied into the folder of a case whose PET is the same."""
    assert load(files).prediction.sum() == 60
    path = files.result / "tmtv.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "case_id": "c2"}))
    with pytest.raises(TmtvError, match="the result of 'c2', not of the case c1"):
        load(files)
