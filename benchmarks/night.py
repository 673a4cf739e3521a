"""What hours of training reach: the paper's recipe and ours, side by side for as long, on phantoms at 8 mm.

    tmtv phantom PHANTOM --cases 300 --seed 1
    tmtv prepare PHANTOM/dicom --out CASES --clinical PHANTOM/cohort.csv --no-model-grid
    python -m benchmarks.night --data CASES --out FOLDER --minutes 100 --epochs 60

vnet_paper.yaml, the same with an untrained network that answers 0.02 in place of 0.5, and vnet_groupnorm.yaml (for
`--epochs`, which its cosine decay needs to know) on a grid of 8 mm, each in a process on as many of the CPU's cores.
Judged on the test split by the hard Dice against TMTVprob > 0.5 on the PET's own grid. Writes
FOLDER/night.{csv,md,png}. With more `--minutes` the same command goes on.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from benchmarks.ablation import markdown, merged, packaged, row, train

# bfloat16 for both: half as long a step on this CPU, weights and loss stay float32
SAME = {"grid": {"shape": [128, 64, 64], "spacing_mm": [8, 8, 8]}, "precision": "mixed_bfloat16"}


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    ours = {"epochs": options.epochs, "batch": 1, "augmentation": {"on_accelerator": False}}
    paper = merged(packaged("vnet_paper.yaml"), SAME)
    recipes = {
        "vnet_paper.yaml": paper,
        "vnet_paper.yaml, initial_probability 0.02": merged(paper, {"model": {"initial_probability": 0.02}}),
        "vnet_groupnorm.yaml": merged(merged(packaged("vnet_groupnorm.yaml"), SAME), ours),
    }
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, len(cores) // len(recipes))
    shares = [cores[i : i + share] for i in range(0, share * len(recipes), share) if cores[i : i + share]]
    unused = iter(shares)

    def pin() -> None:
        os.sched_setaffinity(0, next(unused))  # of this thread, and so of the processes it starts

    def trained(recipe: tuple[str, dict]) -> Path:
        return train(*recipe, options.data, options.out, options.minutes)

    with ThreadPoolExecutor(len(shares), initializer=pin) as pool:
        folders = list(pool.map(trained, recipes.items()))
    rows = [row(name, folder, options.data) for name, folder in zip(recipes, folders, strict=True)]
    table = pd.DataFrame(rows)
    table.to_csv(options.out / "night.csv", index=False)
    text = markdown(table)
    (options.out / "night.md").write_text(text)
    draw(table, options.out / "night.png")
    print(text)


def draw(table: pd.DataFrame, out: Path) -> None:
    """Soft Dice loss and hard Dice of the validation cases, against the minutes of training."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for r in table.itertuples():
        log = pd.read_csv(Path(r.folder) / "run" / "log.csv")
        minutes = log["epoch"] * r.minutes / len(log)
        axes[0].plot(minutes, log["val_loss"], label=r.variant)
        axes[1].plot(minutes, log["val_dice"], label=r.variant)
    axes[0].set(ylabel="soft Dice loss, validation phantoms")
    axes[1].set(ylabel="Dice at 0.5, validation phantoms")
    for each in axes:
        each.set(xlabel="minutes of training on one CPU core", ylim=(0, 1))
        each.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle("128 x 64 x 64 voxels of 8 mm; phantoms, not patients", fontsize="medium")
    figure.savefig(out, dpi=110)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="cases with cohort.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=480, help="for each recipe, in all")
    parser.add_argument("--epochs", type=int, default=100, help="of vnet_groupnorm.yaml")
    return parser.parse_args()


if __name__ == "__main__":
    main()
