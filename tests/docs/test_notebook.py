"""The notebook of the documentation runs from its first cell to its last, and shows what the committed one shows."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

nbformat = pytest.importorskip("nbformat", reason="pip install 'tmtv-tf[docs]'")
nbclient = pytest.importorskip("nbclient", reason="pip install 'tmtv-tf[docs]'")

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "first_steps.ipynb"


def shown(notebook) -> tuple[list[list[float]], list[np.ndarray]]:
    """The numbers of every printed output and table, and the pictures (rows, columns, RGB)."""
    numbers, pictures = [], []
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            png = io.BytesIO(base64.b64decode(data["image/png"]))
            pictures.append(np.asarray(Image.open(png).convert("RGB"), float))
        else:
            text = output.get("text") or data.get("text/plain", "")
            numbers.append([float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)])
    return numbers, pictures


def test_the_notebook_runs_and_shows_what_is_committed(tmp_path, monkeypatch):
    """The phantom of one seed is the same everywhere; other library versions may move a number in its last digit."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    committed = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        fresh, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    numbers, pictures = shown(fresh)
    before, pictures_before = shown(committed)
    assert [len(n) for n in numbers] == [len(n) for n in before]
    for new, old in zip(numbers, before, strict=True):
        np.testing.assert_allclose(new, old, rtol=0.02, atol=0.02)
    assert len(pictures) == len(pictures_before) == 2
    for new, old in zip(pictures, pictures_before, strict=True):
        assert new.shape == old.shape
        assert np.abs(new - old).mean() < 2
        assert (np.ptp(old, axis=2) > 60).any(), "no coloured outline"


def test_the_notebook_holds_nothing_but_the_phantom():
    """Small, and without a path or name of the machine that ran it."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert not re.search(r"/(?:home|root|work|tmp)/", text)
