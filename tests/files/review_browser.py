"""Debian's chromium on the page of `tmtv review`: a reader with a mouse and a keyboard."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from tmtv_tf.review.routes import STATIC

CHROMIUM = Path("/usr/bin/chromium")
# WebGL2 by SwiftShader, on the processor; nothing of the browser's own goes to the network.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
SIZE = {"width": 1280, "height": 800}
PATIENCE_MS = 90_000  # other tests may load the computer


@contextmanager
def chromium() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed (make test-tools)")
    if not (STATIC / "app.js").is_file():
        pytest.skip("the page is not built (make page)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Reader:
    """One window. `asked` : every address that it asked; `errors` : what the console said."""

    def __init__(self, browser, address: str) -> None:
        self.address = address
        self.context = browser.new_context(viewport=SIZE)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.goto(address)

    def close(self) -> None:
        """No other host was asked, and the content policy stopped nothing."""
        self.context.close()
        hosts = {urlsplit(url).netloc for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(self.address).netloc}, hosts
        wrong = [
            text
            for text in self.errors
            if not re.search("the server responded with a status of 4|net::ERR_", text)
        ]
        assert not wrong, wrong

    def open(self, case_id: str) -> None:
        self.page.locator(f"tr[data-id='{case_id}']").click()
        self.wait_for_images()

    def wait_for_images(self) -> None:
        self.page.wait_for_selector("#over[data-ready=all]")
        self.page.wait_for_timeout(200)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.wait_until_saved()

    def wait_until_saved(self) -> None:
        self.page.wait_for_timeout(60)
        self.page.wait_for_selector(".saved:text-is('Saved')")
        self.page.wait_for_timeout(60)

    @property
    def tmtv_ml(self) -> float:
        return float(self.page.get_attribute("#tmtv", "data-ml") or "nan")

    @property
    def table(self) -> str:
        return self.page.inner_text("table.lesions tbody")

    @property
    def banner(self) -> str:
        return self.page.inner_text("#banner span")

    def look_at(self, label: int) -> None:
        """The crosshair at the hottest voxel of a lesion; nothing chosen, no message, the pointer away."""
        self.page.mouse.move(640, 795)
        if self.page.locator("#banner").is_visible():
            self.page.locator("#banner button").last.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Escape")
        rows = self.page.locator("tr[data-label]")
        rows.nth(
            0 if rows.nth(0).get_attribute("data-label") != str(label) else 1
        ).click()  # so that it moves
        self.page.locator(f"tr[data-label='{label}']").click()
        self.page.locator("#over").focus()
        self.page.mouse.move(640, 795)
        self.page.keyboard.press("Escape")

    def picture(self, part: str = "main.case") -> npt.NDArray[np.uint8]:
        """(rows, columns, 3) pixels of a part of the page, once they stand still."""
        before = b""
        for _ in range(50):
            now = self.page.locator(part).screenshot()
            if now == before:
                break
            before = now
            self.page.wait_for_timeout(80)
        return np.asarray(Pillow.open(io.BytesIO(before)).convert("RGB"))

    def tile(self, row: int, column: int) -> npt.NDArray[np.uint8]:
        """One of the nine images: PET, CT, both; axial, coronal, sagittal."""
        slices = self.picture("section.slices")
        height, width = slices.shape[0] // 3, slices.shape[1] // 3
        return slices[
            row * height + 2 : (row + 1) * height - 2, column * width + 2 : (column + 1) * width - 2
        ]


def largest_dark(picture: npt.NDArray[np.uint8], below: int = 110) -> tuple[float, float]:
    """Centre of the largest dark spot, from the left and from the top, as fractions of the picture."""
    spots, _ = ndimage.label(picture.max(axis=2) < below)
    sizes = np.bincount(spots.ravel())
    sizes[0] = 0
    row, column = ndimage.center_of_mass(spots == sizes.argmax())
    return column / picture.shape[1], row / picture.shape[0]
