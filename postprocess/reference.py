"""The grid of an array that has none of its own (nnU-Net's `.npz`): that of the image the network saw."""

from __future__ import annotations

from pathlib import Path

from petct.errors import ImageError
from petct.image import Geometry, Image, read_image
from postprocess.suv_source import SuvSource, is_dicom


def reference_grid(path: Path, pet: Image, source: SuvSource) -> Geometry:
    """The grid of `--reference`.

    An image has its own. A folder has that of its only PET or CT series. A DICOM SEG or RTSTRUCT has that of the
    series it was drawn on, if that is the PET or CT of `--suv`; a SEG on another image has that of its own frames.

    Raises
    ------
    TmtvError
        Not readable; several series or none; an RTSTRUCT drawn on a series that is not there; a DICOM slice.
    """
    from petct.dicom.volume import sort_slices

    if path.is_dir():
        return sort_slices(reference_series(path)).geometry
    if not is_dicom(path):
        return read_image(path).geometry
    from pydicom import dcmread

    from petct.rois.lookup import describe_dicom
    from petct.rois.seg import seg_grid

    file = describe_dicom(path)
    if file is None:
        raise ImageError(f"{path}: one DICOM file, neither SEG nor RTSTRUCT; give the folder of its series.")
    for series in (source.pet, source.ct):
        if series is not None and series.series_uid in file.series:
            return sort_slices(series).geometry
    if source.series_uid and source.series_uid in file.series:
        return pet.geometry
    if dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality") == "SEG":
        return seg_grid(path, pet.geometry)
    raise ImageError(
        f"{path}: an RTSTRUCT has no grid, and the series it was drawn on is not in --suv. Give the image that the "
        "network saw."
    )


def reference_series(folder: Path):  # noqa: ANN201 - pydicom is imported lazily
    """The only PET or CT series of a folder.

    Raises
    ------
    ImageError
        None, or several.
    """
    from petct.dicom.headers import find_series

    found = [s for s in find_series(folder)[0] if s.modality in ("PT", "CT") and len(s.instances) > 1]
    if len(found) != 1:
        raise ImageError(
            f"{folder}: --reference needs a folder with one PET or CT series; found {len(found)}."
        )
    return found[0]
