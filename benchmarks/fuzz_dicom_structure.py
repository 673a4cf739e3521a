"""DICOM files of odd structure: each must give the right SUV or a named refusal; no traceback, no other number.

    python benchmarks/fuzz_dicom_structure.py [--cases 20000] [--seed 1]

Another build than fuzz_dicom.py: there the values are changed, here the bytes around them. A series starts as plain
numbers (dicom_model.py), from which `true_suv` computes the image by the formulas of docs/reference/suv.md, without
pydicom and without this software. It is written byte by byte, in one of four encodings, as slices or as one converted
multi-frame file; then its structure is changed (dicom_changes.py): elements twice, late, behind the pixels, nested, in
private blocks, under another VR, with other lengths; slices that differ; functional groups lost; files cut. Outcomes:
    right      the SUV image of the model (a change that must be refused, and is not, is WRONG even then)
    refused    one sentence, which names a file or folder
    cropped    the image of the model without a slice that was lost, and the list of what is left out names it
    WRONG      anything else (the run then fails)
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

if sys.path[0] == str(Path(__file__).resolve().parent):
    sys.path.append(sys.path.pop(0))  # benchmarks/postprocess.py must not hide the package of the same name

import numpy as np
from dicom_changes import CONTRADICTING, MEANINGLESS, Case
from dicom_model import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    encode,
    frame_file,
    new_model,
    slice_files,
    true_suv,
)

from petct.dicom.headers import Series, find_series, read_headers
from petct.dicom.selection import select_one_study
from petct.errors import TmtvError
from petct.suv import parse_pet_header, read_suv, suv_bw_factor

# -- the run ---------------------------------------------------------------------------------------------------


def make(rng: random.Random, folder: Path) -> tuple[Case, str, bool]:
    """Write one changed series; the case, the names of what was done, whether only its form was changed."""
    model = new_model(rng)
    files = frame_file(model) if rng.random() < 0.3 else slice_files(model)
    case = Case(model, files, rng.choice((EXPLICIT, EXPLICIT, IMPLICIT, BIG, DEFLATED)))
    changes = rng.sample(MEANINGLESS, rng.choice((0, 1, 2)))
    changes += [rng.choice(CONTRADICTING)] if rng.random() < 0.6 else []
    for change in changes:
        change(case, rng)
    names = [change.__name__ for change in changes]
    blobs = [encode(elements, case.syntax) for elements in case.files]
    if rng.random() < 0.12:
        names.append("cut")
        victim = rng.randrange(len(blobs))
        blobs[victim] = blobs[victim][: rng.randrange(len(blobs[victim]))]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for k, blob in enumerate(blobs):
        (folder / f"{(k * 7 + 3) % 11}.dcm").write_bytes(blob)
    kind = "frames" if case.converted else "slices"
    harmless = all(change in MEANINGLESS for change in changes) and "cut" not in names
    return case, f"{case.model.style} {kind} {case.syntax}: {', '.join(names) or 'nothing'}", harmless


def read(folder: Path) -> tuple[np.ndarray, bool]:
    """(SUV in ascending order, whether lost slices were told of), as the commands read them."""
    series, skipped = find_series(folder)
    selection = select_one_study(series, folder)
    pet = selection.require_pet()
    image, suv = read_suv(pet)
    if not np.allclose(sorted(np.atleast_1d(suv.factor)), sorted(header_factors(pet)), rtol=1e-12, atol=0):
        raise AssertionError("`inspect` and `prepare` find two factors")
    return np.sort(image.array.ravel().astype(float)), bool(skipped or selection.passed_over)


def header_factors(pet: Series) -> np.ndarray:
    """What `tmtv inspect` says, from the headers alone."""
    return np.atleast_1d(suv_bw_factor(parse_pet_header(read_headers(pet), str(pet.folder))).factor)


def judge(case: Case, folder: Path) -> tuple[str, str]:
    """(outcome, what to say of it)."""
    try:
        values, told = read(folder)
    except TmtvError as refused:
        said = str(refused)
        named = folder.name in said and "\n" not in said
        return ("refused", said) if named else ("WRONG", f"unnamed refusal: {said}")
    except Exception as error:  # noqa: BLE001 - the very thing looked for
        return "WRONG", f"{type(error).__name__}: {error}"
    truth = true_suv(case.model)
    if _same(values, truth):
        return ("WRONG", "must be refused") if case.strict else ("right", "")
    if told and any(_same(values, np.delete(truth, k, 0)) for k in range(case.model.n)):
        return "cropped", ""
    return "WRONG", f"highest {values[-1]:.6g}, expected {truth.max():.6g}"


def _same(values: np.ndarray, truth: np.ndarray) -> bool:
    return values.size == truth.size and np.allclose(values, np.sort(truth.ravel()), rtol=5e-6, atol=0)


def run(cases: int, seed: int, *, tell: Callable[[str], None] | None = None) -> tuple[Counter, list[str]]:
    """(outcomes, descriptions of what was wrong)."""
    outcomes: Counter = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "case"
        for number in range(cases):
            case, done, harmless = make(random.Random(f"{seed} {number}"), folder)
            outcome, said = judge(case, folder)
            outcomes[outcome] += 1
            outcomes["files"] += len(case.files)
            outcomes["refused although nothing but its form was changed"] += outcome == "refused" and harmless
            if outcome == "WRONG":
                wrong.append(f"case {number} ({done}): {said}")
                if tell:
                    tell(wrong[-1])
            if tell and number % 1000 == 999:
                tell(f"{number + 1} of {cases}: {dict(outcomes)}")
    return outcomes, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    outcomes, wrong = run(arguments.cases, arguments.seed, tell=lambda said: print(said, file=sys.stderr))
    seconds = time.perf_counter() - start
    print(f"{arguments.cases} series (seed {arguments.seed}) in {seconds:.0f} s: {dict(outcomes)}")
    for said in wrong:
        print(f"WRONG {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
