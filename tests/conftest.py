"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real and reference images; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TMTV_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no reference images at {folder} (set TMTV_SHARED_DATA)")
    return folder
