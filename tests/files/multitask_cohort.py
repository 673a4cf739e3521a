"""A tiny cohort of case folders: warm boxes with hot spheres; those with more disease have the event."""

import csv

import numpy as np

from petct.files import write_json
from petct.image import Geometry, Image, write_image

GEOMETRY = Geometry((40, 22, 22), (20.0, 20.0, 20.0), (-210.0, -210.0, 0.0))
HEADER = [
    "case_id",
    "patient_key",
    "split",
    "efs2y_event",
    "pfs_months",
    "pfs_event",
    "os_months",
    "os_event",
]


def write_cohort_of_boxes(folder, n=20, seed=0, without_truth=(), without_outcome=()):
    """`n` cases, every other with an event; splits 60/40; returns the folder."""
    rng = np.random.default_rng(seed)
    index = np.indices(GEOMETRY.shape)
    rows = []
    for i in range(n):
        case_id, event = f"case-{i:02d}", i % 2
        pet = rng.uniform(0.5, 1.5, GEOMETRY.shape).astype(np.float32)
        pet[:, [0, 1, -2, -1]] = 0
        truth = np.zeros(GEOMETRY.shape, np.float32)
        for _ in range(1 + 2 * event):
            centre = rng.uniform((8, 7, 7), (32, 14, 14))
            radius = rng.uniform(2, 3) + event
            truth[sum((a - c) ** 2 for a, c in zip(index, centre, strict=True)) < radius**2] = 1
        pet += 9 * truth
        case = folder / case_id
        write_image(case / "pet.nii.gz", Image(pet, GEOMETRY))
        if i not in without_truth:
            write_image(case / "tmtvprob.nii.gz", Image(truth, GEOMETRY))
            write_image(case / "reference_outlines.nii.gz", Image(truth > 0.5, GEOMETRY))
            for method in ("41", "2.5", "4.0", "otsu"):
                write_image(case / f"reference_{method}.nii.gz", Image(truth > 0.5, GEOMETRY))
        write_json(case / "case.json", {"case_id": case_id})
        months = rng.uniform(3, 20) if event else rng.uniform(26, 60)
        outcome = (
            ["", "", "", "", ""]
            if i in without_outcome
            else [event, f"{months:.1f}", event, f"{months + 5:.1f}", 0]
        )
        rows.append([case_id, f"p{i}", "train" if i % 5 < 3 else "validation", *outcome])
    with open(folder / "cohort.csv", "w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return folder
