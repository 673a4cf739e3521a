"""Apply a network of Liu et al. to a prepared case: lesion probability on the PET grid, and the prognosis."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from petct.errors import ModelError
from petct.files import replace_atomically, sha256
from petct.image import Geometry, Image, image_sha256, read_image
from petct.version import software
from tmtv_tf import __version__
from tmtv_tf.cases.case import load_case
from tmtv_tf.inference.segmentation import (
    MAP_NAME,
    NEGLIGIBLE_PROBABILITY,
    matching_prediction,
    write_prediction,
)
from tmtv_tf.input.grid import BODY_SUV
from tmtv_tf.input.multitask_input import MultitaskGrid, crop_geometry, multitask_image, probability_on_pet
from tmtv_tf.models.file import MEMBER, read_description

GRID_KEY = "multitask_grid"
# Share of the body outside the crop from which a warning is worth its ink (arms beside the body, feet).
BODY_OUTSIDE_SHARE = 0.05


def is_multitask(description: dict[str, Any]) -> bool:
    """Whether a model file's description (`read_description`) is that of a network of Liu et al."""
    return GRID_KEY in description


def save_multitask_model(
    path: Path, model: keras.Model, grid: MultitaskGrid, provenance: dict[str, Any] | None = None
) -> None:
    """Write network and description, whole or not at all; it loads without this package."""
    description = {
        GRID_KEY: asdict(grid),
        "provenance": provenance or {},
        "software": {"tmtv_tf": __version__, "keras": keras.version()},
    }
    with replace_atomically(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(description, indent=2))


def load_multitask_model(path: Path) -> tuple[keras.Model, MultitaskGrid]:
    """The network (not compiled) and the grid it needs.

    Raises
    ------
    ModelError
        No such file, not a network of this kind, or one that does not fit its grid.
    """
    description = read_description(path)
    if not is_multitask(description):
        raise ModelError(f"{path}: its {MEMBER} has no {GRID_KEY}; it is not a network of this kind.")
    grid = MultitaskGrid(**{key: tuple(value) for key, value in description[GRID_KEY].items()})
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        raise ModelError(f"{path}: the network cannot be loaded ({str(error).splitlines()[0]}).") from error
    if tuple(model.input_shape[1:]) != grid.input_shape:
        raise ModelError(
            f"{path}: the network takes {tuple(model.input_shape[1:])} but its grid gives {grid.input_shape}."
        )
    return model, grid


def predict_multitask(
    model: keras.Model, grid: MultitaskGrid, pet: Image
) -> tuple[Image | None, dict[str, float], list[str]]:
    """Lesion probability on the PET grid (None without segmentation), event probabilities, warnings.

    The event probabilities are those of `prognosis` (fused) and, where the network has them, of each head.
    """
    crop = crop_geometry(pet, grid)
    outputs = model.predict_on_batch(multitask_image(pet, crop, grid).array[None, ..., None])
    events = {name: float(value[0, 1]) for name, value in outputs.items() if name.startswith("prognosis")}
    probability = None
    if "segmentation_1" in outputs:
        native = probability_on_pet(outputs["segmentation_1"][0, ..., 1], crop, pet.geometry)
        native[native < NEGLIGIBLE_PROBABILITY] = 0.0
        probability = Image(np.clip(native, 0.0, 1.0), pet.geometry)
    return probability, events, _crop_warnings(pet, crop)


def predict_multitask_case(case_dir: Path, model_path: Path, out: Path) -> str:
    """Predict one prepared case into `<out>/<case_id>/`: probability.nii.gz, prediction.json (with `prognosis`).

    Returns "kept" where it stands already, made from the same files by the same model; else "done".
    """
    digest = sha256(model_path)
    model, grid = _loaded(model_path, digest)
    # A case that cannot even be opened must not keep another model's map.
    matching_prediction(out / case_dir.absolute().name, {"model": digest})
    case = load_case(case_dir)
    folder = out / case.case_id
    inputs = {"model": digest, "pet": image_sha256(case.pet)}
    earlier = matching_prediction(folder, inputs)
    has_map = (folder / MAP_NAME).is_file() or "segmentation_1" not in model.output
    if earlier.get("software") == software() and has_map:
        return "kept"
    probability, events, warnings = predict_multitask(model, grid, read_image(case.pet))
    info = {
        "case_id": case.case_id,
        "model": model_path.name,
        "inputs": inputs,
        GRID_KEY: asdict(grid),
        "event_within_two_years": events,
        "warnings": warnings,
        "software": software(),
    }
    write_prediction(folder, probability, info)
    return "done"


@lru_cache(maxsize=1)
def _loaded(path: Path, digest: str) -> tuple[keras.Model, MultitaskGrid]:
    return load_multitask_model(path)


def _crop_warnings(pet: Image, crop: Geometry) -> list[str]:
    body = np.argwhere(pet.array[::2, ::2, ::2] > BODY_SUV) * 2
    index = crop.to_index(pet.geometry.to_world(body))
    outside = np.any((index < -0.5) | (index >= np.array(crop.shape) - 0.5), axis=1).mean()
    if outside <= BODY_OUTSIDE_SHARE:
        return []
    return [f"{outside:.0%} of the body lies outside the network's crop: lesions there are not found."]
