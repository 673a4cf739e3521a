"""The published results that a cohort is laid beside: Revailler et al., Diagnostics 2022, 12, 417."""

from __future__ import annotations

CITATION = "Revailler et al., Diagnostics 2022; 12: 417 (407 test patients)"

# Table 2. Dice of the post-processed prediction: (subtype, method) -> median, mean, SD. "All" = all patients.
DICE_BY_SUBTYPE: dict[tuple[str, str], tuple[float, float, float]] = {
    ("HL", "41"): (0.70, 0.68, 0.16),
    ("HL", "2.5"): (0.68, 0.67, 0.11),
    ("HL", "4.0"): (0.93, 0.90, 0.10),
    ("FL", "41"): (0.76, 0.68, 0.22),
    ("FL", "2.5"): (0.68, 0.64, 0.18),
    ("FL", "4.0"): (0.90, 0.86, 0.17),
    ("DLBCL", "41"): (0.85, 0.79, 0.20),
    ("DLBCL", "2.5"): (0.75, 0.70, 0.19),
    ("DLBCL", "4.0"): (0.87, 0.82, 0.15),
    ("All", "41"): (0.77, 0.73, 0.20),
    ("All", "2.5"): (0.70, 0.68, 0.16),
    ("All", "4.0"): (0.90, 0.86, 0.15),
}
# Section 3.4. TMTV in mL: (method, source) -> median, SD.
TMTV_ML: dict[tuple[str, str], tuple[float, float]] = {
    ("41", "manual"): (240, 498),
    ("41", "predicted"): (208, 420),
    ("2.5", "manual"): (400, 621),
    ("2.5", "predicted"): (253, 472),
    ("4.0", "manual"): (212, 457),
    ("4.0", "predicted"): (207, 430),
}
PAIRED_T = {"41": "NS", "2.5": "p < 0.001", "4.0": "NS"}  # section 3.4
SPEARMAN = {"41": 0.92, "2.5": 0.95, "4.0": 0.98}  # section 3.5
RAW_MEDIAN_DICE = {"41": 0.71, "2.5": 0.70, "4.0": 0.81}  # section 3.2

# Section 3.1. Against TMTVprob: metric -> median, mean, SD (None: not given).
VOXEL_METRICS: dict[str, tuple[float | None, float | None, float | None]] = {
    "dice_tmtvprob": (0.81, 0.76, None),
    "jaccard_tmtvprob": (0.68, 0.64, 0.17),
    "sensitivity": (None, 0.76, 0.17),
    "specificity": (None, 0.99, 0.00),
    "ppv": (None, 0.81, 0.18),
    "npv": (None, 0.99, 0.00),
}
MEAN_DICE_BY_SPLIT = {"train": 0.836, "validation": 0.835, "test": 0.76}  # section 3.1
# Section 3.3. Number of ROIs a patient: median, mean, SD.
ROIS: dict[str, tuple[float, float, float]] = {"rois_manual": (15, 21, 20), "rois_generated": (25, 33, 30)}
# Section 2.1 and Table 1: trial -> patients, Ann Arbor stages.
COHORT: dict[str, tuple[int, str]] = {
    "AHL2011": (703, "IIB, III, IV"),
    "GAINED": (573, "I–IV"),
    "RELEVANCE": (277, "I–IV"),
    "REMARC": (217, "II–IV"),
    "FLIP": (125, "I–IV"),
    "LNH2007-3B": (61, "I–IV"),
    "PVAB": (74, "II–IV"),
    "All": (2030, ""),
}
TRAINING_HOURS = 93  # section 3.1, two GTX 1080 Ti, 1218 patients
# Section 4 and section 3.4: |difference of the median TMTV|, predicted against manual, mL.
MEDIAN_DIFFERENCE_ML = {"41": 32, "2.5": 147, "4.0": 5}
JACCARD_QUARTILES = (0.55, 0.76)  # section 3.1
FIGURE_4_DICE = (0.32, 0.84)  # a prediction with false positives at the injection site, and an accurate one
