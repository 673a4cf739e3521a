"""One small cohort for all tests of the phantom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from phantom_cohort import CANVAS_MM, CASES, SEED, VOXEL_MM

import tmtv_tf.phantom.cohort
from petct.parallel import Outcome, attempt
from tmtv_tf.phantom.cohort import make_cohort


@pytest.fixture(scope="package", autouse=True)
def _coarse_canvas() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tmtv_tf.phantom.cohort, "CANVAS_MM", CANVAS_MM)
        patch.setattr(tmtv_tf.phantom.cohort, "run_cases", _run_here)
        yield


def _run_here(function, cases, **_) -> list[Outcome]:
    """One after the other in this process: workers of their own would not know of the coarse canvas."""
    return [attempt(case_id, function, arguments) for case_id, arguments in cases]


@pytest.fixture(scope="package")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms")
    outcomes = make_cohort(out, CASES, SEED, voxel_mm=VOXEL_MM)
    assert [outcome.error for outcome in outcomes] == [None] * CASES
    return out
