"""A model file as something that predicts: PET and CT in, a probability on the PET grid out, for either paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from petct.image import Geometry, Image
from tmtv_tf.inference.windows import NEGLIGIBLE_PROBABILITY, cover_body, predict_probability
from tmtv_tf.input.grid import BODY_SUV, ModelGrid, ct_coverage_warning
from tmtv_tf.input.multitask_input import MultitaskGrid, crop_geometry, multitask_image, probability_on_pet
from tmtv_tf.models.file import ModelDescription, load_model, read_description

# Share of the body outside the crop from which a warning is worth its ink (arms beside the body, feet).
BODY_OUTSIDE_SHARE = 0.05


@dataclass(frozen=True)
class Prediction:
    """What a model says of one PET/CT.

    Attributes
    ----------
    probability : of tumour, float32 in [0, 1] on the native PET grid; None for a network without segmentation
    details : what prediction.json says besides: the windows, or the probabilities of an event within two years
    warnings : one sentence each
    """

    probability: Image | None
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Model:
    """A network of either paper with the description in its file."""

    network: keras.Model
    description: ModelDescription

    @property
    def needs_ct(self) -> bool:
        grid = self.description.grid
        return isinstance(grid, ModelGrid) and grid.needs_ct

    @property
    def has_map(self) -> bool:
        """Whether it segments; the classifiers of Liu et al. give a prognosis alone."""
        return not isinstance(self.network.output, dict) or "segmentation_1" in self.network.output

    def predict(self, pet: Image, ct: Image | None) -> Prediction:
        """Apply the network to a PET (SUVbw) and the CT (HU) in its frame of reference."""
        grid = self.description.grid
        if isinstance(grid, MultitaskGrid):
            probability, events, warnings = predict_multitask(self.network, grid, pet)
            return Prediction(probability, {"event_within_two_years": events}, warnings)
        warning = ct_coverage_warning(pet, ct) if ct is not None else None
        probability = predict_probability(self.answer, grid, pet, ct)
        return Prediction(probability, {"windows": cover_body(pet, grid)}, [warning] if warning else [])

    def answer(self, image: np.ndarray) -> np.ndarray:
        """The network as a function of NumPy arrays: (1, Z, Y, X, C) to (1, Z, Y, X, 1)."""
        return np.asarray(self.network.predict_on_batch(image))


def open_model(path: Path) -> Model:
    """A model file, read. Raises ModelError as `tmtv_tf.models.file.load_model` does."""
    network, _ = load_model(path)
    return Model(network, read_description(path))


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


def _crop_warnings(pet: Image, crop: Geometry) -> list[str]:
    body = np.argwhere(pet.array[::2, ::2, ::2] > BODY_SUV) * 2
    index = crop.to_index(pet.geometry.to_world(body))
    outside = np.any((index < -0.5) | (index >= np.array(crop.shape) - 0.5), axis=1).mean()
    if outside <= BODY_OUTSIDE_SHARE:
        return []
    return [f"{outside:.0%} of the body lies outside the network's crop: lesions there are not found."]
