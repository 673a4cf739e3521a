"""Merge, box, lasso, sphere and two readers on the page, in Debian's chromium; its exports in other programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from export_files import dciodvfy_errors
from review_browser import Reader
from review_phantom import BALLS, CENTRE_MM, VOXEL_MM, Made, serving

import petct

pytestmark = pytest.mark.slow

BLADDER, LEFT, TWINS, RIGHT = 1, 2, 3, 4  # lesions by volume


def step_to(reader: Reader, start: tuple[float, ...], end: tuple[float, ...]) -> None:
    """Move the crosshair by arrow keys on the axial plane, from one place to another (LPS mm from the centre)."""
    x, y, z = np.rint(np.subtract(end, start) / VOXEL_MM).astype(int)
    for one, other, times in (
        ("ArrowRight", "ArrowLeft", x),
        ("ArrowDown", "ArrowUp", y),
        ("PageUp", "PageDown", z),
    ):
        for _ in range(abs(times)):
            reader.page.keyboard.press(one if times > 0 else other)


def classes(reader: Reader) -> dict[int, str]:
    rows = reader.page.locator("tr[data-label]").all()
    return {int(row.get_attribute("data-label") or 0): row.get_attribute("class") or "" for row in rows}


def test_a_lasso_and_a_box_by_keyboard_and_a_box_by_mouse_take_out_the_same(
    own: Made, window: Callable
) -> None:
    """Around the lesion at the patient's right, seen from the front; a corner is taken back on the way."""
    case_id = own.ids["head first"]
    right = np.array(BALLS["right"].at_mm)
    corners = [tuple(right + (x, 0, z)) for x, z in ((-20, 20), (20, 20), (20, -20), (-20, -20))]
    with serving(own.results) as address:
        reader = window(address)
        reader.open(case_id)
        before, numbers = reader.tmtv_ml, []
        reader.look_at(RIGHT)
        reader.keys("l")
        at = BALLS["right"].at_mm
        for corner in (*corners, (0.0, 0.0, 0.0)):
            step_to(reader, at, corner)
            reader.keys("Enter")
            at = corner
        reader.keys("Backspace")
        step_to(reader, at, corners[-1])
        assert reader.tmtv_ml == before
        reader.keys("Enter")  # at the last corner again
        numbers.append(reader.tmtv_ml)
        assert classes(reader)[RIGHT] == "excluded"
        reader.keys("Escape", "z")
        assert reader.tmtv_ml == before
        reader.look_at(RIGHT)
        reader.keys("x")
        step_to(reader, BALLS["right"].at_mm, corners[0])
        reader.keys("Enter")
        step_to(reader, corners[0], corners[2])
        reader.keys("Enter")
        numbers.append(reader.tmtv_ml)
        reader.keys("Escape", "z", "x")
        box = reader.page.locator("#mip").bounding_box()
        reader.page.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.49 * box["height"])
        reader.page.mouse.down()
        reader.page.mouse.move(box["x"] + 0.42 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
        reader.page.mouse.up()
        reader.wait_until_saved()
        numbers.append(reader.tmtv_ml)
    assert numbers[0] == numbers[1] == numbers[2] < before
    edits = json.loads((own.results / case_id / "edits.json").read_text())["edits"]
    assert [edit["kind"] for edit in edits] == ["exclude_mask", "undo"] * 2 + ["exclude_mask"]


def test_merge_and_the_sphere(own: Made, window: Callable) -> None:
    """Left and right lesion become one; a sphere inside the left one has the mean of its voxels."""
    case_id = own.ids["head first"]
    with serving(own.results) as address:
        reader = window(address)
        reader.open(case_id)
        before = reader.tmtv_ml
        reader.page.locator(f"tr[data-label='{LEFT}']").click()
        reader.page.locator(f"tr[data-label='{RIGHT}']").click(modifiers=["Control"])
        reader.keys("m")
        assert RIGHT not in classes(reader)
        assert classes(reader)[LEFT] == "changed"
        assert reader.tmtv_ml == pytest.approx(
            before, rel=1e-12
        )  # apart from each other, they keep their thresholds
        reader.look_at(LEFT)
        reader.keys("o", "Enter")
        reader.page.wait_for_selector("#said:has-text('Sphere of 16 mm')", state="attached")
        said = reader.page.inner_text("#said")
    pet = petct.read_image(own.results / case_id / "pet.nii.gz")
    place = pet.geometry.to_world(np.argwhere(np.ones(pet.array.shape, bool)))
    hottest = np.add(CENTRE_MM, BALLS["left"].at_mm)
    centre = place[np.linalg.norm(place - hottest, axis=1).argmin()]
    near = np.linalg.norm(place - centre, axis=1) <= 8 * (1 + 1e-9)
    assert f"mean {pet.array.reshape(-1)[near].mean():.2f}," in said


def test_all_lesions_are_filled_up_to_the_threshold(own: Made, window: Callable) -> None:
    """What the eraser took of a lesion comes back, under its number; the lesions that are full stay as they are."""
    with serving(own.results) as address:
        reader = window(address)
        reader.open(own.ids["head first"])
        reader.look_at(LEFT)
        before, rows = reader.tmtv_ml, set(classes(reader))
        reader.keys("r", "Enter", "Escape")
        erased = reader.tmtv_ml
        reader.keys("Control+a")
        reader.page.keyboard.press("Shift+F")
        reader.page.wait_for_selector("#said:has-text('Filled')", state="attached")
        assert erased < before == pytest.approx(reader.tmtv_ml, rel=1e-12)
        assert set(classes(reader)) == rows


def test_two_blind_readers_and_their_adjudicator(own: Made, window: Callable) -> None:
    """The adjudicator sees both, takes over one of them in one step, and goes back."""
    case_id = own.ids["head first"]
    left_ml = {}
    for name, label in (("anna", BLADDER), ("ben", RIGHT)):
        with serving(own.results, "--reader", name, "--blind") as address:
            reader = window(address)
            reader.open(case_id)
            automatic = reader.tmtv_ml
            reader.page.locator(f"tr[data-label='{label}'] button").click()
            reader.page.wait_for_selector(f"tr.excluded[data-label='{label}']")
            reader.wait_until_saved()
            left_ml[name] = reader.tmtv_ml
            reader.page.keyboard.press("q")
            reader.page.wait_for_selector(f"tr[data-id='{case_id}'] .in_progress")
    with serving(own.results, "--adjudicate", "anna", "ben", "--reader", "carl") as address:
        reader = window(address)
        reader.open(case_id)
        lines = reader.page.locator(".readers tbody tr").all_inner_texts()
        assert reader.tmtv_ml == automatic
        for line, name in zip(lines, left_ml, strict=True):
            assert name in line
            assert f"{left_ml[name]:.1f}" in line
        take = reader.page.get_by_role("button", name="Take over the edits of anna")
        take.focus()
        reader.keys("Enter")
        assert reader.tmtv_ml == left_ml["anna"]
        assert classes(reader)[BLADDER] == "excluded"
        reader.keys("z", "z")
        assert reader.tmtv_ml == automatic
    log = json.loads((own.results / case_id / "edits.json").read_text())["edits"]
    assert [(edit["kind"], edit["by"]) for edit in log[:2]] == [("clear", "carl"), ("exclude_lesion", "anna")]


@pytest.mark.parametrize("size", [(1280, 800), (3840, 2160)])
def test_nothing_is_cut_off_from_a_small_window_to_4k(
    own: Made, window: Callable, size: tuple[int, int]
) -> None:
    with serving(own.results) as address:
        reader = window(address)
        reader.page.set_viewport_size({"width": size[0], "height": size[1]})
        reader.open(own.ids["head first"])
        reader.keys("n", "e")  # "Include" is wider
        for part in (".bar", "aside.panel", "footer"):
            box = reader.page.locator(part).first.bounding_box()
            assert box["x"] + box["width"] <= size[0] + 0.5
            assert box["y"] + box["height"] <= size[1] + 0.5
        slices = reader.page.locator("#over").bounding_box()
        assert slices["width"] * slices["height"] > size[0] * size[1] / 3
        panel = reader.page.locator("aside.panel .scroll").evaluate(
            "(e) => e.getBoundingClientRect().left + e.clientWidth"
        )
        for button in reader.page.locator("table.lesions tbody button").all():
            box = button.bounding_box()
            assert box["x"] + box["width"] <= panel + 0.5


@pytest.mark.skipif(
    shutil.which("plastimatch") is None, reason="plastimatch is not installed (make test-tools)"
)
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed (make test-tools)")
def test_the_exports_of_the_page_open_in_other_programs(own: Made, window: Callable, tmp_path: Path) -> None:
    """dcmqi reads the SEG, plastimatch the RTSTRUCT: the lesions of the signed version; dciodvfy finds no error."""
    dcmqi = Path(sys.executable).with_name("segimage2itkimage")
    if not dcmqi.exists():
        pytest.skip("dcmqi is not installed (pip install dcmqi)")
    case_id = own.ids["head first"]
    with serving(own.results, "--series", own.dicom) as address:
        reader = window(address)
        reader.open(case_id)
        reader.keys("n", "e", "Shift+S")
        reader.page.wait_for_selector(".bar .chip.signed")
        reader.page.keyboard.press("Shift+E")
        reader.page.wait_for_selector("#banner.notice")
    version = own.results / case_id / "review" / "1"
    for name in ("seg.dcm", "rtstruct.dcm", "sr.dcm"):
        assert dciodvfy_errors(version / name) == []
    final = petct.read_image(version / "lesions_41.nii.gz")
    labels = [int(label) for label in np.unique(final.array) if label]
    assert BLADDER not in labels
    wanted = [np.sort(final.geometry.to_world(np.argwhere(final.array == label)), axis=0) for label in labels]

    def is_one_of_them(path: Path) -> bool:
        image = sitk.ReadImage(str(path))
        index = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
        found = np.array([image.TransformIndexToPhysicalPoint([int(v) for v in one]) for one in index])
        return any(
            len(found) == len(one) and np.allclose(np.sort(found, axis=0), one, atol=0.01) for one in wanted
        )

    (tmp_path / "seg").mkdir()
    subprocess.run(
        [dcmqi, "--inputDICOM", version / "seg.dcm", "--outputDirectory", tmp_path / "seg", "-t", "nrrd"],
        check=True,
        capture_output=True,
    )
    command = ["plastimatch", "convert", "--input", version / "rtstruct.dcm"]
    command += ["--referenced-ct", own.dicom / "head_first" / "pet"]
    command += ["--output-prefix", tmp_path / "rt", "--prefix-format", "nrrd"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    for folder, pattern in (("seg", "*.nrrd"), ("rt", "Lesion*.nrrd")):
        files = sorted((tmp_path / folder).glob(pattern))
        assert len(files) == len(labels), folder
        for path in files:
            assert is_one_of_them(path), path
