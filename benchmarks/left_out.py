"""How the recipe of the packaged networks does on a world that it never saw, and from a few cases of it.

    python -m benchmarks.left_out world WORLD --pool POOL --test TEST_POOL --out FOLDER    train without it, test on it
    python -m benchmarks.left_out few WORLD --pool POOL --test TEST_POOL --out FOLDER      then from 5 to 40 cases of it
    python -m benchmarks.left_out figure WORLD --out FOLDER --picture few_cases.png

`world` trains the first two parts of `make model` and its last at the shorter length of PARTS; one that is done is not
done again.
`few` starts from its first part (9 mm, the cheapest) and, beside that, from scratch: the same steps and cases. The
pools are those of `python -m benchmarks.worlds pool`, of two seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

from tmtv_tf.phantom.worlds.pool import pool_files
from tmtv_tf.phantom.worlds.sample import WORLDS
from training.config import PACKAGED

# Epochs of 100 steps; the packaged networks take 25 and 70, then 110 in four further parts like the last.
PARTS = {"worlds_coarse": 10, "worlds_fine": 15, "worlds_mimics": 8}
COUNTS = (5, 10, 20, 40)
FEW_EPOCHS = 5
MIDPOINT, CERTAIN = 0.3, 0.6  # those of the packaged networks
TUNED_LEARNING_RATE = 5e-4  # as in finetune.yaml


def train(part: str, changes: dict, pool: Path, out: Path, start: Path | None) -> Path:
    """One training with a packaged configuration that is changed in a few places; its last.keras."""
    last = out / "last.keras"
    if (out / "done").is_file():
        return last
    out.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_load((PACKAGED / f"{part}.yaml").read_text())
    rate = changes.pop("learning_rate", settings["optimizer"]["learning_rate"])
    settings = {**settings, **changes, "optimizer": {**settings["optimizer"], "learning_rate": rate}}
    config = out / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    initial = [] if start is None else ["--initial-weights", str(start)]
    _run("training.train_worlds", "--config", config, "--pool", pool, "--out", out, *initial)
    (out / "done").touch()
    return last


def test(model: Path, name: str, world: str, pool: Path, out: Path) -> None:
    """Test a model as it would be packaged."""
    shape = yaml.safe_load((model.parent / "config.yaml").read_text())["grid"]["shape"]
    choices = ("--shape", *shape, "--midpoint", MIDPOINT, "--certain", CERTAIN)
    _run("training.package_model", model, "--out", model.parent, *choices)
    packed = model.parent / "synthetic-petct.openvino"
    _run("benchmarks.worlds", "test", packed, "--pool", pool, "--world", world, "--name", name, "--out", out)


def world(left_out: str, options: argparse.Namespace) -> None:
    """Train on the other worlds and test on this one."""
    others = [w for w in WORLDS if w != left_out]
    model = None
    for part, epochs in PARTS.items():
        changes = {"worlds": others, "epochs": epochs, "precision": options.precision, "cosine_decay": True}
        model = train(part, changes, options.pool, options.out / left_out / part, model)
    assert model is not None
    test(model, f"{left_out} left out", left_out, options.test, options.out / f"{left_out}.json")


def few(left_out: str, options: argparse.Namespace) -> None:
    """Train on a few cases of the world that was left out, from the others' weights and from scratch."""
    start = options.out / left_out / "worlds_coarse" / "last.keras"
    test(start, "none", left_out, options.test, options.out / f"few_{left_out}_0.json")
    files = pool_files(options.pool, [left_out])
    for count in COUNTS:
        pool = options.out / f"pool_{count}"
        (pool / left_out).mkdir(parents=True, exist_ok=True)
        for file in files[:count]:
            link = pool / left_out / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
        for name, weights, rate in (("tuned", start, TUNED_LEARNING_RATE), ("scratch", None, None)):
            changes = {"worlds": [left_out], "epochs": FEW_EPOCHS, "precision": options.precision}
            changes |= {"cosine_decay": True} | ({} if rate is None else {"learning_rate": rate})
            key = f"few_{left_out}_{name}_{count}"
            model = train("worlds_coarse", changes, pool, options.out / key, weights)
            test(model, name, left_out, options.test, options.out / f"{key}.json")


def figure(left_out: str, options: argparse.Namespace) -> None:
    """Median Dice by the number of cases."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def found(key: str) -> dict:
        return json.loads((options.out / f"few_{left_out}_{key}.json").read_text())["worlds"][left_out]

    picture, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    none = found("0")
    axes.axhline(none["median_dice"], color="0.4", linestyle="--", label="no case of this world")
    for name, label, shift in (
        ("scratch", "from scratch", 0.97),
        ("tuned", "from a network of other worlds", 1.03),
    ):
        rows = [found(f"{name}_{count}") for count in COUNTS]
        median = [r["median_dice"] for r in rows]
        low, high = zip(*(r["median_dice_95"] for r in rows))
        bars = [[m - lo for m, lo in zip(median, low)], [h - m for m, h in zip(median, high)]]
        axes.errorbar([c * shift for c in COUNTS], median, bars, marker="o", capsize=3, label=label)
    axes.set_xscale("log")
    axes.set_xticks(COUNTS, [str(c) for c in COUNTS], minor=False)
    axes.minorticks_off()
    axes.set(xlabel="cases to train on", ylabel="median Dice (95 % interval)", ylim=(0, 1))
    axes.legend()
    picture.savefig(options.picture, dpi=150)


def _run(*arguments: str | Path | float) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("world", "few", "figure"))
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pool", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--precision", default="float32", help="mixed_bfloat16 where the CPU computes it.")
    parser.add_argument("--picture", type=Path, default=Path("few_cases.png"))
    options = parser.parse_args()
    if options.what != "figure" and (options.pool is None or options.test is None):
        parser.error("--pool and --test are needed")
    {"world": world, "few": few, "figure": figure}[options.what](options.world, options)


if __name__ == "__main__":
    main()
