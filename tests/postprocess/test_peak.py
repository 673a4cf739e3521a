"""SUVpeak beside its definition."""

from __future__ import annotations

import numpy as np
import pytest
import slow_reference as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess import lesion_table


@given(
    seed=st.integers(0, 10**6),
    spacing_mm=st.tuples(*[st.sampled_from([1.5, 3.0, 6.2035, 7.0])] * 3),
)
@settings(max_examples=20, deadline=None)
def test_suvpeak_equals_the_definition_at_and_near_the_border(seed: int, spacing_mm: tuple) -> None:
    rng = np.random.default_rng(seed)
    suv = rng.random(tuple(rng.integers(1, 7, 3))).astype(np.float32)
    labels = rng.integers(0, 3, suv.shape).astype(np.int32)
    for row in lesion_table(labels, suv, spacing_mm):
        voxels = [tuple(v) for v in np.argwhere(labels == row.label)]
        means = {v: slow.sphere_mean(v, suv, spacing_mm) for v in voxels}
        assert row.suv_peak == pytest.approx(max(means.values()), rel=1e-9)
        hottest = max(voxels, key=lambda v: suv[v])
        assert row.suv_peak_at_max == pytest.approx(means[hottest], rel=1e-9)
