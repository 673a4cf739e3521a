"""Which files make a cohort: nested or flat, and no two of one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from petct.errors import CaseError, TmtvError
from petct.image import SUFFIXES
from postprocess.find import case_id_of, cases_without_map, find_cases


def touch(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("path", "case_id"),
    [
        ("P1/probability.nii.gz", "P1"),
        ("P1/mask.nrrd", "P1"),
        ("P1/rois.nii.gz", "P1"),
        ("P1/Mask.NII.GZ", "P1"),
        ("P1/lesions_41.nii.gz", "P1"),
        ("P1/reference_outlines.nii.gz", "P1"),
        ("P1/seg.dcm", "P1"),
        ("flat/case_001.nii.gz", "case_001"),
        ("flat/case_001_0000.nii.gz", "case_001"),
        ("flat/case.v2.nii", "case.v2"),
        ("flat/case_001.npz", "case_001"),
        ("flat/maskfish.mha", "maskfish"),
        *((f"flat/case_001{suffix}", "case_001") for suffix in SUFFIXES),
        *((f"P1/probability{suffix}", "P1") for suffix in SUFFIXES),
    ],
)
def test_what_a_case_is_called(tmp_path: Path, path: str, case_id: str) -> None:
    """Two files of a flat folder were both case "flat" (issue 12, item 3)."""
    assert case_id_of(tmp_path / path) == case_id


def test_nested_flat_and_nnunet_cohorts(tmp_path: Path) -> None:
    maps = touch(
        tmp_path / "m",
        "a/probability.nii.gz",
        "b.nii.gz",
        "c_0000.nii.gz",
        "d.npz",
        "d.nii.gz",
        "d.pkl",
        "dataset.json",
    )
    suvs = touch(
        tmp_path / "s", "a/pet.nii.gz", "b/pet.mha", "c_0000.nii.gz", "d/PT/slice_1", "e/pet.nii", "f.nii.gz"
    )
    found = {
        case_id: (path.name, str(suv.relative_to(suvs))) for case_id, path, suv in find_cases(maps, suvs)
    }
    assert found == {
        "a": ("probability.nii.gz", "a/pet.nii.gz"),
        "b": ("b.nii.gz", "b/pet.mha"),
        "c": ("c_0000.nii.gz", "c_0000.nii.gz"),
        "d": ("d.npz", "d"),
    }
    assert cases_without_map(find_cases(maps, suvs), suvs) == ["e", "f"]
    masks = find_cases(maps, suvs, is_mask=True)
    assert [(case_id, path.name) for case_id, path, _ in masks] == [
        ("b", "b.nii.gz"),
        ("c", "c_0000.nii.gz"),
        ("d", "d.nii.gz"),
    ]


@pytest.mark.parametrize(
    "files", [(".nhdr", ".raw"), (".hdr", ".img"), (".hdr.gz", ".img.gz"), (".mhd", ".zraw"), (".MHA",)]
)
def test_every_format_that_is_read_makes_a_cohort(tmp_path: Path, files: tuple[str, ...]) -> None:
    """A `.nhdr` or a pair of `.hdr` and `.img` was called `case.nhdr`, and was no case of a cohort."""
    maps = touch(tmp_path / "m", *(f"a{suffix}" for suffix in files))
    suvs = touch(
        tmp_path / "s", *(f"a/pet{suffix.lower()}" for suffix in files), "b/pet.nhdr", "c.hdr", "c.img"
    )
    found = find_cases(maps, suvs)
    assert [(case_id, path.name, pet.name) for case_id, path, pet in found] == [
        ("a", f"a{files[0]}", f"pet{files[0].lower()}")
    ]
    assert cases_without_map(found, suvs) == ["b", "c"]


def test_masks_of_case_folders(tmp_path: Path) -> None:
    """Of a prepared case the mask that was put there counts, of an export the SEG."""
    maps = touch(tmp_path, "a/rois.nii.gz", "a/mask.nii.gz", "b/rois.nii.gz", "b/rois_2.nii.gz", "c/seg.dcm")
    touch(tmp_path, "c/rtstruct.dcm", "d/rtstruct.dcm")
    found = find_cases(maps, maps, is_mask=True)
    assert [path.name for _, path, _ in found] == ["mask.nii.gz", "rois.nii.gz", "seg.dcm", "rtstruct.dcm"]
    assert found[0][2] == tmp_path / "a" / "pet.nii.gz"  # not there: named when the case is run


@pytest.mark.parametrize(
    "names", [("mask.nii.gz", "mask.nii"), ("mask.nii.gz", "seg.dcm"), ("rois.nii.gz", "seg.dcm")]
)
def test_two_masks_in_one_case_folder_are_both_named(tmp_path: Path, names: tuple[str, str]) -> None:
    maps = touch(tmp_path / "m", *(f"a/{name}" for name in names))
    with pytest.raises(TmtvError, match="2 maps or masks of case a") as caught:
        find_cases(maps, touch(tmp_path / "s"), is_mask=True)
    assert all(str(maps / "a" / name) in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("maps", "suvs", "says"),
    [
        (("a.nii.gz", "a_0000.nii.gz"), (), "2 maps or masks of case a"),
        (("a.nii.gz", "a.nii"), (), "2 maps or masks of case a"),
        (("a.nii.gz", "a/probability.nii.gz"), (), "2 maps or masks of case a"),
        (("a/probability.nii.gz", "a/probability.npz"), (), "2 maps or masks of case a"),
        (("a.nii.gz",), ("a.nii.gz", "a/pet.nii.gz"), "several PET of case a"),
        (("a.nii.gz",), ("a/pet.nii.gz", "a/pet.nii"), "several PET of case a: pet.nii.gz, pet.nii"),
        (("a.nii.gz",), ("a_0000.nii.gz", "a_0001.nii.gz"), "which of them is the PET"),
        (("probability.nii.gz",), (), "the folder of one case"),
        (("pet.nii.gz", "ct.nii.gz"), (), "the folder of one case"),
        (("notes.txt", ".a.nii.gz"), (), "no case found"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path: Path, maps: tuple, suvs: tuple, says: str) -> None:
    with pytest.raises(TmtvError, match=says):
        find_cases(touch(tmp_path / "m", *maps), touch(tmp_path / "s", *suvs))


def test_names_that_are_one_folder_on_many_disks(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="upper and lower case"):
        find_cases(touch(tmp_path / "m", "P1.nii.gz", "p1.nii"), touch(tmp_path / "s"))
