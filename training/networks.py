"""Which segmentation network a configuration asks for, and the weights that it starts from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from training.config import Strict


class VNetConfig(Strict):
    """Arguments of `tmtv_tf.models.vnet`; the defaults are the paper's network.

    initial_weights : start from the weights of this model file, or of a packaged model by its name.
    """

    architecture: Literal["vnet"] = "vnet"
    filters: int = Field(8, ge=1)
    convolutions: tuple[int, ...] = (1, 2, 3, 3)
    bottom_convolutions: int = Field(3, ge=1)
    kernel_size: int = Field(5, ge=1)
    activation: Literal["relu", "prelu"] = "relu"
    normalization: Literal["batch", "group"] | None = None
    dropout: float = Field(0.2, ge=0, lt=1)
    initial_probability: float = Field(0.5, gt=0, lt=1)
    initial_weights: str | None = None

    @property
    def packable(self) -> bool:
        """Whether the first level can be computed on the packed grid (`tmtv_tf.models.packed`)."""
        return self.activation == "relu" and self.normalization is None and self.kernel_size <= 5


class CompactConfig(Strict):
    """Arguments of `tmtv_tf.models.compact.compact_unet`, the packaged models' network; `initial_weights` as above."""

    architecture: Literal["compact"] = "compact"
    filters: tuple[int, ...] = (16, 32, 64, 96)
    dropout: float = Field(0.0, ge=0, lt=1)
    initial_probability: float = Field(0.02, gt=0, lt=1)
    initial_weights: str | None = None

    @property
    def packable(self) -> bool:
        return False


def _architecture(value: Any) -> str:
    found = (
        value.get("architecture", "vnet")
        if isinstance(value, dict)
        else getattr(value, "architecture", "vnet")
    )
    return str(found)


NetworkConfig = Annotated[
    Annotated[VNetConfig, Tag("vnet")] | Annotated[CompactConfig, Tag("compact")],
    Discriminator(_architecture),
]


def build_network(config: VNetConfig | CompactConfig, input_shape: tuple[int, ...]):
    """The network as configured, not compiled, with the weights that it starts from."""
    from tmtv_tf.models import vnet
    from tmtv_tf.models.compact import compact_unet

    options = config.model_dump(exclude={"architecture", "initial_weights"})
    network = (vnet if isinstance(config, VNetConfig) else compact_unet)(input_shape, **options)
    if config.initial_weights is not None:
        from tmtv_tf.models.transfer import transfer_weights
        from tmtv_tf.weights import NAMES, packaged_file

        name = config.initial_weights
        transfer_weights(packaged_file(name, ".keras") if name in NAMES else name, network)
    return network
