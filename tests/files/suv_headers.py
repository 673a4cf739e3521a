"""A PET header of round numbers: 70 kg, 350 MBq, one half-life of 6588 s, 70000 / 175e6 = 4e-4 g/Bq."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from petct.errors import SuvError
from petct.suv import Overrides, PetHeader, SliceTiming, suv_bw_factor
from petct.suv.times import mean_count_time_s

HALF_LIFE_S = 6588.0
REFERENCE = datetime(2024, 1, 31, 11, 49, 48)
INJECTION = REFERENCE - timedelta(seconds=HALF_LIFE_S)  # 10:00:00
FRAME_S = 120.0
TAVE_S = mean_count_time_s(FRAME_S, HALF_LIFE_S)
BEDS = tuple(
    SliceTiming(REFERENCE + timedelta(seconds=150 * bed), 150 * bed + TAVE_S, FRAME_S) for bed in range(3)
)


START = PetHeader(
    source="/pet",
    units="BQML",
    decay_correction="START",
    corrected_image=("ATTN", "DECY"),
    patient_weight=70,
    patient_size=1.75,
    patient_sex="M",
    radiopharmaceutical="FDG",
    nuclide="F-18",
    total_dose=350e6,
    half_life_s=HALF_LIFE_S,
    injection_datetime=INJECTION,
    series_datetime=REFERENCE,
    slices=BEDS,
)


SHIFTED = replace(START, injection_datetime=INJECTION - timedelta(days=400))


def factor(header: PetHeader, **overrides) -> float:
    value = suv_bw_factor(header, Overrides(**overrides)).single_factor
    assert value is not None
    return value


def refused(header: PetHeader, *words: str, **overrides) -> None:
    with pytest.raises(SuvError) as caught:
        suv_bw_factor(header, Overrides(**overrides))
    for word in ("/pet", *words):
        assert word in str(caught.value)
