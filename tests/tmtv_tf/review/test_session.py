"""One open case: what is on disk after each edit, and that the command line replays it to the same bytes."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_files import (
    GRID,
    HOT,
    METHODS,
    MISSED,
    SMALL,
    contents,
    job_of,
    world,
)
from session_files import ask, label_at, labels, opened

from petct.errors import TmtvError
from petct.image import Image, read_image, write_image
from postprocess.case import run_case
from postprocess.edits import as_json, read_log
from postprocess.inputs import MapFile
from postprocess.requests import Request
from postprocess.review import final_folder
from tmtv_tf.review.session import Conflict, Session
from tmtv_tf.review.shown import state_of

EVERY_KIND: list[tuple[str, dict[str, Any]]] = [
    ("41", {"kind": "exclude_lesion", "label": 1}),
    ("41", {"kind": "restore_lesion", "label": 1}),
    ("41", {"kind": "add_point", "point_mm": world(MISSED)}),
    ("2.5", {"kind": "split_lesion", "label": 1}),
    ("41", {"kind": "merge_lesions", "labels": [1, 2]}),
    (
        "41",
        {"kind": "brush", "add": True, "radius_mm": 5.0, "points_mm": [world((0, 2, 2)), world((0, 2, 9))]},
    ),
    ("41", {"kind": "brush", "add": False, "plane": "axial", "radius_mm": 4.0, "points_mm": [world(HOT)]}),
    ("41", {"kind": "exclude_region", "box_mm": {"lo": world((0, 15, 45)), "hi": world((8, 23, 50))}}),
    ("41", {"kind": "exclude_region", "angle": 40, "polygon": [[0, 0], [12, 0], [12, 12], [0, 12]]}),
    ("41", {"kind": "undo"}),
    ("41", {"kind": "redo"}),
    ("41", {"kind": "exclude_lesion", "label": 4}),  # the one that was added
]


@pytest.mark.parametrize("count", range(1, len(EVERY_KIND) + 1))
def test_the_command_line_replays_every_kind_to_the_same_bytes(tmp_path: Path, count: int) -> None:
    """`tmtv-postprocess` with the page's edits.json, on the same inputs, writes what the page wrote."""
    session = opened(tmp_path)
    for method, edit in EVERY_KIND[:count]:
        ask(session, method, **edit)
    if count % 2:
        session.sign(len(session.log.entries))
    session.close()
    page = contents(tmp_path / "results" / "p")
    other = job_of(tmp_path, out=tmp_path / "replayed")
    other.folder.mkdir(parents=True)
    shutil.copy(tmp_path / "results" / "p" / "edits.json", other.folder)
    if (tmp_path / "results" / "p" / "edits").is_dir():
        shutil.copytree(tmp_path / "results" / "p" / "edits", other.folder / "edits")
    run_case(other)
    assert contents(other.folder) == page


def test_excluding_is_what_the_command_line_does(tmp_path: Path) -> None:
    session = opened(tmp_path)
    state = ask(session, kind="exclude_lesion", label=2)
    answer = run_case(
        replace(job_of(tmp_path, out=tmp_path / "cli"), request=Request(exclude=(("41", 2),), reader="anna"))
    )
    for method in METHODS:
        for key, value in state["totals"][method]["final"].items():
            assert value == answer["final"][method][key]
    assert [lesion["label"] for lesion in state["excluded"]] == [2]
    assert state["totals"]["41"]["automatic"]["tmtv_ml"] == answer["methods"]["41"]["tmtv_ml"]


def test_every_edit_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    session = opened(tmp_path)
    for n, (method, edit) in enumerate(EVERY_KIND, 1):
        ask(session, method, **edit)
        log = read_log(session.case.folder)
        assert len(log.entries) == n
        assert log.entries[-1].by == "anna"
    assert not (session.case.folder / "review").exists()  # a version is for the end, not for each click


# Undo


