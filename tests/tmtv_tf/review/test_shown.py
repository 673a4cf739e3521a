"""What the page is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from review_files import (
    GRID,
    HOT,
    MISSED,
    contents,
    images,
    world,
)
from session_files import ask, label_at, opened

from tmtv_tf.review.shown import sphere, state_of, value_at


def test_a_preview_says_what_the_edit_does_and_writes_nothing(tmp_path: Path) -> None:
    session = opened(tmp_path)
    before = contents(tmp_path)
    edit = {"kind": "add_point", "point_mm": world(MISSED)}
    told = session.preview(0, "41", edit)
    assert contents(tmp_path) == before
    old = state_of(session)["totals"]["41"]["final"]["tmtv_ml"]
    new = ask(session, **edit)["totals"]["41"]["final"]["tmtv_ml"]
    assert (told["tmtv_ml"], told["volume_ml"]) == (new, new - old)
    assert told["box"] is not None
    assert told["said"]


def test_values_and_spheres(tmp_path: Path) -> None:
    session = opened(tmp_path)
    suv = images()[1]
    x, y, z = world(HOT)
    found = value_at(session, "41", (x, y, z))
    assert found == {"suv": float(suv[HOT]), "hu": None, "label": label_at(session, HOT)}
    assert value_at(session, "41", (1e4, 0, 0)) == {"suv": None, "hu": None, "label": 0}
    place = np.argwhere(np.ones(GRID.shape, bool))
    inside = np.linalg.norm((place - HOT) * GRID.spacing_mm, axis=1) <= 9.0
    values = suv[tuple(place[inside].T)].astype(float)
    told = sphere(session, (x, y, z), 9.0)
    assert told["voxels"] == values.size
    assert told["suv_mean"] == pytest.approx(values.mean())
    assert told["suv_sd"] == pytest.approx(values.std())
    assert told["suv_max"] == values.max()
    assert told["volume_ml"] == pytest.approx(values.size * GRID.voxel_ml)


def test_a_result_without_edits_is_signed_as_it_is(tmp_path: Path) -> None:
    session = opened(tmp_path)
    session.sign(0)
    assert state_of(session)["status"] == "signed"
    review = json.loads((session.case.folder / "review" / "1" / "review.json").read_text())
    assert (review["signed"], review["edits"]) == (True, [])
    automatic, signed = (
        {name: data for name, data in contents(folder).items() if name.startswith("lesions_")}
        for folder in (session.case.folder, session.case.folder / "review" / "1")
    )
    automatic = {name: data for name, data in automatic.items() if "/" not in name}
    assert signed == automatic
