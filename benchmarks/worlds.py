"""How well a model works on worlds, those it was trained on and those it was not.

    python -m benchmarks.worlds pool POOL --anatomies DIR --count N --seed S [--world W ...]   draw samples
    python -m benchmarks.worlds test MODEL --pool POOL [--world W ...] [--real CASES] [--without-ct] --out F.json
    python -m benchmarks.worlds losses MODEL --pool POOL [--real CASES]                        what the Dice is lost for
    python -m benchmarks.worlds table F.json ... --out results/worlds.md                       the matrix

`test` predicts every sample as `tmtv run` does and scores it (`tmtv_tf.phantom.worlds.score`). With `--real` (prepared
cases, `tmtv prepare`) lesions are put into real images, their own tumour is left out of the score, and what
is marked in the untouched image is counted too. No packaged model is trained or chosen on real images. `losses` takes
the network's map without outlines, and gives its median Dice with one kind of error mended at a time. `table` writes
the median Dice of each model and world with 95 % bootstrap intervals (a star marks a world that it was trained on),
and the other figures below.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from petct.files import write_json
from petct.image import Geometry, Image
from tmtv_tf.inference.load import load_model
from tmtv_tf.inference.model import Model
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.pool import fill_pool, pool_files, read_sample
from tmtv_tf.phantom.worlds.real import real_background
from tmtv_tf.phantom.worlds.sample import WORLDS, Sample
from tmtv_tf.phantom.worlds.score import VOXEL_ML, Score, score, summary

REAL_SEEDS = (1, 2, 3)


def probability(model: Model, sample: Sample, *, ct: bool = True) -> np.ndarray:
    """The probability on the sample's grid; `ct` False hides the CT (-1000 HU, as in a sample without one)."""
    z, y, x = sample.suv.shape
    grid = Geometry((z, y, x), (VOXEL_MM,) * 3)
    hu = sample.hu if ct else np.full_like(sample.hu, -1000)
    return model.predict(Image(sample.suv, grid), Image(hu, grid) if model.needs_ct else None).array


def test_worlds(model: Model, pool: Path, worlds: list[str], *, ct: bool) -> dict[str, list[Score]]:
    return {
        world: [score(probability(model, s, ct=ct), s) for s in map(read_sample, pool_files(pool, [world]))]
        for world in worlds
    }


def test_real(model: Model, cases: Path) -> tuple[list[Score], dict[str, float]]:
    """Scores of images with inserted lesions, and the mL marked in the untouched image away from its tumour."""
    scores, marked = [], {}
    for number, pet in enumerate(sorted(cases.rglob("pet.nii.gz"))):
        for seed in REAL_SEEDS:
            sample, ignored = real_background(pet.parent, np.random.default_rng((number, seed)))
            scores.append(score(probability(model, sample), sample, ignored))
        empty, ignored = real_background(pet.parent, np.random.default_rng(0), lesions=0)
        found = (probability(model, empty) > 0.5) & ~ignored
        marked[f"image {number + 1}"] = float(np.count_nonzero(found)) * VOXEL_ML
    return scores, marked


def losses(probability: np.ndarray, sample: Sample, ignored: np.ndarray | None = None) -> list[float]:
    """Dice as it is; without false components; with what was found drawn perfectly; with the missed ones."""
    predicted, truth = probability > 0.5, sample.tmtvprob > 0.5
    if ignored is not None:
        predicted, truth = predicted & ~ignored, truth & ~ignored
    true_part, found = touching(predicted, truth), touching(truth, predicted)
    masks = (predicted, true_part, found | (predicted & ~true_part), predicted | (truth & ~found))
    totals = [np.count_nonzero(mask) + np.count_nonzero(truth) for mask in masks]
    return [2 * np.count_nonzero(mask & truth) / n if n else math.nan for mask, n in zip(masks, totals)]


