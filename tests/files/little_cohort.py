"""A cohort so small that an epoch takes a fraction of a second: bright balls on noise, some of them tumour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from petct.image import Geometry, Image, write_image
from tmtv_tf.cases.cohort import write_cohort

SHAPE = (16, 16, 16)
CONFIG = """
seed: 4
epochs: {epochs}
batch: 2
grid: {{shape: [16, 16, 16], spacing_mm: [4, 4, 4]}}
model: {{filters: 4, convolutions: [1, 1], bottom_convolutions: 1, kernel_size: 3, dropout: 0.2}}
optimizer: {{name: adam, learning_rate: 0.01}}
reduce_on_plateau: {{patience: 1, factor: 0.5}}
augmentation: {{mode: online}}
"""


def write_little_cohort(folder: Path, cases: int = 8) -> Path:
    """`cases` case folders: 3 of 4 train, 1 of 4 validate."""
    rows = []
    for i in range(cases):
        rng = np.random.default_rng(i)
        pet, ct = rng.gamma(3, 0.3, SHAPE), rng.normal(40, 20, SHAPE)
        truth = np.zeros(SHAPE, np.float32)
        for k in range(4):
            centre, radius = rng.integers(3, 13, 3), rng.uniform(2, 3.5)
            ball = sum((a - c) ** 2 for a, c in zip(np.indices(SHAPE), centre)) < radius**2
            pet[ball] += 8
            ct[ball] = 400 if k % 2 else 40
            truth[ball] = 0 if k % 2 else 1
        geometry = Geometry(SHAPE, (4.0, 4.0, 4.0))
        case = folder / f"case{i}"
        for name, array in (("pet", pet), ("ct", ct), ("tmtvprob", truth)):
            write_image(case / f"{name}.nii.gz", Image(array.astype(np.float32), geometry))
        (case / "case.json").write_text(json.dumps({"case_id": case.name}))
        split = "validation" if i % 4 == 3 else "train"
        rows.append({"case_id": case.name, "patient_key": f"p{i}", "split": split, "subtype": "HL"})
    write_cohort(folder, rows)
    return folder


def write_config(path: Path, epochs: int, extra: str = "") -> Path:
    path.write_text(CONFIG.format(epochs=epochs) + extra)
    return path
