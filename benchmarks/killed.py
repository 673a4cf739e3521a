"""Kill every command at random moments, also beside a second run, and see whether anything is lost or half-made.

    python -m benchmarks.killed --kills 100 --out FOLDER [--seed S] [--commands phantom prepare ...]

Each command first runs undisturbed, twice: files that differ between these two runs (times, zip archives) are named
and not compared. Then it is started into another folder and killed (SIGKILL) at a moment drawn from the time that it
needs: the process alone, or its whole group, in turn. Every third time a second run is started into the same folder.
After each kill, every case whose last file is there must be whole, with the bytes of the undisturbed run. After every
few kills the same command runs to its end, and the whole output must be the same bytes. Exit status 1 if anything
differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from petct.files import sha256

BIN = Path(sys.executable).parent
CONFIG = """
seed: 4
epochs: 6
batch: 1
grid: {shape: [16, 16, 16], spacing_mm: [64, 32, 32]}
model: {filters: 4, convolutions: [1, 1], bottom_convolutions: 1, kernel_size: 3}
optimizer: {name: adam, learning_rate: 0.01}
"""
# Kills into one folder before the command may end.
IN_A_ROW = 3
# So long the workers of a killed run may take to end.
WORKERS_END_S = 0.5
# They say what one run did ("done", "unchanged"), not what a case is.
OF_ONE_RUN = {"prepare.csv"}
IN_USE = "another run is writing into this folder"


@dataclass(frozen=True)
class Command:
    """A command, and the last file of a case (a pattern in its output); `None`: it has no cases."""

    name: str
    line: Callable[[Path, Path], list[object]]  # inputs (undisturbed outputs of the others), output
    last_file: str | None


COMMANDS = (
    Command(
        "phantom",
        lambda ref, out: ["tmtv", "phantom", out, "--cases", 3, "--voxel-mm", 10, "--workers", 2],
        "truth/*/phantom.json",
    ),
    Command(
        "prepare",
        lambda ref, out: [
            *("tmtv", "prepare", ref / "phantom" / "dicom", "--out", out, "--workers", 2),
            *("--clinical", ref / "phantom" / "cohort.csv", "--key-file", ref / "key"),
            *("--grid-mm", 32, "--grid-shape", 64, 16, 16),
        ],
        "*/case.json",
    ),
    Command(
        "train",
        lambda ref, out: [
            *(sys.executable, "-m", "training.train_vnet", "--config", ref / "config.yaml"),
            *("--data", ref / "prepare", "--out", out),
        ],
        None,
    ),
    Command(
        "predict",
        lambda ref, out: [
            *("tmtv", "predict", ref / "prepare", "--model", ref / "train" / "best.keras", "--out", out)
        ],
        "*/probability.nii.gz",
    ),
    Command(
        "postprocess",
        lambda ref, out: [
            *("tmtv-postprocess", "--mask", ref / "masks", "--suv", ref / "prepare", "--out", out),
        ],
        "*/tmtv.json",
    ),
    Command(
        "evaluate",
        lambda ref, out: [
            *("tmtv", "evaluate", ref / "postprocess", "--cases", ref / "prepare", "--out", out)
        ],
        None,
    ),
)


def main() -> int:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        return run(Path(folder), options.kills, options.seed, options.commands)


def run(folder: Path, kills: int, seed: int, names: list[str]) -> int:
    rng = random.Random(seed)
    ref = folder / "undisturbed"
    ref.mkdir()
    (ref / "config.yaml").write_text(CONFIG)
    wanted = [command for command in COMMANDS if command.name in names]
    last = COMMANDS.index(wanted[-1])
    faults: list[str] = []
    for command in COMMANDS[: last + 1]:
        took_s, moving = undisturbed(command, ref, folder)
        if command not in wanted:
            continue
        share = kills // len(wanted) + (wanted.index(command) < kills % len(wanted))
        found, counts = disturbed(command, ref, folder / "killed", share, took_s, moving, rng)
        faults += found
        print(
            f"{command.name}: {took_s:.1f} s undisturbed, {counts['kills']} kills ({counts['two']} beside a second "
            f"run, of which {counts['refused']} refused), {counts['whole']} whole cases seen after a kill, "
            f"{len(found)} faults. Not compared: {', '.join(sorted(moving)) or 'nothing'}.",
            flush=True,
        )
        for fault in found:
            print(f"FAULT: {fault}", flush=True)
    print(f"{kills} kills, {len(faults)} faults.")
    return 1 if faults else 0


def undisturbed(command: Command, ref: Path, folder: Path) -> tuple[float, set[str]]:
    """Run it twice; how long it takes, and the files (without their case) that are never the same."""
    start = time.monotonic()
    finish(command, ref, ref / command.name)
    took_s = time.monotonic() - start
    again = folder / "again"
    finish(command, ref, again)
    one, two = digests(ref / command.name), digests(again)
    shutil.rmtree(again)
    if command.name == "prepare":  # masks for the post-processing: an untrained network finds nothing
        for case in (ref / "prepare").glob("*/reference_2.5.nii.gz"):
            mask = ref / "masks" / case.parent.name / "mask.nii.gz"
            mask.parent.mkdir(parents=True)
            shutil.copy(case, mask)
    moving = {Path(name).name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    return took_s, moving | OF_ONE_RUN


def disturbed(
    command: Command, ref: Path, out: Path, kills: int, took_s: float, moving: set[str], rng: random.Random
) -> tuple[list[str], Counter[str]]:
    """Kill it again and again; what was wrong, and what was seen."""
    truth = {n: d for n, d in digests(ref / command.name).items() if Path(n).name not in moving}
    faults: list[str] = []
    seen: Counter[str] = Counter()
    for kill in range(kills):
        two = kill % 3 == 2
        run = start(command, ref, out)
        other = start(command, ref, out) if two else None
        time.sleep(rng.uniform(0, took_s * 1.1))
        (os.killpg if kill % 2 else os.kill)(run.pid, signal.SIGKILL)
        run.communicate()
        seen["kills"] += 1
        if other is not None:  # it may have been the one that works
            said = other.communicate()[1]
            seen["two"] += 1
            seen["refused"] += IN_USE in said
            if other.returncode not in (0, 2) or "Traceback" in said:
                faults.append(
                    f"{command.name}, kill {kill + 1}: the second run ended with {other.returncode}: {said}"
                )
        time.sleep(WORKERS_END_S)
        if command.last_file is not None and out.exists():
            whole, broken = cases_with_last_file(out, command.last_file, truth)
            seen["whole"] += whole
            faults += [f"{command.name}, kill {kill + 1}: {name} is not as undisturbed" for name in broken]
        if kill % IN_A_ROW == IN_A_ROW - 1 or kill == kills - 1:
            finish(command, ref, out)
            now = {n: d for n, d in digests(out).items() if Path(n).name not in moving}
            faults += [
                f"{command.name}, after kill {kill + 1} and a run to the end: {name}"
                for name in sorted(now.keys() ^ truth.keys() | {n for n in now if now[n] != truth.get(n)})
            ]
            shutil.rmtree(out)
    return faults, seen


def cases_with_last_file(out: Path, last_file: str, truth: dict[str, str]) -> tuple[int, list[str]]:
    """How many cases are said to be finished, and which of their files are missing or differ."""
    broken, whole = [], 0
    for path in out.glob(last_file):
        case = str(path.parent.relative_to(out)) + "/"
        whole += 1
        broken += [
            n
            for n in truth
            if n.startswith(case) and (not (out / n).is_file() or sha256(out / n) != truth[n])
        ]
    return whole, broken


def start(command: Command, ref: Path, out: Path) -> subprocess.Popen:
    first, *rest = (str(part) for part in command.line(ref, out))
    path = first if os.sep in first else str(BIN / first)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen(
        [path, *rest],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(command: Command, ref: Path, out: Path) -> None:
    run = start(command, ref, out)
    said = run.communicate()[1]
    if run.returncode:
        raise SystemExit(f"{command.name} ended with {run.returncode}: {said}")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that is a result."""
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and "tensorboard" not in p.parts]
    return {str(p.relative_to(folder)): sha256(p) for p in paths if p.name != ".lock"}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [command.name for command in COMMANDS]
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--commands", nargs="+", choices=names, default=names)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
