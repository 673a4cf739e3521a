"""Pictures of synthetic patients: coronal PET maximum projection, the same with the lesions outlined, coronal CT.

    python -m benchmarks.phantom_gallery OUT.png --cases 12 --seed 7

Draws straight from the generator (no DICOM): look at them until they look like patients.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--columns", type=int, default=4)
    arguments = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from petct.parallel import progress
    from tmtv_tf.phantom.cohort import describe, make_scan

    columns = min(arguments.columns, arguments.cases)
    rows = -(-arguments.cases // columns)
    figure, axes = plt.subplots(rows, columns * 3, figsize=(columns * 5.0, rows * 4.2), squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    with progress("phantoms", arguments.cases) as advance:
        for k in range(arguments.cases):
            scan = make_scan(arguments.first + k, arguments.seed)
            mip, outline, ct = axes[k // columns, 3 * (k % columns) : 3 * (k % columns) + 3]
            suv, (sz, _, sx) = scan.pet.array, scan.pet.spacing_mm
            projection = suv.max(axis=1)[::-1]
            for axis in (mip, outline):
                axis.imshow(projection, cmap="gray_r", vmin=0, vmax=8, aspect=sz / sx)
            outline.contour((scan.labels > 0).any(axis=1)[::-1], levels=[0.5], colors="red", linewidths=0.6)
            row = int(
                np.clip(
                    np.round(scan.ct.geometry.to_index([(0, 15, 0)])[0][1]), 0, scan.ct.array.shape[1] - 1
                )
            )
            cz, _, cx = scan.ct.spacing_mm
            ct.imshow(scan.ct.array[::-1, row], cmap="gray", vmin=-200, vmax=350, aspect=cz / cx)
            facts = describe(scan)
            mip.set_title(f"{facts['case_id']} {facts['subtype']}", fontsize=7)
            outline.set_title(f"{facts['true_tmtv_ml']:.0f} mL, n = {facts['true_lesion_count']}", fontsize=7)
            ct.set_title(", ".join(scan.traps) or "-", fontsize=6)
            advance(1)
    figure.tight_layout(pad=0.2)
    figure.savefig(arguments.out, dpi=100)


if __name__ == "__main__":
    main()
