"""Which files of two folders make a cohort, and what each case is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from petct.errors import TmtvError
from petct.ids import check_distinct
from petct.image import SUFFIXES as IMAGE_SUFFIXES

# In a folder, a pair of files (.hdr and .img) counts once: by its header.
SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".img", ".img.gz"))
DICOM_SUFFIX, ARRAY_SUFFIX = ".dcm", ".npz"
MAP_STEMS = ("probability",)
MASK_STEMS = ("mask", "rois", "seg", "rtstruct")
# What this software writes beside what counts: the readers' ROIs of a case, the other form of an export.
BESIDE = {"rois": "mask", "rtstruct": "seg"}
SUV_STEM = "pet"
# Files that this software writes into the folder of a case: the case is called like the folder.
OWN_NAMES = re.compile(
    r"probability|mask|rois(_\d+)?|seg|rtstruct|tmtvprob|(reference|lesions)_.+", re.IGNORECASE
)
# nnU-Net's first channel.
CHANNEL = "_0000"
SECOND_CHANNEL = "_0001"


def case_id_of(path: Path) -> str:
    """What a case is called: its folder or its file.

    The folder, where the map is called `probability`, `mask`, `rois` or as this software's other files; else the
    file, without suffix and without nnU-Net's `_0000`.

    Examples
    --------
    >>> case_id_of(Path("maps/P1/probability.nii.gz")), case_id_of(Path("flat/case_001_0000.nii.gz"))
    ('P1', 'case_001')
    """
    stem, _ = _split(path)
    return path.parent.resolve().name if OWN_NAMES.fullmatch(stem) else stem.removesuffix(CHANNEL)


def find_cases(maps: Path, suvs: Path, *, is_mask: bool = False) -> list[tuple[str, Path, Path]]:
    """`(case_id, map, PET)` of every case of a cohort, by name.

    Maps are `maps/<case_id>/probability.nii.gz` (masks: `mask`, else `rois`; or `seg.dcm`, else `rtstruct.dcm`) or
    flat, `maps/<case_id>.nii.gz`, with or without nnU-Net's `_0000`; every other format that `petct.read_image`
    reads, for maps `.npz` and for masks `.dcm` will do. Where nnU-Net wrote `.npz` and its own mask side by side, the
    map is the `.npz`. The PET is `suvs/<case_id>/pet.nii.gz`, `suvs/<case_id>.nii.gz`, `suvs/<case_id>_0000.nii.gz`,
    or the DICOM files below `suvs/<case_id>/`. One that is missing is named by the path it should have, and fails
    when the case is run.

    Raises
    ------
    TmtvError
        No case; two maps or PETs of one case; a second channel beside `_0000`; a folder of one case.
    """
    stems = MASK_STEMS if is_mask else MAP_STEMS
    suffixes = (*SUFFIXES, DICOM_SUFFIX if is_mask else ARRAY_SUFFIX)
    if not suvs.is_dir():
        raise TmtvError(f"{suvs}: --suv must be a folder of case folders, as {maps} is.")
    if one := _named(maps, (*stems, SUV_STEM), suffixes):
        raise TmtvError(
            f"{maps}: the folder of one case (it holds {one[0].name}); give the file of its map or mask."
        )
    found: dict[str, list[Path]] = {}
    for path in sorted(maps.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if inside := _named(path, stems, suffixes):
                found.setdefault(path.name, []).extend(inside)
        elif _split(path)[1] in suffixes:
            found.setdefault(case_id_of(path), []).append(path)
    if not found:
        raise TmtvError(
            f"{maps}: no case found; expected {maps}/<case_id>/{stems[0]}.nii.gz or <case_id>.nii.gz."
        )
    check_distinct(found, str(maps))
    return [
        (case_id, _one_map(case_id, paths), find_pet(suvs, case_id))
        for case_id, paths in sorted(found.items())
    ]


def find_pet(suvs: Path, case_id: str) -> Path:
    """The PET of a case; see `find_cases`."""
    folder = suvs / case_id
    found = [
        path
        for suffix in SUFFIXES
        for name in (case_id, case_id + CHANNEL)
        if (path := suvs / f"{name}{suffix}").is_file()
    ]
    if images := _named(folder, (SUV_STEM,), SUFFIXES):
        found += images
    elif folder.is_dir() and any(map(_may_be_dicom, folder.iterdir())):
        found.append(folder)
    if len(found) > 1:
        raise TmtvError(f"{suvs}: several PET of case {case_id}: {', '.join(path.name for path in found)}.")
    if found and _split(found[0])[0].endswith(CHANNEL):
        second = found[0].with_name(case_id + SECOND_CHANNEL + _split(found[0])[1])
        if second.is_file():
            raise TmtvError(
                f"{found[0]}: {second.name} lies beside it; which of them is the PET cannot be told. Give the PET as "
                f"{folder / 'pet.nii.gz'}."
            )
    return found[0] if found else folder / "pet.nii.gz"


def cases_without_map(found: Sequence[tuple[str, Path, Path]], suvs: Path) -> list[str]:
    """The cases of `suvs` that have a SUV image but are not among those that `find_cases` found."""
    known, maps = {case_id for case_id, _, _ in found}, {path for _, path, _ in found}
    names = set()
    for path in suvs.iterdir():
        if path.name.startswith(".") or path in maps:
            continue
        if path.is_dir():
            names |= {path.name} if _named(path, (SUV_STEM,), SUFFIXES) else set()
        elif _split(path)[1] in SUFFIXES:
            names.add(case_id_of(path))
    return sorted(names - known)


def _one_map(case_id: str, paths: Sequence[Path]) -> Path:
    arrays = [path for path in paths if _split(path)[1] == ARRAY_SUFFIX]
    flat = len({path.parent for path in paths}) == 1 and _split(paths[0])[0] not in MAP_STEMS
    if len(paths) == 1 or (len(arrays) == 1 and len(paths) == 2 and flat):
        return (arrays or list(paths))[0]
    names = " and ".join(map(str, paths))
    raise TmtvError(f"{paths[0]}: there are {len(paths)} maps or masks of case {case_id}: {names}.")


def _named(folder: Path, stems: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """The files of a folder that are called like one of the stems, without those that stand beside another one."""
    names = [folder / f"{stem}{suffix}" for stem in stems for suffix in suffixes]
    found = {path: _split(path)[0] for path in names if path.is_file()}
    return [path for path, stem in found.items() if BESIDE.get(stem) not in found.values()]


def _may_be_dicom(path: Path) -> bool:
    """A folder, or a file with the suffix of no image, table or description."""
    other = (*IMAGE_SUFFIXES, ARRAY_SUFFIX, ".json", ".csv", ".txt")
    return path.is_dir() or not path.name.lower().endswith(other)


def _split(path: Path) -> tuple[str, str]:
    """Name and suffix (lower case) of a file; a suffix that is not known is no suffix."""
    known = (*IMAGE_SUFFIXES, DICOM_SUFFIX, ARRAY_SUFFIX)
    suffix = next((suffix for suffix in known if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)], suffix