@given(
    st.lists(
        st.one_of(st.sampled_from(EVERY_KIND[:9]), st.just(("41", {"kind": "undo"}))),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_undo_and_redo_restore_every_state_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, dict[str, Any]]]
) -> None:
    """Go through edits, back to the beginning, forth to the end: image, table and numbers are those seen before.

    And a server that is started anew on the same log shows the same.
    """

    def picture() -> tuple[bytes, str]:
        shown = [state_of(session, method) for method in METHODS]
        for state in shown:
            for key in ("revision", "can_undo", "can_redo", "status"):
                del state[key]
        return b"".join(labels(session, m).tobytes() for m in METHODS), json.dumps(shown)

    root = tmp_path_factory.mktemp("undo")
    session = opened(root)
    seen, at = [picture()], 0
    for method, edit in steps:
        try:
            ask(session, method, **edit)
        except TmtvError:  # nothing to do: no lesion of that number, nothing to undo
            continue
        if edit["kind"] == "undo":
            at -= 1
        else:
            seen, at = [*seen[: at + 1], picture()], at + 1
        assert picture() == seen[at]
    for before in seen[:at][::-1]:
        ask(session, kind="undo")
        assert picture() == before
    with pytest.raises(TmtvError, match="nothing to undo"):
        ask(session, kind="undo")
    for after in seen[1:]:
        ask(session, kind="redo")
        assert picture() == after
    with pytest.raises(TmtvError, match="nothing to redo"):
        ask(session, kind="redo")
    session = Session(session.case, session.folders, "ben")
    assert picture() == seen[-1]


def test_undo_goes_on_without_end(tmp_path: Path) -> None:
    """More edits than snapshots are kept."""
    session = opened(tmp_path)
    first = labels(session)
    for n in range(40):
        ask(session, kind="brush", add=True, radius_mm=0.1, points_mm=[world((0, 0, n))])
    assert np.count_nonzero(labels(session)) == np.count_nonzero(first) + 40
    for _ in range(40):
        ask(session, kind="undo")
    np.testing.assert_array_equal(labels(session), first)


def test_clear_is_undone_like_an_edit(tmp_path: Path) -> None:
    session = opened(tmp_path)
    ask(session, kind="exclude_lesion", label=1)
    edited = labels(session)
    assert ask(session, kind="clear")["excluded"] == []
    ask(session, kind="undo")
    np.testing.assert_array_equal(labels(session), edited)


# What the page sees


def test_what_changed_is_all_that_changed(tmp_path: Path) -> None:
    import base64

    session = opened(tmp_path)
    for method, edit in EVERY_KIND:
        before = labels(session, method)
        box = session.edit(len(session.log.entries), method, edit)["changed_box"]
        after = before.copy()
        if box is not None:
            part = np.zeros([b - a for a, b in zip(box["lo"], box["hi"])], np.int32)
            for start, count, label in np.frombuffer(base64.b64decode(box["runs"]), "<u4").reshape(-1, 3):
                assert start % part.shape[2] + count <= part.shape[2]  # no run goes on in the next line
                part.reshape(-1)[start : start + count] = label
            after[tuple(slice(a, b) for a, b in zip(box["lo"], box["hi"]))] = part
        np.testing.assert_array_equal(after, labels(session, method))


def test_an_edit_that_was_previewed_is_the_one_of_a_page_that_did_not_ask(tmp_path: Path) -> None:
    """The preview keeps what it found; the log and the lesions are the same without it, and no older click is taken."""
    looked, straight = opened(tmp_path / "looked"), opened(tmp_path / "straight")
    for session in (looked, straight):
        for method, edit in EVERY_KIND:
            if session is looked and edit["kind"] not in ("undo", "redo"):
                session.preview(len(session.log.entries), "raw", {"kind": "exclude_lesion", "label": 1})
                session.preview(len(session.log.entries), method, edit)
            ask(session, method, **edit)
    logs = [as_json(session.log.entries) for session in (looked, straight)]
    for log in logs:
        for entry in log:
            del entry["time"]
    assert logs[0] == logs[1]
    np.testing.assert_array_equal(labels(looked), labels(straight))


def test_where_a_lesion_comes_from_is_said(tmp_path: Path) -> None:
    session = opened(tmp_path)
    ask(session, kind="add_point", point_mm=world(MISSED))
    hot, added = label_at(session, HOT), label_at(session, MISSED)
    state = ask(session, kind="brush", add=True, radius_mm=14.0, points_mm=[world(HOT)])
    origin = {lesion["label"]: lesion["origin"] for lesion in state["lesions"]}
    assert origin[added] == "added"
    assert origin[hot] == "changed"
    assert origin[label_at(session, SMALL)] == "automatic"


# Signing


