"""Which choices matter: one network trained again and again with one thing changed, on phantoms, as long each time.

    tmtv phantom PHANTOM --cases 300 --seed 1
    tmtv prepare PHANTOM/dicom --out CASES --clinical PHANTOM/cohort.csv --no-model-grid
    python -m benchmarks.ablation --data CASES --out FOLDER [--only NAME ...]

Every variant sees every training patient as often as the first. Judged on the test split of CASES by the hard Dice
against TMTVprob > 0.5 on the PET's own grid. Writes FOLDER/ablation.{csv,md,png}; a variant that is there is not
trained again. benchmarks/night.py compares the paper's whole recipe with ours.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

import training
from petct.files import read_json, write_json
from petct.parallel import progress

CONFIGS = Path(training.__file__).parent / "configs"
GRID = {"shape": [96, 48, 48], "spacing_mm": [11, 11, 11]}
EPOCHS = 4  # of 180 patients
ONLINE = {"mode": "online", "flip_left_right": True, "scaling": [0.9, 1.1], "probability": 0.5}
SGD = {"name": "sgd", "learning_rate": 0.001}
PRIOR = {"initial_probability": 0.02}
VARIANTS: dict[str, dict] = {
    "demo.yaml's recipe": {},
    "another seed": {"seed": 1},
    "a third seed": {"seed": 2},
    "5x5x5 kernels": {"model": {"kernel_size": 5}},
    "batch normalisation, batch 2": {"model": {"normalization": "batch"}, "batch": 2},
    "group normalisation, batch 2": {"batch": 2},
    "no normalisation": {"model": {"normalization": None}},
    "PReLU": {"model": {"activation": "prelu"}},
    "PET alone": {"grid": {"channels": ["pet"]}},
    "target rounded": {"loss": {"binarize_target": True}},
    "Dice + cross-entropy": {"loss": {"kind": "dice_cross_entropy"}},
    "Tversky 0.3 / 0.7": {"loss": {"kind": "tversky"}},
    "online augmentation": {"augmentation": ONLINE},
    "SGD 0.001 / 0.9": {"optimizer": SGD},
    "initial probability 0.02": {"model": PRIOR},
    "no normalisation, initial probability 0.02": {"model": {"normalization": None, **PRIOR}},
    "SGD 0.001 / 0.9, initial probability 0.02": {"model": PRIOR, "optimizer": SGD},
    "SGD, no normalisation, initial probability 0.02": {
        "model": {"normalization": None, **PRIOR},
        "optimizer": SGD,
    },
}


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    names = options.only or list(VARIANTS)
    base = merged(packaged("demo.yaml"), {"grid": GRID, "epochs": EPOCHS})
    rows = []
    for name in names:
        folder = train(name, merged(base, VARIANTS[name]), options.data, options.out)
        rows.append(row(name, folder, options.data))
        pd.DataFrame(rows).to_csv(options.out / "ablation.csv", index=False)
    table = pd.DataFrame(rows)
    table.to_csv(options.out / "ablation.csv", index=False)
    text = markdown(table)
    (options.out / "ablation.md").write_text(text)
    draw(table, options.out)
    print(text)


def packaged(name: str) -> dict:
    """A configuration that comes with the package."""
    return yaml.safe_load((CONFIGS / name).read_text())


def merged(base: dict, change: dict) -> dict:
    """`base` with the values of `change`, section by section."""
    both = dict(base)
    for key, value in change.items():
        both[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return both


def train(name: str, config: dict, data: Path, out: Path, minutes: float = math.inf) -> Path:
    """Train in a process of its own, as a user would; SIGTERM ends it after so many minutes, earlier calls included."""
    folder = out / "".join(c if c.isalnum() else "_" for c in name)
    folder.mkdir(exist_ok=True)
    spent = folder / "minutes.json"
    before = read_json(spent) if spent.exists() else {"minutes": 0.0, "finished": False}
    if before["finished"] or before["minutes"] >= minutes:
        return folder
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [
        sys.executable,
        "-m",
        "training.train_vnet",
        "--config",
        str(path),
        "--data",
        str(data),
    ]
    start = time.monotonic()
    finished = True
    with (folder / "training.log").open("a") as log:
        run = subprocess.Popen([*command, "--out", str(folder / "run")], stdout=log, stderr=log)
        try:
            run.wait(None if minutes == math.inf else (minutes - before["minutes"]) * 60)
        except subprocess.TimeoutExpired:
            finished = False
            run.terminate()
            run.wait()
    if (finished and run.returncode) or not (folder / "run" / "best.keras").exists():
        raise SystemExit(f"{folder}/training.log: the training failed.")
    write_json(spent, {"minutes": before["minutes"] + (time.monotonic() - start) / 60, "finished": finished})
    return folder


def row(name: str, folder: Path, cases: Path) -> dict:
    """One line of the table: cost and Dice of the best checkpoint."""
    from tmtv_tf.evaluation.agreement import median_interval
    from tmtv_tf.models.file import load_model

    log = pd.read_csv(folder / "run" / "log.csv")
    path = folder / "dice.csv"
    best = folder / "run" / "best.keras"
    if not path.exists() or path.stat().st_mtime < best.stat().st_mtime:
        dice_of_cases(best, cases).to_csv(path, index=False)
    dice = pd.read_csv(path)["dice"].to_numpy()
    low, high = median_interval(dice)
    return {
        "variant": name,
        "folder": str(folder),
        "parameters": load_model(best)[0].count_params(),
        "epochs": len(log),
        "minutes": read_json(folder / "minutes.json")["minutes"],
        "validation_dice": log["val_dice"].max(),
        "test_cases": len(dice),
        "median_dice": float(np.median(dice)),
        "low": low,
        "high": high,
        "mean_dice": float(dice.mean()),
    }


def dice_of_cases(model: Path, cases: Path) -> pd.DataFrame:
    """Hard Dice against TMTVprob > 0.5 on the native grid, case by case."""
    from petct.image import read_image
    from tmtv_tf.cases.case import load_case
    from tmtv_tf.cases.cohort import read_cohort
    from tmtv_tf.evaluation.overlap import confusion
    from tmtv_tf.inference.load import load_model

    chosen = [row["case_id"] for row in read_cohort(cases) if row["split"] == "test"]
    network = load_model(model, backend="keras")
    rows = []
    with progress("test cases", len(chosen)) as advance:
        for case_id in chosen:
            case = load_case(cases / case_id)
            pet, truth = read_image(case.pet), read_image(case.tmtvprob).array > 0.5
            ct = read_image(case.ct) if network.needs_ct else None
            found = network.predict(pet, ct).array > 0.5
            rows.append({"case_id": case_id, "dice": confusion(found, truth).dice})
            advance(1)
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    lines = [
        "| variant | parameters | epochs | minutes | validation Dice (best epoch) "
        "| median test Dice (95 % interval) | mean |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.variant} | {r.parameters:,} | {r.epochs} | {r.minutes:.1f} | {r.validation_dice:.3f} "
        f"| {r.median_dice:.3f} ({r.low:.2f}-{r.high:.2f}) | {r.mean_dice:.3f} |"
        for r in table.itertuples()
    ]
    return "\n".join([*lines, "", f"{table['test_cases'].iloc[0]} test cases; phantoms, not patients.", ""])


def draw(table: pd.DataFrame, out: Path) -> None:
    """Median test Dice of every variant with its interval; the band is that of the first."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.34 * len(table) + 1.3), layout="constrained")
    first = table.iloc[0]
    axes.axvspan(first["low"], first["high"], color="tab:blue", alpha=0.12, linewidth=0)
    spread = [table["median_dice"] - table["low"], table["high"] - table["median_dice"]]
    axes.errorbar(table["median_dice"], table["variant"], xerr=spread, fmt="o", capsize=3, color="tab:blue")
    axes.set(xlabel=f"median Dice of {first['test_cases']} test cases, 95 % interval", xlim=(-0.01, 1))
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.set_title("Phantoms, not patients", fontsize="medium")
    figure.savefig(out / "ablation.png", dpi=110)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="cases with cohort.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="+", choices=list(VARIANTS), metavar="NAME", help="these variants only"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
