"""Images that are no SUV are refused."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ImageError
from petct.suv_values import check_suv_values


@pytest.mark.parametrize("highest", [273_860.0, 1000.5])
def test_a_pet_in_bqml_is_no_suv(highest: float) -> None:
    values = np.zeros((2, 3, 4), np.float32)
    values[1, 2, 3] = highest
    with pytest.raises(ImageError, match=f"pet.nii.gz: its maximum is {highest:g}, which no SUV is"):
        check_suv_values(values, "pet.nii.gz", computed=False)


def test_a_hot_injection_site_is_suv_where_this_software_made_it() -> None:
    """Half of the dose in 2 mL is SUV 17 500: legal in a voxel, not in a litre (no activity comes from nowhere)."""
    values = np.ones((10, 10, 10), np.float32)
    values[0, 0, :2] = 17_500
    assert len(check_suv_values(values, "pet", computed=True, voxel_ml=1.0)) == 1
    values[:] = 1001
    with pytest.raises(ImageError, match="1000 mL are above SUV 1000"):
        check_suv_values(values, "pet", computed=True, voxel_ml=1.0)
    values[:5] = values[5:7] = 1
    assert not check_suv_values(values, "pet", computed=True, voxel_ml=1.0)  # 300 mL exactly


@pytest.mark.parametrize(
    ("value", "says"), [(np.nan, "NaN"), (0, "is it a PET"), (-1000, "minimum is -1000")]
)
def test_other_images_that_are_no_suv(value: float, says: str) -> None:
    values = np.full((2, 3, 4), value, np.float32)
    values[0, 0, 0] = max(float(np.nan_to_num(value)), 0) or (5 if value < 0 else 0)
    with pytest.raises(ImageError, match=says):
        check_suv_values(values, "x", computed=False)


def test_an_image_as_negative_as_positive_is_refused() -> None:
    with pytest.raises(ImageError, match=r"PixelRepresentation \(0028,0103\)"):
        check_suv_values(np.array([[-10.0, 12.0]]), "/pet", computed=True)
    assert check_suv_values(np.array([[-1.0, 12.0]]), "/pet", computed=True) == []
