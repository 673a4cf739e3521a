"""Reading a whole RTSTRUCT or SEG file, or refusing it."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.dicom.structure import refuse_bomb
from petct.dicom.values import tag_name
from petct.errors import RoiError

UNDEFINED_LENGTH = 0xFFFFFFFF


@quiet_pydicom()
def read_whole(path: Path, modality: str, required: tuple[str, ...]) -> Dataset:
    """Read a file of ROIs of one modality that holds the required sequences.

    pydicom reads a file that was cut short within a sequence of explicit length without a word, and gives back
    fewer contours; hence the lengths are checked.

    Raises
    ------
    RoiError
        Not DICOM, another modality, a required sequence is missing, or the file is cut short.
    """
    try:
        refuse_bomb(path)
        dataset = dcmread(path)
        elements = [dataset.get_item(tag) for tag in dataset.keys()]  # noqa: SIM118 - a Dataset iterates values
    except PYDICOM_ERRORS as error:
        raise RoiError(f"{path}: not readable as DICOM ({' '.join(str(error).split())[:200]}).") from error
    for element in elements:
        if isinstance(element, RawDataElement) and element.length != UNDEFINED_LENGTH:
            held = len(element.value or b"")
            if held != element.length:
                raise RoiError(
                    f"{path}: the file is cut short: {element.tag} has {held} of {element.length} bytes."
                )
    missing = [keyword for keyword in required if keyword not in dataset]
    if dataset.get("Modality") != modality or missing:
        raise RoiError(
            f"{path}: expected {modality} with {', '.join(map(tag_name, required))}; "
            f"Modality (0008,0060) is {dataset.get('Modality')!r}"
            + (f" and {tag_name(missing[0])} is missing." if missing else ".")
        )
    return dataset