def test_a_later_change_reopens_a_signed_case(tmp_path: Path) -> None:
    session = opened(tmp_path)
    ask(session, kind="exclude_lesion", label=1)
    session.sign(1)
    assert state_of(session)["status"] == "signed"
    assert state_of(session)["signed"]["by"] == "anna"
    version = final_folder(session.case.folder)
    assert json.loads((version / "review.json").read_text())["signed"] is True
    session.sign(2)  # again: nothing new
    assert len(session.log.entries) == 2
    state = ask(session, kind="exclude_lesion", label=2)
    assert (state["status"], state["signed"]) == ("reopened", None)
    session.close()
    assert final_folder(session.case.folder).name == "2"
    assert json.loads((version / "review.json").read_text())["signed"] is True  # what was signed stays


def test_a_signature_does_not_hold_for_other_numbers(tmp_path: Path) -> None:
    """The map is made anew: the signature was under another TMTV, and says so."""
    session = opened(tmp_path)
    session.sign(0)
    job = job_of(tmp_path)
    image = read_image(job.map_file.path)
    image.array[:9, 14:, 40:] = 0
    write_image(job.map_file.path, image)
    answer = run_case(replace(job, overwrite=True))
    assert any("the signature does not hold" in text for text in answer["final"] and _warnings(job.folder))
    review = json.loads((job.folder / "review" / "2" / "review.json").read_text())
    assert review["signed"] is False
    assert session.is_stale
    fresh = Session(session.case, session.folders, "anna")
    assert state_of(fresh)["status"] == "reopened"


def _warnings(folder: Path) -> list[str]:
    return json.loads((folder / "review" / "2" / "tmtv.json").read_text())["warnings"]


# What else may happen


def test_who_has_not_seen_the_state_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """Two windows; and `tmtv-postprocess` beside the page."""
    session = opened(tmp_path)
    ask(session, kind="exclude_lesion", label=1)
    before = contents(tmp_path)
    for revision in (0, 2, None, "1", True, 1.0):
        with pytest.raises(Conflict):
            session.edit(revision, "41", {"kind": "exclude_lesion", "label": 2})
    assert contents(tmp_path) == before
    run_case(replace(job_of(tmp_path), request=Request(exclude=(("41", 2),))))
    with pytest.raises(Conflict):
        session.edit(1, "41", {"kind": "exclude_lesion", "label": 3})
    assert [lesion["label"] for lesion in state_of(session)["excluded"]] == [1, 2]
    assert state_of(session)["revision"] == 2


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"kind": "exclude_lesion", "label": 99}, "no lesion 99 under 41 any more"),
        ({"kind": "restore_lesion", "label": 99}, "no such lesion in the automatic result"),
        ({"kind": "restore_lesion", "label": 1}, "changes nothing"),
        ({"kind": "exclude_lesion", "label": 0}, "greater than or equal to 1"),
        ({"kind": "exclude_lesion", "label": True}, "valid integer"),
        ({"kind": "exclude_lesion", "label": 1, "more": 2}, "Extra inputs"),
        ({"kind": "burn"}, "no edit"),
        ({}, "no edit"),
        (None, "no edit"),
        ({"kind": "add_point", "point_mm": [9e3, 0, 0]}, "outside the PET"),
        ({"kind": "add_point", "point_mm": [float("nan"), 0, 0]}, "finite"),
        ({"kind": "add_point", "point_mm": world(HOT)}, "lesion already"),
        ({"kind": "merge_lesions", "labels": [1, 1]}, "two lesions"),
        ({"kind": "split_lesion", "label": 2}, "no two peaks"),
        ({"kind": "exclude_region", "angle": 41, "polygon": [[0, 0], [1, 0], [1, 1]]}, "every 10 degrees"),
        ({"kind": "exclude_region", "angle": 40, "polygon": [[0, 0], [1, 0]]}, "at least 3"),
        ({"kind": "exclude_region", "angle": 40}, "a polygon"),
        ({"kind": "exclude_region", "box_mm": {"lo": [5e3] * 3, "hi": [6e3] * 3}}, "nothing in this region"),
        ({"kind": "brush", "add": True, "radius_mm": 0, "points_mm": [[0, 0, 0]]}, "greater than 0"),
        ({"kind": "brush", "add": True, "radius_mm": 3.0, "points_mm": []}, "at least 1"),
        (
            {"kind": "brush", "add": False, "radius_mm": 1.0, "points_mm": [world((0, 0, 0))]},
            "changes nothing",
        ),
        (
            {
                "kind": "brush",
                "add": True,
                "plane": "axial",
                "radius_mm": 3.0,
                "points_mm": [world((0, 0, 0)), world((9, 0, 0))],
            },
            "one slice",
        ),
    ],
)
def test_an_edit_that_cannot_be_done_is_one_sentence(tmp_path: Path, edit: Any, says: str) -> None:
    session = opened(tmp_path)
    before = contents(session.case.folder)
    with pytest.raises(TmtvError, match=says):
        session.edit(0, "41", edit)
    assert contents(session.case.folder) == before


