"""The page of one made-up result, and where its lesions are hot."""

from __future__ import annotations

import numpy as np

import postprocess
from petct.image import Image
from tmtv_tf.report.content import StudyPage
from tmtv_tf.report.pictures import cuts, projections

SPACING = (4.0, 3.0, 2.0)
HOT = {1: (slice(30, 34), slice(10, 16), slice(40, 48)), 2: (slice(6, 9), slice(24, 27), slice(8, 12))}


def page(study: tuple[Image, np.ndarray], **changes: object) -> StudyPage:
    pet, labels = study
    methods = {"raw": postprocess.patient_measures(labels, pet.array, SPACING).as_dict()}
    lesions = postprocess.lesion_table(labels, pet.array, SPACING)
    said = {
        "case_id": "case-1", "method": "raw", "methods": methods, "lesions": lesions,
        "projections": projections(pet, labels), "cuts": cuts(pet, labels),
        "suv": [("Rule", "START & co")], "origin": [("Model", "<script>alert(1)</script>")],
        "warnings": ["Trained on synthetic images only; not validated on patients."],
    }  # fmt: skip
    return StudyPage(**{**said, **changes})
