"""Configuration of the training scripts: one YAML file per experiment, an unknown key is an error.

What every script shares is here; each script adds its network and its data. The defaults of the network
and its optimizer are those of Revailler et al. 2022; schedule and augmentation are none unless asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from petct.errors import ParameterError
from tmtv_tf.input.augmentation import Augmentation
from tmtv_tf.input.grid import ModelGrid

LARGEST_BYTES = 1_000_000  # of a configuration; ours have a thousand
# Pydantic puts the chosen one into the path of an error (model.vnet.filters); the file says model.filters.
ARCHITECTURES = ("vnet", "compact")
PACKAGED = Path(__file__).parent / "configs"

# Keys of earlier versions, and what they are called now.
RENAMED = {"segmentation_share": "lambda_"}

Precision = Literal["float32", "tf32", "mixed_float16", "mixed_bfloat16"]


class Strict(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class GridConfig(ModelGrid):
    """The model grid of a configuration; `grid()` is it as the rest of the package knows it."""

    def grid(self) -> ModelGrid:
        return ModelGrid(**asdict(self))


@dataclass(frozen=True)
class AugmentationConfig(Augmentation):
    """How far images are moved, and when that is drawn.

    mode : "none"; "paper": one extra image per patient, drawn once and stored; "online": a new draw for every
        image in every epoch.
    on_accelerator : "online" on the GPU, inside the training step, instead of on the CPU beside it; the same draws.
    """

    mode: Literal["none", "paper", "online"] = "none"
    on_accelerator: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on_accelerator and self.mode != "online":
            raise ParameterError(f"on_accelerator needs mode: online (received {self.mode!r})")


class OptimizerConfig(Strict):
    """A Keras optimizer; `momentum` is for sgd alone.

    `gradient_accumulation_steps` = k averages the gradients of k batches before each update (small cards).
    `clip_norm` : the gradient of the whole batch, over all devices, is scaled down to this norm where it is larger.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = Field(0.001, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    clip_norm: float | None = Field(None, gt=0)
    gradient_accumulation_steps: int = Field(1, ge=1)


class PlateauConfig(Strict):
    """Keras's ReduceLROnPlateau."""

    monitor: Literal["loss", "val_loss"] = "val_loss"
    patience: int = Field(10, ge=1)
    factor: float = Field(0.5, gt=0, lt=1)
    min_learning_rate: float = Field(1e-7, ge=0)


class LearningRateDrop(Strict):
    """From epoch `after_epochs` (counted from 0) on, the learning rate is multiplied by `factor`, once."""

    after_epochs: int = Field(100, ge=1)
    factor: float = Field(0.1, gt=0, lt=1)


class FitConfig(Strict):
    """What `training.fit` needs, whatever the network.

    batch : global batch, over all devices. The learning rate is not scaled with it.
    precision : float32 is float32 on every device; tf32 lets tensor cores round the factors of float32 products to
        10 bits (NVIDIA, from Ampere on); mixed_bfloat16, mixed_float16 (with loss scaling).
    cosine_decay : the learning rate falls from its value to 0 over all epochs as half a cosine, epoch by epoch.
    monitor : the best checkpoint is that of the lowest loss (or the highest Dice).
    deterministic : bit-identical repetition on a GPU too, for some speed.
    trained_on : in your own words, for the model file ("baseline scans of trial X"). Whether the cases are phantoms
        or patients stands there anyway.
    """

    seed: int = Field(0, ge=0, lt=2**31)
    epochs: int = Field(100, ge=1)
    batch: int = Field(2, ge=1)
    precision: Precision = "float32"
    optimizer: OptimizerConfig = OptimizerConfig()
    cosine_decay: bool = False
    reduce_on_plateau: PlateauConfig | None = None
    learning_rate_drop: LearningRateDrop | None = None
    monitor: Literal["loss", "val_loss"] = "val_loss"
    deterministic: bool = False
    trained_on: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _one_schedule(self) -> FitConfig:
        chosen = [
            name
            for name in ("cosine_decay", "reduce_on_plateau", "learning_rate_drop")
            if getattr(self, name)
        ]
        if len(chosen) > 1:
            raise ValueError(f"one schedule of the learning rate, not {' and '.join(chosen)}")
        return self


C = TypeVar("C", bound=Strict)


class _Loader(yaml.SafeLoader):
    """YAML as configurations need it: without aliases (a few lines of them make gigabytes), no key twice."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases are not read: *{self.peek_event().anchor}; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            raise yaml.YAMLError(f"the key {twice[0]!r} stands twice")
        return super().construct_mapping(node, deep)


def read_config(path: str | Path, kind: type[C]) -> C:
    """Read a YAML file as a configuration of this kind.

    Parameters
    ----------
    path : a file; a bare file name that is not in the working folder is one of those that come with the package
        (`training/configs`).

    Raises
    ------
    ParameterError
        Missing, not YAML, an unknown key, or a value of the wrong kind: each named in one sentence.
    """
    path = Path(path)
    try:
        file = _find(path)
        if file.stat().st_size > LARGEST_BYTES:
            raise ParameterError(f"{path}: larger than {LARGEST_BYTES // 1000} kB; not a configuration.")
        value = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        names = ", ".join(sorted(item.name for item in PACKAGED.glob("*.yaml")))
        raise ParameterError(f"{path}: no such file. With the package come {names}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{path}: not readable as YAML ({' '.join(str(error).split())}).") from error
    except RecursionError as error:
        raise ParameterError(f"{path}: nested too deep; not a configuration.") from error
    try:
        return kind.model_validate({} if value is None else value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'] if part not in ARCHITECTURES) or 'the file'}: {_reason(item)}"
            for item in error.errors()
        )
        raise ParameterError(f"{path}: {problems}.") from error


def _find(path: Path) -> Path:
    packaged = PACKAGED / path.name
    return packaged if path.parent == Path() and not path.exists() and packaged.is_file() else path


def _reason(item) -> str:
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        now = RENAMED.get(item["loc"][-1])
        return f"unknown key; it is called {now} now" if now else "unknown key"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"]).rstrip(".")
    return f"{item['msg'][0].lower()}{item['msg'][1:]} (received {item['input']!r:.200})"
