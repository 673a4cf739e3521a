"""Of the free text of a header, case.json holds our own words only."""

import pytest

from petct.suv.header import PetHeader
from petct.suv.patient import check_tracer
from tmtv_tf.cases.vocabulary import OTHER, TRACERS, VENDORS, vendor_of, with_known_tracer

NAMES = ("Meier", "Hinterwald", "1942")
# Radiopharmaceutical is LO (PS3.5 6.2): any sign but a backslash and control characters.
TRACER_TEXTS = [
    "FDG Frau Meier",
    "[18F]FDG, Meier *1942",
    "Ga-68 DOTATATE. Frau Meier; Hinterwald: 1942.",
    "missing Frau Meier",
    "missing, nuclide Meier: computed.",
    "Meier, nuclide F-18: computed, but not known to be F-18 FDG. Hinterwald 1942",
    "Meier",
    ".",
]


@pytest.mark.parametrize(
    ("manufacturer", "vendor"),
    [
        ("SIEMENS", "SIEMENS"),
        ("Siemens Healthineers AG (Klinikum Hinterwald)", "SIEMENS"),
        ("CPS", "SIEMENS"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("General Electric", "GE"),
        ("Philips/ADAC", "PHILIPS"),
        ("Toshiba_MEC", "CANON"),
        ("UIH", "UIH"),
        ("Meier and GEorge", OTHER),  # GE is a word, not a part of one
        ("Hinterwald", OTHER),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_maker_is_one_of_our_words(manufacturer: str, vendor: str) -> None:
    assert vendor_of(manufacturer) == vendor
    assert vendor in (*VENDORS, OTHER, "")


@pytest.mark.parametrize(
    ("tracer", "nuclide"), [*((text, "Ga-68") for text in TRACER_TEXTS), ("Meier", None)]
)
def test_nothing_of_a_tracers_text_is_left(tracer: str, nuclide: str | None) -> None:
    """The sentence is the one that the SUV rules write, not one made up here."""
    (warning,) = check_tracer(PetHeader("export", nuclide=nuclide, radiopharmaceutical=tracer))
    said = with_known_tracer(warning)
    assert not [name for name in NAMES if name in said]
    known = said.removeprefix("Radiopharmaceutical (0018,0031) is ").partition(",")[0]
    assert known in (*TRACERS, OTHER)
    assert said.endswith(f", nuclide {nuclide or 'not stated'}: computed, but not known to be F-18 FDG.")


@pytest.mark.parametrize(
    ("tracer", "word"),
    [("68Ga-DOTATOC", "DOTATOC"), ("F-18 [PSMA]", "PSMA"), ("18F-Fluoro-choline", "choline"), ("NaF", OTHER)],
)
def test_a_known_tracer_keeps_its_name(tracer: str, word: str) -> None:
    (warning,) = check_tracer(PetHeader("export", nuclide="Ga-68", radiopharmaceutical=tracer))
    assert with_known_tracer(warning) == warning.replace(tracer, word)


def test_our_own_missing_stays() -> None:
    (warning,) = check_tracer(PetHeader("export", nuclide="Ga-68"))
    assert "is missing, nuclide Ga-68" in with_known_tracer(warning) == warning


def test_other_sentences_stay() -> None:
    text = "SeriesTime (0008,0031) is 101500: one minute before the injection."
    assert with_known_tracer(text) == text
