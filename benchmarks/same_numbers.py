"""The same numbers before and after a change of the code: two checkouts, one chain, every file compared.

    git worktree add /tmp/before COMMIT
    python -m benchmarks.same_numbers /tmp/before .          20 phantoms of seed 1

Each checkout runs `tmtv phantom`, `prepare`, `predict` (one model, made by the first checkout), `tmtv-postprocess` and
`evaluate` on its own files. Images are compared voxel by voxel, tables cell by cell, JSON value by value; what names
the software, a file's hash or a time is left out. Prints every difference; exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from petct.image import read_image

# Says which software or when, not what was measured.
NOT_A_NUMBER = {
    "software",
    "sha256",
    "inputs",
    "fingerprint",
    "created",
    "time",
    "version",
    "key_check",
    "format",
}
MODEL = """
from pathlib import Path
import sys
sys.path.insert(0, {tests!r})
from threshold_model import write_threshold_model
write_threshold_model(Path({path!r}), needs_ct=True, shape=(64, 48, 48))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--cases", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same_numbers_") as name:
        root = Path(name)
        model = root / "model.keras"
        tests = str(options.after.resolve() / "tests" / "files")
        run(options.before, [sys.executable, "-c", MODEL.format(tests=tests, path=str(model))], root)
        for which, checkout in (("before", options.before), ("after", options.after)):
            chain(checkout, root / which, model, options.cases, root)
        differences = list(compare(root / "before", root / "after"))
    print("\n".join(differences) or "no difference")
    raise SystemExit(1 if differences else 0)


def chain(checkout: Path, out: Path, model: Path, cases: int, root: Path) -> None:
    tmtv = [sys.executable, "-c", "from tmtv_tf.cli import main; main()"]
    steps = [
        [*tmtv, "phantom", out / "phantom", "--cases", cases, "--seed", 1, "--voxel-mm", 5, "--workers", 2],
        [*tmtv, "prepare", out / "phantom" / "dicom", "--out", out / "cases",
         "--clinical", out / "phantom" / "cohort.csv", "--no-model-grid", "--workers", 2],
        [*tmtv, "predict", out / "cases", "--model", model, "--out", out / "maps"],
        [sys.executable, "-m", "postprocess", "--probability", out / "maps", "--suv", out / "cases",
         "--out", out / "results", "--workers", 2],
        [*tmtv, "evaluate", out / "results", "--cases", out / "cases", "--out", out / "report", "--workers", 2],
    ]  # fmt: skip
    for step in steps:
        run(checkout, step, root)


def run(checkout: Path, command: list, root: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout.resolve()),
        "XDG_CONFIG_HOME": str(root / "config"),
    }
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")


def compare(before: Path, after: Path) -> Iterator[str]:
    """A sentence for every file that `after` lacks or that holds another value there; new files are no difference."""
    compared = 0
    for path in sorted(before.rglob("*")):
        name = path.relative_to(before)
        if not path.is_file() or name.parts[0] in ("phantom",) or name.name.startswith("."):
            continue
        other = after / name
        if not other.is_file():
            yield f"{name}: missing"
            continue
        read = READERS.get("".join(path.suffixes[-2:])) or READERS.get(path.suffix)
        if read is None:
            continue
        compared += 1
        for key, old, new in differing(read(path), read(other)):
            yield f"{name}: {key}: {old!r} -> {new!r}"
    print(f"{compared} files compared")


def differing(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Values of `old` that `new` has otherwise; keys that only `new` has are no difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name, value in old.items():
            if name not in NOT_A_NUMBER:
                yield from differing(value, new.get(name), f"{key}/{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (a, b) in enumerate(zip(old, new)):
            yield from differing(a, b, f"{key}[{k}]")
    elif isinstance(old, np.ndarray):
        if old.shape != new.shape or not np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
            yield key, "voxels", "other voxels"
    elif old != new:
        yield key, old, new


def image(path: Path) -> dict[str, Any]:
    found = read_image(path)
    return {
        "voxels": found.array,
        "spacing_mm": list(found.spacing_mm),
        "origin_mm": list(found.geometry.origin_mm),
    }


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


READERS = {".nii.gz": image, ".csv": table, ".json": lambda path: json.loads(path.read_text())}


if __name__ == "__main__":
    main()
