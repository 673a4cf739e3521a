"""Train a little V-Net, killed again and again at random moments, beside an undisturbed run: are they the same?

    python -m benchmarks.interrupted --kills 5 --config C.yaml --data CASES --out FOLDER

Every second kill is SIGTERM, the others SIGKILL, at moments spread over the whole run. Prints the largest difference
of a weight and whether the logs are the same bytes. Exit status 1 if anything differs, or a kill came too late.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def main() -> int:
    options = parse()
    command = [
        sys.executable,
        "-m",
        "training.train_vnet",
        "--config",
        options.config,
        "--data",
        options.data,
    ]
    start = time.monotonic()
    subprocess.run([*command, "--out", options.out / "undisturbed"], check=True, stdout=subprocess.DEVNULL)
    duration = time.monotonic() - start
    print(f"undisturbed: {duration:.0f} s", flush=True)

    epochs = len(finished_epochs(options.out / "undisturbed"))
    rng = random.Random(options.seed)
    moments = sorted(rng.uniform(0, epochs - 0.5) for _ in range(options.kills))  # in epochs
    interrupted = options.out / "interrupted"
    for kill, moment in enumerate(moments):
        run = subprocess.Popen(
            [*command, "--out", interrupted], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while run.poll() is None and len(finished_epochs(interrupted)) < int(moment):
            time.sleep(0.1)
        time.sleep(moment % 1 * duration / epochs)
        if run.poll() is not None:
            print(f"The run came to its end before kill {kill + 1}: the epochs are too short.")
            return 1
        number = signal.SIGTERM if kill % 2 else signal.SIGKILL
        run.send_signal(number)
        run.wait()
        print(f"{number.name} with {len(finished_epochs(interrupted))} epochs finished", flush=True)
    subprocess.run([*command, "--out", interrupted], check=True, stdout=subprocess.DEVNULL)
    return compare(options.out / "undisturbed", interrupted, options.kills)


def finished_epochs(run: Path) -> list[str]:
    """The lines of a run's log."""
    log = run / "log.csv"
    return log.read_text().splitlines()[1:] if log.exists() else []


def compare(one: Path, two: Path, kills: int) -> int:
    from tmtv_tf.models.file import load_model

    same_log = (one / "log.csv").read_bytes() == (two / "log.csv").read_bytes()
    largest = 0.0
    for name in ("best.keras", "last.keras"):
        pairs = zip(*(load_model(out / name)[0].get_weights() for out in (one, two)), strict=True)
        largest = max(largest, *(float(np.abs(a - b).max()) for a, b in pairs))
    print(
        f"{kills} kills: largest difference of a weight {largest:g}, logs {'the same' if same_log else 'DIFFER'}"
    )
    return 0 if same_log and largest == 0 else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
