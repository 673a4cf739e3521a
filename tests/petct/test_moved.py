"""Import paths of version 0.1 say where things are now."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys

import pytest

import postprocess  # noqa: F401 - each says where its modules went
import tmtv_tf  # noqa: F401
from petct.moved import MovedModules

OLD = [
    "postprocess.console",
    "postprocess.deflate",
    "postprocess.errors",
    "postprocess.files",
    "postprocess.image",
    "postprocess.nifti",
    "postprocess.orientation",
    "postprocess.parallel",
    "postprocess.version",
    "postprocess.components",
    "postprocess.watershed",
    "tmtv_tf.data",
    "tmtv_tf.data.dicom",
    "tmtv_tf.data.suv.factor",
    "tmtv_tf.data.cohort",
    "tmtv_tf.errors",
    "tmtv_tf.losses",
    "tmtv_tf.metrics",
    "tmtv_tf.models.multitask_unet",
    "tmtv_tf.models.vnet",
    "tmtv_tf.multitask_losses",
    "tmtv_tf.multitask_metrics",
    "tmtv_tf.multitask_inference",
    "tmtv_tf.quiet",
    "tmtv_tf.evaluation.classification",
    "tmtv_tf.evaluation.liu2022",
    "tmtv_tf.evaluation.prognosis_rivals",
    "tmtv_tf.evaluation.study_figures",
    "tmtv_tf.evaluation.study_report",
    "tmtv_tf.evaluation.study_tables",
    "tmtv_tf.evaluation.study_views",
    "tmtv_tf.evaluation.survival",
]


@pytest.mark.parametrize("name", OLD)
def test_an_old_path_names_the_new_one(name):
    with pytest.raises(ImportError, match="moved in version 0.2: use ") as caught:
        importlib.import_module(name)
    assert not isinstance(caught.value, ModuleNotFoundError)


def test_every_new_place_exists():
    tables = [finder.places for finder in sys.meta_path if isinstance(finder, MovedModules)]
    places = {
        place
        for table in tables
        for text in table.values()
        for place in re.findall(r"[a-z][a-z_.0-9]+", text)
    }
    modules = {
        place for place in places if place.split(".")[0] in ("petct", "postprocess", "tmtv_tf", "isal")
    }
    assert len(modules) > 20
    assert [
        place for place in modules if importlib.util.find_spec(place.rstrip(".")) is None and "." in place
    ] == []


def test_a_name_that_never_was_is_missing_as_ever():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("postprocess.nothing")
