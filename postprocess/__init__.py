"""Probability map + SUV image -> lesions and TMTV. Imports neither `tmtv_tf` nor `training`, and never TensorFlow.

In memory: `segment(probability, suv, spacing_mm, "41")` gives lesion labels, `lesion_table` their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postprocess.components import label_components, threshold_probability
    from postprocess.config import Config
    from postprocess.measures import Lesion, LesionInArray, lesion_table, patient_measures
    from postprocess.methods import METHODS
    from postprocess.segmentation import Segmentation, segment
    from postprocess.thresholds import threshold_suvmax_fraction
    from postprocess.watershed import split_large_components

_WHERE = {
    "Config": "config",
    "Lesion": "measures",
    "LesionInArray": "measures",
    "METHODS": "methods",
    "Segmentation": "segmentation",
    "label_components": "components",
    "lesion_table": "measures",
    "patient_measures": "measures",
    "segment": "segmentation",
    "split_large_components": "watershed",
    "threshold_probability": "components",
    "threshold_suvmax_fraction": "thresholds",
}
__all__ = [
    "METHODS",
    "Config",
    "Lesion",
    "LesionInArray",
    "Segmentation",
    "label_components",
    "lesion_table",
    "patient_measures",
    "segment",
    "split_large_components",
    "threshold_probability",
    "threshold_suvmax_fraction",
]


def __getattr__(name: str) -> object:
    """Load a public name on first use, so that the command line starts quickly."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
