"""Train a little V-Net, killed again and again at random moments, beside an undisturbed run: are they the same?

    python -m benchmarks.interrupted --kills 5 --config C.yaml --data CASES --out FOLDER

Every second kill is SIGTERM, the others SIGKILL. Prints the largest difference of a weight and whether the logs
are the same bytes. Exit status 1 if anything differs.
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

    rng = random.Random(options.seed)
    interrupted, kills = options.out / "interrupted", 0
    while kills < options.kills:
        run = subprocess.Popen(
            [*command, "--out", interrupted], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            run.wait(timeout=rng.uniform(0.3, 0.8) * duration)
            break  # it came to its end
        except subprocess.TimeoutExpired:
            number = signal.SIGTERM if kills % 2 else signal.SIGKILL
            run.send_signal(number)
            run.wait()
            kills += 1
            log = interrupted / "log.csv"
            done = len(log.read_text().splitlines()) - 1 if log.exists() else 0
            print(f"{number.name} with {done} epochs finished", flush=True)
    subprocess.run([*command, "--out", interrupted], check=True, stdout=subprocess.DEVNULL)
    return compare(options.out / "undisturbed", interrupted, kills)


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
