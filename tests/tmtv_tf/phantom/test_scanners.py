"""Headers as scanners write them."""

from __future__ import annotations

import pydicom
from phantom_cohort import CASES

from tmtv_tf.phantom.scanners import scanner_of


def first(folder, number: int, part: str) -> pydicom.Dataset:
    return pydicom.dcmread(min((folder / "dicom" / f"PHANTOM-{number:04d}" / part).glob("*.dcm")))


def test_the_headers_differ_as_scanners_do(phantoms):
    header = {scanner_of(n).name: first(phantoms, n, "PT") for n in range(1, CASES + 1)}
    assert {name: (d.Units, d.DecayCorrection) for name, d in header.items()} == {
        "siemens": ("BQML", "START"),
        "ge": ("BQML", "START"),
        "philips-suv-factor": ("CNTS", "START"),
        "gml": ("GML", "START"),
        "admin": ("BQML", "ADMIN"),
        "philips-activity-factor": ("CNTS", "START"),
    }
    assert header["ge"].private_block(0x0009, "GEMS_PETD_01")[0x0D].value[8:] != header["ge"].SeriesTime
    philips = "Philips PET Private Group"
    assert header["philips-suv-factor"].private_block(0x7053, philips)[0x00].value > 0
    assert header["philips-activity-factor"].private_block(0x7053, philips)[0x00].value == 0
    for dataset in header.values():
        assert str(dataset.PatientName).startswith("PHANTOM^")
        assert "Synthetic" in dataset.PatientComments
