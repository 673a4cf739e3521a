"""What the page calls saved survives a power loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from power import Disk
from review_files import HOT, MISSED, review_of, world

from postprocess.edits import EDITS_FILE
from tmtv_tf.review.session import Session

EDITS: list[dict[str, Any]] = [
    {"kind": "exclude_lesion", "label": 1},
    {"kind": "add_point", "point_mm": world(MISSED)},
    {"kind": "brush", "add": False, "plane": "axial", "radius_mm": 4.0, "points_mm": [world(HOT)]},
    {"kind": "undo"},
]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = review_of(tmp_path).session("p")
    assert made is not None
    return made


def test_an_edit_is_on_disk_when_the_page_hears_of_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = session.case.folder
    disk = Disk(folder, monkeypatch)
    for number, asked in enumerate(EDITS):
        session.edit(number, "41", asked)
        assert disk.keeps(folder / EDITS_FILE)
    drawn = list((folder / "edits").iterdir())
    assert drawn
    assert all(map(disk.keeps, drawn))


def test_what_was_signed_is_on_disk(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(session.case.folder, monkeypatch)
    session.edit(0, "41", EDITS[0])
    session.sign(1)
    assert disk.keeps(session.case.folder / EDITS_FILE)
    assert list((session.case.folder / "review" / "1").iterdir())
    assert disk.loses(session.case.folder / "review") == []
