from __future__ import annotations

import pytest
from dicom_files import write_series
from pydicom.dataset import Dataset
from roi_files import pet_datasets


@pytest.fixture(scope="module")
def pet(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The first slice of the series whose grid is `roi_series.GEOMETRY`."""
    return pet_datasets(write_series(tmp_path_factory.mktemp("pet"), "PT", 8))[0]
