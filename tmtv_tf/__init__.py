"""TMTV of FDG PET/CT: DICOM to SUV, networks, evaluation and export. Importing this loads no TensorFlow."""

import lazy_loader

from petct.moved import point_to

_PROGNOSIS = (
    "classification liu2022 prognosis_rivals study_figures study_report study_tables study_views survival"
)
point_to(
    {
        **{
            f"tmtv_tf.{n}": f"tmtv_tf.models.{n}"
            for n in ("losses", "metrics", "multitask_losses", "multitask_metrics")
        },
        **{f"tmtv_tf.evaluation.{n}": f"tmtv_tf.evaluation.prognosis.{n}" for n in _PROGNOSIS.split()},
        "tmtv_tf.data": "petct.dicom, petct.suv and petct.rois (DICOM to SUV), tmtv_tf.cases (case folders) or "
        "tmtv_tf.input (grids and training arrays)",
        "tmtv_tf.errors": "petct.errors",
        "tmtv_tf.models.multitask_unet": "tmtv_tf.models (multitask_unet)",
        "tmtv_tf.models.vnet": "tmtv_tf.models (vnet)",
        "tmtv_tf.multitask_inference": "tmtv_tf.inference.model (predict_multitask)",
        "tmtv_tf.quiet": "tmtv_tf._backend",
    }
)
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["models"],
    submod_attrs={
        "inference.load": ["load_model"],
        "pipeline.options": ["RunOptions"],
        "pipeline.run": ["RunResult", "run"],
        "_version": ["__version__"],
    },
)
