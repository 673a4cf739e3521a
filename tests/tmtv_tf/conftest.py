from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def small_model_file(tmp_path: Path) -> Path:
    """The network of `predict_files`, saved."""
    from predict_files import network

    from tmtv_tf.input.grid import ModelGrid
    from tmtv_tf.models.file import save_model

    save_model(tmp_path / "m.keras", network(), ModelGrid((16, 16, 16)), {"note": "test"})
    return tmp_path / "m.keras"
