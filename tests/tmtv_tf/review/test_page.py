"""The page of `tmtv review` in Debian's chromium, end to end: a real server, real DICOM, real clicks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from firefox import evaluate
from pydicom import dcmread
from review_browser import Reader, largest_dark
from review_phantom import BALLS, CENTRE_MM, ORIENTATIONS, VOXEL_MM, Made, serving

import petct
from tmtv_tf.review.routes import STATIC

pytestmark = pytest.mark.slow

LABELS_HASH = """async (path) => {
  const bytes = await (await fetch(path)).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash).join(" ");
}"""
BLADDER, LEFT, TWINS, RIGHT = 1, 2, 3, 4  # lesions by volume


def methods_of(folder: Path) -> dict:
    return json.loads((folder / "tmtv.json").read_text())["methods"]


def test_excluding_gives_what_the_command_line_gives(own: Made, window: Callable, tmp_path: Path) -> None:
    case_id = own.ids["head first"]
    with serving(own.results) as address:
        reader = window(address)
        reader.open(case_id)
        before = reader.tmtv_ml
        assert before == methods_of(own.results / case_id)["41"]["tmtv_ml"]
        reader.keys("n", "e")
        after = reader.tmtv_ml
        assert "Include" in reader.table
        reader.page.keyboard.press("q")
        reader.page.wait_for_selector(f"tr[data-id='{case_id}'] .in_progress")
        assert f"{after:.1f}" in reader.page.inner_text(f"tr[data-id='{case_id}']")
    command = [sys.executable, "-m", "postprocess", "--mask", own.dicom.parent / "head_first_mask.nii.gz"]
    command += [
        "--suv",
        own.results / case_id / "pet.nii.gz",
        "--out",
        tmp_path / "other",
        "--case-id",
        case_id,
    ]
    command += [word for method in methods_of(own.results / case_id) for word in ("--method", method)]
    subprocess.run([*map(str, command), "--exclude", f"41:{BLADDER}"], check=True)
    page, cli = own.results / case_id / "review" / "1", tmp_path / "other" / case_id / "review" / "1"
    assert methods_of(page) == methods_of(cli)
    assert after == methods_of(cli)["41"]["tmtv_ml"] < before
    for method in methods_of(cli):
        name = f"lesions_{method}.nii.gz"
        assert np.array_equal(petct.read_image(page / name).array, petct.read_image(cli / name).array)


def test_undo_and_redo_restore_pixels_table_and_bytes(own: Made, window: Callable) -> None:
    """Add, split, brush, erase, lasso; back to the start and forth again, compared after each step."""
    case_id = own.ids["head first"]
    with serving(own.results) as address:
        reader = window(address)
        reader.open(case_id)

        def now() -> tuple:
            reader.look_at(LEFT)
            labels = reader.page.evaluate(LABELS_HASH, f"/api/cases/{case_id}/labels/41")
            return reader.picture().tobytes(), reader.table, reader.tmtv_ml, labels

        states = [now()]
        for step in (add_missed, split_twins, brush_left, erase_left, lasso_right):
            step(reader)
            states.append(now())
        assert len({state[3] for state in states}) == len({state[0] for state in states}) == len(states)
        for wanted in reversed(states[:-1]):
            reader.keys("z")
            assert now() == wanted
        assert reader.page.locator("#undo").is_disabled()
        for wanted in states[1:]:
            reader.keys("y")
            assert now() == wanted
        assert reader.page.locator("#redo").is_disabled()
    kinds = [edit["kind"] for edit in json.loads((own.results / case_id / "edits.json").read_text())["edits"]]
    assert kinds.count("undo") == kinds.count("redo") == 5


def add_missed(reader: Reader) -> None:
    """From the left lesion to the missed one by arrow keys: what a reader without a mouse does."""
    reader.look_at(LEFT)
    left, missed = (np.array(BALLS[name].at_mm) for name in ("left", "missed"))
    x, y, z = np.rint((missed - left) / VOXEL_MM).astype(int)
    for key, times in (("ArrowLeft", -x), ("ArrowDown", y), ("PageUp", z)):
        for _ in range(max(times, 0)):
            reader.page.keyboard.press(key)
    reader.keys("a", "Enter")
    reader.page.wait_for_selector("#note strong")
    assert "mL" in reader.page.inner_text("#note")
    before = reader.tmtv_ml
    reader.keys("Enter", "Escape")
    assert reader.tmtv_ml > before


def split_twins(reader: Reader) -> None:
    reader.page.locator(f"tr[data-label='{TWINS}']").click()
    count = reader.page.locator("table.lesions tbody tr").count()
    reader.keys("s")
    assert reader.page.locator("table.lesions tbody tr").count() == count + 1


def brush_left(reader: Reader) -> None:
    stroke(reader, "b")


def erase_left(reader: Reader) -> None:
    stroke(reader, "r")


def stroke(reader: Reader, tool: str) -> None:
    """Across the lesion in the axial PET, the upper left tile."""
    reader.look_at(LEFT)
    x, y = largest_dark(reader.tile(0, 0))
    box = reader.page.locator("#over").bounding_box()
    at = (box["x"] + x * box["width"] / 3, box["y"] + y * box["height"] / 3)
    before = reader.tmtv_ml
    reader.page.keyboard.press(tool)
    reader.page.mouse.move(*at)
    reader.page.mouse.down()
    reader.page.mouse.move(at[0] - 30, at[1] + 18, steps=6)
    reader.page.mouse.up()
    reader.wait_until_saved()
    reader.keys("Escape")
    assert reader.tmtv_ml > before if tool == "b" else reader.tmtv_ml < before


def lasso_right(reader: Reader) -> None:
    """Around the lesion at the patient's right, in the left half of the projection."""
    box = reader.page.locator("#mip").bounding_box()
    reader.keys("l")
    corners = [(0.02, 0.49), (0.42, 0.49), (0.42, 0.6), (0.02, 0.6)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    reader.page.mouse.move(*points[0])
    reader.page.mouse.down()
    for point in points[1:]:
        reader.page.mouse.move(*point, steps=4)
    reader.page.mouse.up()
    reader.wait_until_saved()
    reader.keys("Escape")
    assert reader.page.get_attribute(f"tr[data-label='{RIGHT}']", "class") == "excluded"


def test_signed_exported_reloaded_and_opened_again(own: Made, window: Callable) -> None:
    case_id = own.ids["head first"]
    with serving(own.results, "--series", own.dicom, "--reader", "Anna") as address:
        reader = window(address)
        reader.open(case_id)
        reader.keys("n", "e")
        reader.keys("Shift+S")
        reader.page.wait_for_selector(".bar .chip.signed")
        assert "signed by Anna" in reader.page.inner_text(".bar .signed:not(.chip)")
        reader.page.keyboard.press("Shift+E")
        reader.page.wait_for_selector("#banner.notice")
        assert "seg.dcm" in reader.banner
        reader.page.locator("#banner button").click()
        reader.look_at(LEFT)
        shown, tmtv_ml = reader.picture(), reader.tmtv_ml
        reader.page.reload()
        reader.wait_for_images()
        reader.look_at(LEFT)
        assert reader.tmtv_ml == tmtv_ml
        assert np.array_equal(reader.picture(), shown)
    version = own.results / case_id / "review" / "1"
    assert methods_of(version)["41"]["tmtv_ml"] == tmtv_ml
    assert json.loads((version / "review.json").read_text())["signed"]
    seg = dcmread(version / "seg.dcm")
    assert seg.Modality == "SEG"
    assert len(seg.SegmentSequence) == len(BALLS) - 3  # missed, excluded, and the twins are one
    with serving(own.results) as address:
        reader = window(address)
        reader.page.wait_for_selector(f"tr[data-id='{case_id}'] .chip.signed")
        reader.open(case_id)
        assert reader.tmtv_ml == tmtv_ml
        assert reader.page.get_attribute("#export", "aria-disabled") == "true"
        assert "--series" in (reader.page.get_attribute("#export", "title") or "")
        reader.page.locator("tr[data-label='2'] button").click()
        reader.page.wait_for_selector(".bar .chip.reopened")


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_left_is_left_on_the_screen_and_in_the_exports(name: str, own: Made, window: Callable) -> None:
    case_id = own.ids[name]
    with serving(own.results, "--series", own.dicom) as address:
        reader = window(address)
        reader.open(case_id)
        reader.keys("h", "c")  # the images alone
        reader.look_at(LEFT)
        # The reader looks at the patient: his left is at the right of the screen; his front at the left of a sagittal.
        places = {
            plane: largest_dark(reader.tile(0, i)) for i, plane in enumerate(("axial", "coronal", "sagittal"))
        }
        assert places["axial"][0] > 0.6
        assert places["axial"][1] < 0.5  # in front of the middle
        assert places["coronal"][0] > 0.6
        assert places["coronal"][1] < 0.4  # towards the head
        assert places["sagittal"][0] < 0.5
        assert places["sagittal"][1] < 0.4
        mip = reader.picture("#mip")
        upper = mip[: int(0.52 * len(mip))]
        assert largest_dark(upper)[0] > 0.6
        bare = reader.tile(0, 0)
        reader.keys("h")
        drawn = np.abs(reader.tile(0, 0).astype(int) - bare).max(axis=2) > 40
        rows, columns = np.nonzero(drawn)
        assert columns.mean() / drawn.shape[1] == pytest.approx(places["axial"][0], abs=0.06)
        reader.keys("Shift+S")
        reader.page.wait_for_selector(".bar .chip.signed")
        reader.page.keyboard.press("Shift+E")
        reader.page.wait_for_selector("#banner.notice")
    wanted = sorted(tuple(np.add(CENTRE_MM, BALLS[ball].at_mm)) for ball in ("left", "right", "bladder"))
    found = segment_centres(next((own.results / case_id / "review").glob("*/seg.dcm")))
    for place in wanted:
        assert min(np.linalg.norm(np.subtract(place, one)) for one in found) < VOXEL_MM


def segment_centres(path: Path) -> list[np.ndarray]:
    """LPS centre of each segment, from the frames' own positions (DICOM PS3.3 C.7.6.2.1.1)."""
    seg = dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    down, across = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    points: dict[int, list[np.ndarray]] = {}
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        i, j = np.nonzero(frame)
        points.setdefault(number, []).append(origin + np.outer(j * across, row) + np.outer(i * down, column))
    return [np.concatenate(found).mean(axis=0) for found in points.values()]


def test_two_windows_the_second_is_told_and_nothing_is_lost(own: Made, window: Callable) -> None:
    case_id = own.ids["head first"]
    with serving(own.results) as address:
        first, second = window(address), window(address)
        for reader in (first, second):
            reader.open(case_id)
        first.keys("n", "e")
        second.page.locator(f"tr[data-label='{RIGHT}'] button").click()
        second.page.wait_for_selector("#banner.notice")
        assert "your last change was not made" in second.banner
        assert second.tmtv_ml == first.tmtv_ml
        second.look_at(LEFT)
        first.look_at(LEFT)
        assert np.array_equal(second.picture("section.slices"), first.picture("section.slices"))
        second.page.locator(f"tr[data-label='{RIGHT}'] button").click()
        second.page.wait_for_selector(f"tr.excluded[data-label='{RIGHT}']")
        second.wait_until_saved()
    edits = json.loads((own.results / case_id / "edits.json").read_text())["edits"]
    assert [edit["label"] for edit in edits] == [BLADDER, RIGHT]


def test_a_wrong_token_shows_nothing(made: Made, browser) -> None:
    with serving(made.results) as address:
        for wrong in (address.replace("token=", "token=x"), address.split("?")[0]):
            context = browser.new_context()
            page = context.new_page()
            answer = page.goto(wrong)
            assert answer.status in (401, 403)
            assert "tmtv review printed" in page.content()
            assert not any(case_id in page.content() for case_id in made.ids.values())
            context.close()


def test_a_case_is_read_and_signed_with_the_keyboard_alone(own: Made, window: Callable) -> None:
    with serving(own.results) as address:
        reader = window(address)
        page = reader.page
        page.wait_for_selector("tr[data-id]")
        page.keyboard.press("?")
        page.wait_for_selector("dialog.help")
        page.keyboard.press("Escape")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        case_id = page.evaluate("() => document.activeElement.dataset.id")
        page.keyboard.press("Enter")
        reader.wait_for_images()
        reader.keys("n", "e")  # the bladder
        for method in ("2.5", "4.0", "raw", "41"):
            reader.keys("t")
            page.wait_for_selector(".methods tr.current")
            assert reader.tmtv_ml < methods_of(own.results / case_id)[method]["tmtv_ml"]
        reader.keys("Escape", "v", "v", "PageUp", "Shift+PageDown", "ArrowLeft", "1", "w", "i", "i", ".", ",")
        reader.keys("b", "]", "Enter", "Escape")
        reader.keys("Shift+S")
        page.wait_for_selector(".bar .chip.signed")
        page.keyboard.press("u")
        page.wait_for_url(lambda url: "#/case/" in url and case_id not in url)
        reader.wait_for_images()
        page.keyboard.press("q")
        page.wait_for_selector(f"tr[data-id='{case_id}'] .chip.signed")


def test_a_server_that_is_gone_is_told_and_nothing_is_drawn(own: Made, window: Callable) -> None:
    with serving(own.results) as address:
        reader = window(address)
        reader.open(own.ids["head first"])
        table = reader.table
    reader.page.keyboard.press("n")
    reader.page.keyboard.press("e")
    reader.page.wait_for_selector("#banner.problem")
    assert "does not answer" in reader.banner
    assert reader.page.inner_text(".saved") == "Not saved: no server"
    assert reader.table == table


def test_a_list_of_a_thousand(made: Made, window: Callable, tmp_path: Path) -> None:
    source = made.results / made.ids["head first"]
    for k in range(1000):
        copy = tmp_path / "many" / f"case-{k:04d}"
        copy.mkdir(parents=True)
        for path in source.iterdir():
            if path.name == "tmtv.json":
                copy.joinpath(path.name).write_text(path.read_text().replace(source.name, copy.name))
            elif path.suffix in (".gz", ".csv"):
                os.link(path, copy / path.name)
    with serving(tmp_path / "many") as address:
        reader = window(address)
        page = reader.page
        page.wait_for_selector("tr[data-id='case-0999']")
        assert "1000 of 1000 cases, 1000 unread" in page.inner_text(".count")
        page.keyboard.press("/")
        page.keyboard.type("77")
        assert page.locator("tr[data-id]").count() == 19  # x77 of each hundred, and 770 to 779 but for 777
        page.locator("th.case_id button").click()
        assert page.locator("tr[data-id]").first.get_attribute("data-id") == "case-0977"


def test_firefox_shows_the_work_list(made: Made, tmp_path: Path) -> None:
    firefox = shutil.which("firefox-esr")
    if firefox is None:
        pytest.skip("firefox-esr is not installed")
    if not (STATIC / "app.js").is_file():
        pytest.skip("the page is not built (make page)")
    cases_shown = """new Promise((done) => {
      const look = () => {
        const rows = document.querySelectorAll("tr[data-id] .unread").length;
        if (rows) done(rows); else setTimeout(look, 100);
      };
      look();
    })"""
    with serving(made.results) as address:
        assert evaluate(firefox, tmp_path / "profile", address, cases_shown) == len(made.ids)
