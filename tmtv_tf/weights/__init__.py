"""The networks that come with the package, by name: trained on synthetic images only; not validated on patients.

`synthetic-pet` sees the PET alone, `synthetic-petct` PET and CT. Of each there are two files: `NAME.keras` (float16
weights, to fine-tune) and `NAME.openvino` (to run without TensorFlow, see `tmtv_tf.inference.openvino_file`). See
docs/explanation/generalisation.md.
"""

from __future__ import annotations

from pathlib import Path

from petct.errors import ModelError

PET, PET_CT = "synthetic-pet", "synthetic-petct"
NAMES = (PET_CT, PET)
FOLDER = Path(__file__).parent


def packaged() -> dict[str, Path]:
    """Name -> file to run, of the packaged networks whose files are there."""
    found: dict[str, Path] = {}
    for name in NAMES:
        for suffix in (".openvino", ".keras"):
            if (path := FOLDER / f"{name}{suffix}").is_file():
                found.setdefault(name, path)
    return found


def packaged_name(*, has_ct: bool) -> str:
    """The packaged network for a study with or without a CT."""
    return PET_CT if has_ct else PET


def packaged_file(name: str, suffix: str) -> Path:
    """A file of a packaged network: `.openvino` to run, `.keras` for fine-tuning (`initial_weights`).

    Raises
    ------
    ModelError
        No network of this name comes with the package, or its file is missing.
    """
    if name not in NAMES:
        raise ModelError(f"No packaged model is called {name!r}; there are {', '.join(NAMES)}.")
    path = FOLDER / f"{name}{suffix}"
    if not path.is_file():
        raise ModelError(f"{path}: missing from this installation; `make model` makes it, or install again.")
    return path
