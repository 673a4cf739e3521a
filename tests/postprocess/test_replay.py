"""What an entry of the log means on this image, or why it cannot be known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edit_files import GRID, HOT, MISSED, contents, edit, images, labels_of, world

from petct.errors import TmtvError
from petct.image import Image, read_image, write_image
from postprocess.case import Job, run_case
from postprocess.review import final_folder


def test_replaying_the_log_gives_the_same_bytes(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :10] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    edit(job, exclude=(("41", 2),), exclude_mask=tmp_path / "bladder.nii.gz", seeds_mm=(world(MISSED),))
    first = contents(job.folder)
    (tmp_path / "bladder.nii.gz").unlink()  # the log keeps the region itself
    other = replace(job, folder=tmp_path / "elsewhere" / "p")
    other.folder.mkdir(parents=True)
    shutil.copy(job.folder / "edits.json", other.folder)
    shutil.copytree(job.folder / "edits", other.folder / "edits")
    run_case(other)
    assert contents(other.folder) == first


def test_another_map_never_takes_an_edit_for_another_lesion(job: Job) -> None:
    """Lesion 3 of the old map is another number of the new one: found by its hottest voxel, and said so."""
    run_case(job)
    assert labels_of(job.folder)[HOT] == 3
    edit(job, exclude=(("41", 3),))
    image = read_image(job.map_file.path)
    image.array[:12, :14, 19:] = 0  # the warm part beside it is gone
    write_image(job.map_file.path, image)
    with pytest.raises(TmtvError, match="--overwrite"):
        run_case(job)
    moved = run_case(replace(job, overwrite=True))
    now = labels_of(job.folder)
    assert now[HOT] != 3
    assert any(f"41:3 was excluded: it is lesion {now[HOT]} now" in text for text in moved["warnings"])
    np.testing.assert_array_equal(labels_of(final_folder(job.folder)), np.where(now == now[HOT], 0, now))


@pytest.mark.parametrize("change", ["merged", "gone", "other PET", "other grid"])
def test_an_edit_that_may_mean_another_lesion_is_refused(job: Job, change: str) -> None:
    run_case(job)
    edit(job, exclude=(("raw", 2) if change == "merged" else ("41", 3),))
    log = (job.folder / "edits.json").read_bytes()
    probability, suv = images()
    geometry = GRID
    if change == "merged":  # the small lesion now is one with all the cold body around it
        probability[:8, 14:, 30:] = 0.9
    elif change == "gone":
        probability[:, :, :20] = 0
    elif change == "other PET":
        suv *= np.float32(1.1)
    else:
        geometry = replace(GRID, origin_mm=(-50.0, -36.0, 400.0))
    write_image(job.map_file.path, Image(probability, geometry))
    write_image(job.suv_path, Image(suv, geometry))
    with pytest.raises(
        TmtvError, match="another PET" if change.startswith("other") else "surely the same"
    ) as told:
        run_case(replace(job, overwrite=True))
    assert "--clear-edits" in str(told.value)
    assert (job.folder / "edits.json").read_bytes() == log
    assert not (job.folder / "tmtv.json").exists()  # no number of the old map, or PET, is left
    assert edit(job, clear=True)["edits"] == 0


def test_the_same_pet_stored_otherwise_is_the_same_pet(job: Job) -> None:
    first = edit(job, exclude=(("41", 1),))
    image = read_image(job.suv_path)
    nii = job.suv_path.with_suffix("")
    write_image(nii, image)
    again = run_case(replace(job, suv_path=nii, overwrite=True))
    assert again["final"] == first["final"]
    assert not again["warnings"]


def test_a_region_file_that_was_changed_is_refused(job: Job, tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:, :, :10] = 1
    write_image(tmp_path / "bladder.nii.gz", Image(mask, GRID))
    edit(job, exclude_mask=tmp_path / "bladder.nii.gz")
    [stored] = (job.folder / "edits").iterdir()
    good = stored.read_bytes()
    mask[0] = 1
    write_image(stored, Image(mask, GRID))
    with pytest.raises(TmtvError, match="not the region"):
        run_case(replace(job, methods=("2.5",)))
    stored.unlink()
    with pytest.raises(TmtvError, match="no such file"):
        run_case(replace(job, methods=("2.5",)))
    stored.write_bytes(good)
    assert run_case(replace(job, methods=("2.5",)))["edits"] == 1
