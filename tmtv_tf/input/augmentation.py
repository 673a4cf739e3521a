"""How far images may be moved in training: the amounts of both papers, once. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from petct.errors import ParameterError


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be moved. Each draw is uniform in [-amount, amount] (scaling: in its range).

    The defaults are those of Revailler et al. 2022, section 2.4 (amounts: its authors' code).

    Attributes
    ----------
    translation_mm : largest shift along (z, y, x).
    rotation_degrees : largest angle about the z, y, x axes.
    scaling : smallest and largest factor; above 1 the patient becomes larger.
    scaling_per_axis : one factor for each axis instead of one for all.
    probability : that each of translation, rotation and scaling happens.
    flip_left_right : mirror half of the images along x.
    """

    translation_mm: tuple[float, float, float] = (10.0, 10.0, 10.0)
    rotation_degrees: tuple[float, float, float] = (3.0, 6.0, 3.0)
    scaling: tuple[float, float] = (0.9, 1.1)
    scaling_per_axis: bool = False
    probability: float = 0.8
    flip_left_right: bool = False

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if min(self.translation_mm) < 0 or min(self.rotation_degrees) < 0:
            raise ParameterError(
                "A largest shift or angle is 0 or more. Received: translation_mm "
                f"{self.translation_mm}, rotation_degrees {self.rotation_degrees}."
            )
        if not 0 < self.scaling[0] <= self.scaling[1]:
            raise ParameterError(f"Scaling needs 0 < smallest <= largest. Received: {self.scaling}.")
        if not 0 <= self.probability <= 1:
            raise ParameterError(f"A probability lies in [0, 1]. Received: {self.probability}.")


@dataclass(frozen=True)
class Liu2022Augmentation(Augmentation):
    """Liu et al. 2022, section IV-B-3: 8 degrees about three axes, a factor of 0.8 to 1.2 along each."""

    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_degrees: tuple[float, float, float] = (8.0, 8.0, 8.0)
    scaling: tuple[float, float] = (0.8, 1.2)
    scaling_per_axis: bool = True
    probability: float = 1.0
