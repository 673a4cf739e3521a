"""Probability map + SUV image -> lesions and TMTV. Imports neither `tmtv_tf` nor `training`, and never TensorFlow.

In memory: `segment(probability, suv, spacing_mm, "41")` gives lesion labels, `lesion_table` their numbers.
"""

import lazy_loader

from petct.moved import point_to

point_to(
    {
        **{
            f"postprocess.{name}": f"petct.{name}"
            for name in ("console", "errors", "files", "image", "nifti", "orientation", "parallel", "version")
        },
        "postprocess.components": "postprocess (label_components, threshold_probability)",
        "postprocess.deflate": "isal",
        "postprocess.watershed": "postprocess (split_large_components)",
    }
)
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["Config"],
        "measures": ["Lesion", "LesionInArray", "PatientMeasures", "lesion_table", "patient_measures"],
        "methods": ["METHODS"],
        "section_2_5": [
            "label_components",
            "segment",
            "split_large_components",
            "threshold_probability",
            "threshold_suvmax_fraction",
        ],
        "segmentation": ["Instances", "Segmentation"],
    },
)
