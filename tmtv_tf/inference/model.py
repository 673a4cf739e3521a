"""A model as something that predicts: PET and CT in, a probability on the PET grid out, for either paper's network.

What runs the network, Keras or OpenVINO, is the affair of `tmtv_tf.inference.load`; nothing here imports either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError
from petct.geometry import require_image
from petct.image import Geometry, Image
from postprocess.config import Config
from tmtv_tf.inference.outlines import outline
from tmtv_tf.inference.trust import check_input, check_output
from tmtv_tf.inference.windows import NEGLIGIBLE_PROBABILITY, cover_body, predict_probability
from tmtv_tf.input.grid import BODY_SUV, ModelGrid, ct_coverage_warning
from tmtv_tf.input.multitask_input import MultitaskGrid, crop_geometry, multitask_image, probability_on_pet
from tmtv_tf.models.file import OUTLINING, SYNTHETIC, ModelDescription

# Share of the body outside the crop from which a warning is worth its ink (arms beside the body, feet).
BODY_OUTSIDE_SHARE = 0.05
# What the one output of a segmentation network is called where outputs have names.
MAP_OUTPUT = "probability"

# Image (1, Z, Y, X, C), float32 -> every output by its name, batch axis first.
Network = Callable[[npt.NDArray[np.float32]], Mapping[str, npt.NDArray]]


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
    """A network of either paper with the description in its file; see `tmtv_tf.load_model`.

    Attributes
    ----------
    path : the file that was opened
    outputs : their names; `probability` for a segmentation network
    backend : "keras" or "openvino"
    """

    path: Path
    network: Network
    outputs: tuple[str, ...]
    description: ModelDescription
    backend: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def needs_ct(self) -> bool:
        grid = self.description.grid
        return isinstance(grid, ModelGrid) and grid.needs_ct

    @property
    def has_map(self) -> bool:
        """Whether it segments; the classifiers of Liu et al. give a prognosis alone."""
        return MAP_OUTPUT in self.outputs or "segmentation_1" in self.outputs

    def predict(self, pet: Image, ct: Image | None = None) -> Image:
        """Probability of tumour for every voxel of the PET.

        Parameters
        ----------
        pet : SUVbw, (Z, Y, X)
        ct : HU on any grid of the same frame of reference; needed by a model of PET and CT, else not looked at

        Returns
        -------
        Image
            float32 in [0, 1] on the grid of the PET.

        Raises
        ------
        CaseError
            No CT for a model that needs one; a network without segmentation; a PET with NaN; no overlap of PET and CT.
        ImageError
            A bare array: nobody knows where it lies.
        """
        found = self.examine(pet, ct)
        if found.probability is None:
            raise CaseError(f"{self.name}: this network gives a prognosis and no lesions.")
        return found.probability

    def examine(self, pet: Image, ct: Image | None = None) -> Prediction:
        """All that the model says: the probability where it segments, the prognosis where it has one, and warnings.

        A network that was trained on synthetic images also says what is unusual about the PET and about its answer
        (`tmtv_tf.inference.trust`).
        """
        require_image(pet, "pet")
        if ct is not None:
            require_image(ct, "ct")
        if self.description.trained_on != SYNTHETIC:
            return self._examine(pet, ct)
        with ThreadPoolExecutor(1) as executor:  # the image is looked at while the network computes
            looked = executor.submit(check_input, pet)
            try:
                found = self._examine(pet, ct)
            except CaseError:
                looked.result()  # an image that cannot be a patient is the better reason
                raise
            unusual = looked.result()
        if found.probability is not None:
            unusual += check_output(found.probability.array > Config.probability_threshold, pet)
        return replace(found, warnings=[*found.warnings, *unusual])

    def _examine(self, pet: Image, ct: Image | None) -> Prediction:
        if self.needs_ct and ct is None:
            raise CaseError(
                f"There is no CT, but {self.name} was trained on PET and CT. Use a model of PET alone."
            )
        grid = self.description.grid
        if isinstance(grid, MultitaskGrid):
            probability, events, warnings = predict_multitask(self.network, grid, pet)
            return Prediction(probability, {"event_within_two_years": events}, warnings)
        ct = ct if self.needs_ct else None
        warning = ct_coverage_warning(pet, ct) if ct is not None else None
        windows = cover_body(pet, grid)
        probability = predict_probability(
            lambda image: self.network(image)[MAP_OUTPUT], grid, pet, ct, windows
        )
        details: dict[str, Any] = {"windows": windows}
        if outlining := self.description.outlining:
            outline(probability, pet, outlining)
            details[OUTLINING] = asdict(outlining)
        return Prediction(probability, details, [warning] if warning else [])


def predict_multitask(
    network: Network, grid: MultitaskGrid, pet: Image
) -> tuple[Image | None, dict[str, float], list[str]]:
    """Lesion probability on the PET grid (None without segmentation), event probabilities, warnings.

    The event probabilities are those of `prognosis` (fused) and, where the network has them, of each head.
    """
    crop = crop_geometry(pet, grid)
    outputs = network(multitask_image(pet, crop, grid).array[None, ..., None])
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
    return [
        f"{100 * outside:.0f} % of the body lies outside the network's crop: lesions there are not found."
    ]
