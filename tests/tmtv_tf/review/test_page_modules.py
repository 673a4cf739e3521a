"""Modules of the page that need no browser, run by node on what the server answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from review_files import GRID, HOT, MISSED, review_of, world

import tmtv_tf.review

SOURCES = Path(tmtv_tf.review.__file__).parent / "page" / "src"
EDITS = [
    {"kind": "exclude_lesion", "label": 1},
    {"kind": "add_point", "point_mm": world(MISSED)},
    {"kind": "brush", "add": True, "radius_mm": 5.0, "points_mm": [world((0, 2, 2)), world((0, 2, 9))]},
    {"kind": "brush", "add": False, "radius_mm": 4.0, "points_mm": [world(HOT)]},
    {"kind": "exclude_region", "angle": 40, "polygon": [[0, 0], [12, 0], [12, 12], [0, 12]]},
    {"kind": "undo"},
    {"kind": "clear"},
]
UPDATED = """
import { boxLabels, Labels } from "SOURCES/labels.js";
const { dims, start, boxes } = JSON.parse(await new Promise((done) => {
  let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () => done(text));
}));
const corner = { spacing: [1, 1, 1], first: [0, 0, 0], start: [0, 0, 0] };
const labels = new Labels({ data: Uint16Array.from(start), dims, ...corner });
const states = boxes.map((box) => {
  labels.update(box);
  const part = boxLabels(box, labels.volume).volume.data;
  return { data: [...labels.volume.data], index: [...labels.index], part: [...part] };
});
console.log(JSON.stringify(states));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_changes_its_labels_as_the_server_did(tmp_path: Path) -> None:
    session = review_of(tmp_path).session("p")
    assert session is not None

    def labels() -> np.ndarray:
        return session.snapshot().methods["41"].lesions.paint()

    start, boxes, wanted = labels(), [], []
    for edit in EDITS:
        boxes.append(session.edit(len(session.log.entries), "41", edit)["changed_box"])
        wanted.append(labels())
    script = tmp_path / "updated.mjs"
    script.write_text(UPDATED.replace("SOURCES", SOURCES.as_uri()))
    asked = {"dims": GRID.shape[::-1], "start": start.ravel().tolist(), "boxes": boxes}
    answer = subprocess.run(
        ["node", script], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    for box, label, found in zip(boxes, wanted, json.loads(answer.stdout), strict=True):
        np.testing.assert_array_equal(found["data"], label.ravel())
        np.testing.assert_array_equal(np.sort(found["index"]), np.flatnonzero(label))
        place = tuple(slice(a, b) for a, b in zip(box["lo"], box["hi"]))
        np.testing.assert_array_equal(found["part"], label[place].ravel())
