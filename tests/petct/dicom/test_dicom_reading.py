"""Text that a header holds in an encoding it does not name."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import write_series

from petct.dicom.reading import read_dataset
from petct.suv import parse_pet_header


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b"DS\x02\x0070", b"DS\x02\x007x", "patient_weight"),
        (b"350000000", b"350,00000", "total_dose"),
        (b"20240131100000", b"20241331100000", "injection_datetime"),
        (b"20240131100000", b"2024013110    ", "injection_datetime"),
        (b"114948", b"254948", "series_datetime"),
        (b"6588", b"nan ", "half_life_s"),
    ],
)
def test_broken_text_is_named(tmp_path: Path, old: bytes, new: bytes, field: str) -> None:
    write_series(tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))
    h = parse_pet_header([read_dataset(path) for path in tmp_path.iterdir()], "/pet")
    assert "/pet" in h.unusable[field]
    assert getattr(h, field) is None
