"""Of several series the one to use. Truth: slices at 3 k mm, so n slices cover 3 (n - 1) mm."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import write_series

from petct.dicom.headers import Series, find_series
from petct.dicom.ranking import PET_ORDER, best, covered_mm, ct_order


def written(folder: Path, *slices: int, modality: str = "PT") -> list[Series]:
    for number, n in enumerate(slices):
        write_series(folder / str(number), modality, n, series=f"{modality}{number}")
    found = [s for s in find_series([folder])[0] if s.modality == modality]
    return sorted(found, key=lambda series: len(series.instances))


def test_how_much_of_the_pet_is_covered(tmp_path: Path) -> None:
    (pet,), (short, long) = written(tmp_path / "p", 8), written(tmp_path / "c", 3, 12, modality="CT")
    assert covered_mm(short, pet) == pytest.approx(6)
    assert covered_mm(long, pet) == pytest.approx(21)
    choice = best([short, long], ct_order(pet), "CT")
    assert choice.series is long
    assert choice.passed_over == {short.series_uid: "covers less of the PET (another CT is in use)"}
    assert choice.notes == ["2 CT series fit; left out: covers less of the PET."]


def test_ranges_within_five_per_cent_are_one_range(tmp_path: Path) -> None:
    """41 and 42 slices cover 120 and 123 mm: the next rules decide, here the lowest UID. 30 slices are out."""
    short, *equal = written(tmp_path, 30, 41, 42)
    choice = best([short, *equal], PET_ORDER, "PET")
    assert choice.series is min(equal, key=lambda series: series.series_uid)
    assert "--pet-uid chooses another" in choice.notes[-1]
    assert choice.passed_over[short.series_uid].startswith("covers less of the body")


def test_no_candidate_is_no_choice() -> None:
    assert best([], PET_ORDER, "PET") == (None, [], {})