def header_of(*size: int) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(size)
    header.set_qform(np.eye(4), code="scanner")
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pet", "not the PET that the result was made from"),
        ("grid", "another grid than its PET"),
        ("mask", "do not belong together"),
        ("no raw", "needs the result of the method raw"),
        ("no pet", "the PET is not beside the result"),
        ("no end", "1000 million voxels; the review page shows up to 200 million"),
        ("old mask", "older version"),
    ],
)
def test_images_of_another_result_are_refused(tmp_path: Path, change: str, says: str) -> None:
    session = opened(tmp_path)
    folder, pet = session.case.automatic, tmp_path / "cases" / "p" / "pet.nii.gz"
    raw = folder / "lesions_raw.nii.gz"
    if change == "pet":
        image = read_image(pet)
        image.array[0] += 1
        write_image(pet, image)
    elif change == "grid":
        image = read_image(raw)
        write_image(raw, Image(image.array, replace(GRID, origin_mm=(0.0, 0.0, 0.0))))
    elif change == "mask":
        image = read_image(raw)
        image.array[SMALL] = 0
        write_image(raw, image)
    elif change == "no raw":
        raw.unlink()
    elif change == "no pet":
        pet.unlink()
    elif change == "no end":
        pet.write_bytes(gzip.compress(header_of(1000, 1000, 1000)))  # 2 GB; refused before they are read
    else:
        result = json.loads((folder / "tmtv.json").read_text())
        result["inputs"]["mask"] = result["inputs"].pop("probability")
        del result["instances"]
        (folder / "tmtv.json").write_text(json.dumps(result))
    fresh = Session(session.case, session.folders, "anna")
    with pytest.raises(TmtvError, match=says):
        state_of(fresh)


def test_a_mask_of_regions_is_edited_as_the_command_line_does(tmp_path: Path) -> None:
    """Each label is one lesion; the page knows so from tmtv.json."""
    job = job_of(tmp_path)
    regions = np.zeros(GRID.shape, np.uint8)
    regions[8:13, 6:11, 9:16], regions[8:13, 6:11, 23:31] = 5, 2
    path = tmp_path / "cases" / "p" / "rois.nii.gz"
    write_image(path, Image(regions, GRID))
    job = replace(job, map_file=MapFile(path, is_mask=True))
    run_case(job)
    from tmtv_tf.review.cases import Review
    from tmtv_tf.review.worklist import Folders

    session = Review(Folders(tmp_path / "results", tmp_path / "cases"), "anna").session("p")
    assert session is not None
    ask(session, kind="merge_lesions", labels=[2, 5])
    ask(session, kind="add_point", point_mm=world(MISSED))
    session.close()
    page = contents(job.folder / "review")
    shutil.rmtree(job.folder / "review")
    run_case(job)
    assert contents(job.folder / "review") == page


def test_a_file_stored_upside_down_shows_the_same_patient(tmp_path: Path) -> None:
    """Feet first and turned: the state has the same positions, the version the axes of the file."""
    job = job_of(tmp_path)
    plain = opened(tmp_path)
    expected = state_of(plain)["lesions"]
    turned = replace(
        GRID,
        shape=(60, 24, 20),
        spacing_mm=(2.0, 3.0, 4.0),
        origin_mm=tuple(world((19, 0, 59))),
        direction=(0.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0),
    )
    other = tmp_path / "turned"
    for name in ("probability", "pet"):
        image = read_image(tmp_path / "cases" / "p" / f"{name}.nii.gz")
        array = np.ascontiguousarray(image.array.transpose(2, 1, 0)[::-1, :, ::-1])
        write_image(other / "cases" / "p" / f"{name}.nii.gz", Image(array, turned))
    assert turned.to_world((0, 0, 0))[0].tolist() == world((19, 0, 59))
    session = opened(other)
    found = state_of(session)["lesions"]
    for a, b in zip(expected, found, strict=True):
        assert a["label"] == b["label"]
        assert a["centroid_mm"] == pytest.approx(b["centroid_mm"], abs=1e-3)
    ask(session, kind="exclude_lesion", label=1)
    session.close()
    assert read_image(final_folder(other / "results" / "p") / "lesions_41.nii.gz").geometry.same_grid(turned)
    assert job.folder.is_dir()