def touching(mask: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The 6-connected components of a mask that share a voxel with another."""
    labels, count = ndimage.label(mask)
    keep = np.zeros(count + 1, bool)
    keep[labels[mask & other]] = True
    return keep[labels]


def print_losses(model: Model, pool: Path, real: Path | None) -> None:
    """One row a world: medians of `losses`."""
    model = replace(model, description=replace(model.description, outlining=None))
    rows = {
        world: [losses(probability(model, s), s) for s in map(read_sample, pool_files(pool, [world]))]
        for world in WORLDS
    }
    for number, pet in enumerate(sorted(real.rglob("pet.nii.gz")) if real else ()):
        for seed in REAL_SEEDS:
            sample, ignored = real_background(pet.parent, np.random.default_rng((number, seed)))
            lost = losses(probability(model, sample), sample, ignored)
            rows.setdefault("real backgrounds", []).append(lost)
    print("| world | as it is | no false component | found lesions drawn perfectly | missed ones added |")
    print("|---|---|---|---|---|")
    for world, found in rows.items():
        if found:
            print(f"| {world} | " + " | ".join(f"{v:.2f}" for v in np.nanmedian(found, axis=0)) + " |")


def table(results: list[dict]) -> str:
    """The matrix of medians as Markdown, and below it the other figures, one row a model and world."""
    worlds = list(dict.fromkeys(world for r in results for world in r["worlds"]))
    matrix = ["| model | " + " | ".join(worlds) + " |", "|---" * (len(worlds) + 1) + "|"]
    rest = [
        "| model | world | lesions found | components found | false components, mL | at most 20 mL in hot organs |",
        "|---" * 6 + "|",
    ]
    for r in results:
        cells = []
        for world in worlds:
            s = r["worlds"].get(world)
            if s is None:
                cells.append("")
                continue
            low, high = s["median_dice_95"]
            star = "*" if world in r["trained_on"] else ""
            cells.append(f"**{s['median_dice']:.2f}**{star} ({low:.2f} to {high:.2f})")
            shares = [f"{100 * s[key]:.0f} %" for key in ("drawn_found", "lesions_found")]
            hot = f"{100 * s['share_hot_at_most_20_ml']:.0f} % of {s['cases']}"
            rest.append(
                "| " + " | ".join((r["model"], world, *shares, f"{s['median_false_ml']:.0f}", hot)) + " |"
            )
        matrix.append(f"| {r['model']} | " + " | ".join(cells) + " |")
    return "\n".join([*matrix, "", *rest]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("pool")
    draw.add_argument("pool", type=Path)
    draw.add_argument("--anatomies", type=Path)
    draw.add_argument("--count", type=int, required=True)
    draw.add_argument("--seed", type=int, required=True)
    test = commands.add_parser("test")
    test.add_argument("model")
    test.add_argument("--pool", type=Path, required=True)
    test.add_argument("--real", type=Path)
    test.add_argument("--without-ct", action="store_true")
    test.add_argument("--name")
    test.add_argument("--out", type=Path, required=True)
    lost = commands.add_parser("losses")
    lost.add_argument("model")
    lost.add_argument("--pool", type=Path, required=True)
    lost.add_argument("--real", type=Path)
    for command in (draw, test):
        command.add_argument("--world", action="append", choices=WORLDS)
    show = commands.add_parser("table")
    show.add_argument("results", type=Path, nargs="+")
    show.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    if a.command == "pool":
        fill_pool(a.pool, a.world or WORLDS, a.count, a.seed, a.anatomies)
    elif a.command == "losses":
        print_losses(load_model(a.model), a.pool, a.real)
    elif a.command == "table":
        a.out.write_text(table([json.loads(path.read_text()) for path in a.results]))
    else:
        model = load_model(a.model)
        scores = test_worlds(model, a.pool, a.world or list(WORLDS), ct=not a.without_ct)
        trained_on = model.description.provenance.get("worlds", [])
        result = {"model": a.name or str(a.model), "trained_on": trained_on}
        if a.real:
            scores["real backgrounds"], result["marked_in_untouched_images_ml"] = test_real(model, a.real)
        result["worlds"] = {world: summary(found) for world, found in scores.items() if found}
        result["cases"] = {
            world: [
                {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(s).items()}
                for s in found
            ]
            for world, found in scores.items()
        }
        write_json(a.out, result)
        print(table([result]))


if __name__ == "__main__":
    main()
