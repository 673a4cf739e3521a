"""Cases corrected and signed on the page with the mouse, and again with the keyboard alone: the same final numbers.

`make review-ten` does it for ten phantoms after `tmtv run`, with a screenshot of every signed case.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from review_browser import Reader
from review_phantom import Made, serving

pytestmark = pytest.mark.slow

# A folder of results of `tmtv run` in place of the two of the tests, and where screenshots go.
RESULTS, PICTURES = os.environ.get("TMTV_REVIEW_RESULTS"), os.environ.get("TMTV_REVIEW_PICTURES")


@dataclass
class Mouse:
    """A reader who only points and clicks."""

    reader: Reader

    def click(self, selector: str) -> None:
        self.reader.page.locator(selector).click()
        self.reader.wait_until_saved()

    def correct(self) -> None:
        page = self.reader.page
        rows = page.locator("tr[data-label]")
        first, last = (rows.nth(n).get_attribute("data-label") for n in (0, -1))
        self.click(f"tr[data-label='{first}'] button")
        page.wait_for_selector(f"tr.excluded[data-label='{first}']")
        self.click("#undo")
        self.click(f"tr[data-label='{last}'] button")
        page.wait_for_selector(f"tr.excluded[data-label='{last}']")

    def sign(self) -> None:
        self.click("#sign")

    def to_list(self) -> None:
        self.reader.page.locator("a[title='Work list (q)']").click()

    def open_next(self) -> None:
        self.reader.page.locator("tr[data-id]:has(.unread)").first.click()


@dataclass
class Keyboard:
    """A reader who never touches the mouse."""

    reader: Reader

    def correct(self) -> None:
        self.reader.keys("n", "e", "z", "Escape", "p", "e")

    def sign(self) -> None:
        self.reader.keys("Shift+S")

    def to_list(self) -> None:
        self.reader.page.keyboard.press("q")

    def open_next(self) -> None:
        self.reader.page.keyboard.press("u")


@pytest.fixture
def results(made: Made, tmp_path: Path) -> Path:
    """Two cases, or those that the environment names."""
    source = Path(RESULTS) if RESULTS else made.results
    found = sorted(path.parent for path in source.glob("*/tmtv.json"))
    for case in found if RESULTS else found[:2]:
        shutil.copytree(case, tmp_path / "results" / case.name)
    return tmp_path / "results"


def test_all_are_corrected_and_signed_by_mouse_and_by_keyboard(
    results: Path, window: Callable, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(results, tmp_path / "again"))
    by_mouse, by_keyboard = read_all(results, Mouse, window), read_all(other, Keyboard, window)
    assert by_mouse == by_keyboard
    for row in by_mouse.values():
        assert float(row["tmtv_final_ml_41"]) < float(row["tmtv_ml_41"])


def read_all(
    results: Path, hand: type[Mouse] | type[Keyboard], window: Callable
) -> dict[str, dict[str, str]]:
    """Correct and sign every case; the rows of tmtv.csv then."""
    cases = sorted(path.parent.name for path in results.glob("*/tmtv.json"))
    with serving(results, "--reader", "Anna") as address:
        reader = window(address)
        page = reader.page
        page.wait_for_selector("tr[data-id]")
        one = hand(reader)
        for n in range(len(cases)):
            assert page.locator("tr[data-id]:has(.chip.signed)").count() == n
            one.open_next()
            reader.wait_for_images()
            one.correct()
            one.sign()
            page.wait_for_selector(".bar .chip.signed")
            if PICTURES:
                page.screenshot(path=Path(PICTURES) / f"{hand.__name__.lower()}_{n + 1}.png")
            one.to_list()
            page.wait_for_selector("main.list")
            page.wait_for_selector(f":nth-match(.chip.signed, {n + 1})")
    with open(results / "tmtv.csv", newline="", encoding="utf-8") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}
