"""The V-Net's first level on a packed grid: the same function, several times faster on matrix units.

At full resolution the first level has 2 to 16 channels, too few to fill a matrix unit. Here 2x2x2 voxels are
packed into channels, so that the grid is half as fine and has 8 times the channels. With voxel index 2 P + a
(a = 0, 1 on each axis), a kernel w of odd size k <= 5 becomes, exactly,

    out[P, b] = sum over d, a of K[d, a, b] in[P + d, a],    K[d, a, b] = w[2 d + a - b]  (0 outside w),  |d| <= 1

which is a 3x3x3 convolution whose kernel is the scattered w. Zero padding of the packed grid is zero padding of the
fine one. The 2x2x2 convolutions of stride 2 between the levels become 1x1x1; ReLU, addition and dropout stay.

The layers keep the plain kernels as their weights, with the plain names and order: weights, and so checkpoints, are
those of the plain network, and the gradient passes through the scatter.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from petct.errors import ParameterError

# Layers that act on each voxel alone, or join channels; they need no change.
_POINTWISE = (
    layers.InputLayer,
    layers.ReLU,
    layers.Add,
    layers.Dropout,
    layers.Concatenate,
    layers.Activation,
)


def pack(model: keras.Model) -> keras.Model:
    """A network that computes the same, its full-resolution level packed; weights are copied.

    Every convolution at full resolution reads and writes the packed grid; the one that reads the image packs it,
    the one that gives the result (the last) unpacks it. `packed.get_weights()` fits the plain network.

    Parameters
    ----------
    model : a network of `vnet` without normalisation and with ReLU; even spatial size; kernels of at most 5.

    Raises
    ------
    ParameterError
        The network has a layer at full resolution that cannot be packed.
    """
    size = model.input_shape[1:4]
    if any(n is None or n % 2 for n in size):
        raise ParameterError(f"Packing needs a fixed, even spatial size. Received: {size}.")
    if not any(
        isinstance(layer, layers.Conv3D) and _spatial(layer.input) == _spatial(layer.output) == size
        for layer in model.layers
    ):
        raise ParameterError("This network has no convolution at full resolution: there is nothing to pack.")
    last = [layer for layer in model.layers if isinstance(layer, layers.Conv3D)][-1]
    producers = {id(layer.output): layer for layer in model.layers}

    def packed_layer(layer: layers.Layer) -> layers.Layer:
        full_in, full_out = _spatial(layer.input) == size, _spatial(layer.output) == size
        config = layer.get_config()
        if isinstance(layer, layers.Conv3DTranspose) and full_out:
            return PackedUp.of(config)
        if isinstance(layer, layers.Conv3D) and full_in and not full_out:
            return PackedDown.of(config)
        if isinstance(layer, layers.Conv3D) and full_in:
            source = producers[id(layer.input)]
            return PackedConvolution.of(
                config,
                joined=len(source.input) if isinstance(source, layers.Concatenate) else 1,
                packs=isinstance(source, layers.InputLayer),
                unpacks=layer is last,
            )
        if full_out and not isinstance(layer, _POINTWISE):
            raise ParameterError(
                f"A network with a {type(layer).__name__} at full resolution ({layer.name}) cannot be packed: "
                "set packed: false."
            )
        return layer.__class__.from_config(config)

    packed = keras.models.clone_model(model, clone_function=packed_layer)
    packed.set_weights(model.get_weights())
    return packed


def pack_voxels(x):
    """(B, Z, Y, X, C) -> (B, Z/2, Y/2, X/2, 8 C); channel order (z, y, x of the sub-voxel, C)."""
    _, z, y, x_size, c = x.shape
    x = ops.reshape(x, (-1, z // 2, 2, y // 2, 2, x_size // 2, 2 * c))
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4, 6))
    return ops.reshape(x, (-1, z // 2, y // 2, x_size // 2, 8 * c))


def unpack_voxels(x):
    """The inverse of `pack_voxels`."""
    _, z, y, x_size, c = x.shape
    x = ops.reshape(x, (-1, z, y, x_size, 2, 2, c // 4))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3, 6))
    return ops.reshape(x, (-1, 2 * z, 2 * y, 2 * x_size, c // 8))


def scatter_kernel(kernel, joined: int = 1):
    """The 3x3x3 kernel on the packed grid of a (k, k, k, C, F) kernel, k = 1, 3 or 5: (3, 3, 3, 8 C, 8 F).

    `joined` : the input is that many packed tensors one after the other (a concatenation), C / joined channels
    each, so their sub-voxels do not interleave.
    """
    size, channels, filters = kernel.shape[0], kernel.shape[-2] // joined, kernel.shape[-1]
    s = ops.convert_to_tensor(_selection(size), dtype=kernel.dtype)  # d a b k
    kernel = ops.reshape(kernel, (size, size, size, joined, channels, filters))
    kernel = ops.einsum("xyzk,uvwl,klmgcf->xyzuvwmgcf", s, s, kernel)
    kernel = ops.einsum("xyzuvwmgcf,rstm->xurgyvsczwtf", kernel, s)
    return ops.reshape(kernel, (3, 3, 3, joined * 8 * channels, 8 * filters))


def _selection(size: int) -> np.ndarray:
    """(3, 2, 2, k), 0 or 1: [d + 1, a, b, 2 d + a - b + k // 2] = 1."""
    selection = np.zeros((3, 2, 2, size), np.float32)
    for d in (-1, 0, 1):
        for a in (0, 1):
            for b in (0, 1):
                tap = 2 * d + a - b + size // 2
                if 0 <= tap < size:
                    selection[d + 1, a, b, tap] = 1.0
    return selection


class _PackedLayer(layers.Layer):
    """A convolution that keeps the plain kernel (and bias) as its weights."""

    def __init__(self, filters: int, kernel_size, initializer, name: str, dtype=None, **options):
        super().__init__(name=name, dtype=dtype)
        self.filters, self.kernel_size = filters, tuple(kernel_size)
        self.initializer = keras.initializers.get(initializer)
        self.options = options

    @classmethod
    def of(cls, config: dict, **options):
        """From the configuration of the plain layer."""
        if config["padding"] == "valid" and config["kernel_size"][0] != 2:
            raise ParameterError(f"{config['name']}: only padding 'same' can be packed.")
        if cls is PackedConvolution and (config["kernel_size"][0] > 5 or config["kernel_size"][0] % 2 == 0):
            raise ParameterError(
                f"{config['name']}: a kernel of {config['kernel_size'][0]} cannot be packed (at most 5)."
            )
        return cls(
            config["filters"],
            config["kernel_size"],
            config["kernel_initializer"],
            config["name"],
            config["dtype"],
            **options,
        )

    def _add_weights(self, kernel_shape) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=kernel_shape, initializer=self.initializer, trainable=True
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", trainable=True)

    def _tiled_bias(self, copies: int):
        return ops.tile(self.bias, (copies,))


class PackedConvolution(_PackedLayer):
    """Conv3D of stride 1 on the packed grid."""

    def build(self, input_shape):
        channels = input_shape[-1] if self.options["packs"] else input_shape[-1] // 8
        self._add_weights((*self.kernel_size, channels, self.filters))

    def call(self, x):
        if self.options["packs"]:
            x = pack_voxels(x)
        kernel = scatter_kernel(self.kernel, self.options["joined"])
        x = ops.conv(x, kernel, padding="same", data_format="channels_last")
        x = ops.add(x, self._tiled_bias(8))
        return unpack_voxels(x) if self.options["unpacks"] else x


class PackedDown(_PackedLayer):
    """Conv3D of kernel 2 and stride 2: packed grid -> the next level, a 1x1x1 convolution."""

    def build(self, input_shape):
        self._add_weights((2, 2, 2, input_shape[-1] // 8, self.filters))

    def call(self, x):
        kernel = ops.reshape(self.kernel, (1, 1, 1, -1, self.filters))
        return ops.add(ops.conv(x, kernel, padding="valid", data_format="channels_last"), self.bias)


class PackedUp(_PackedLayer):
    """Conv3DTranspose of kernel 2 and stride 2: the level below -> packed grid, a 1x1x1 convolution."""

    def build(self, input_shape):
        self._add_weights((2, 2, 2, self.filters, input_shape[-1]))

    def call(self, x):
        kernel = ops.transpose(ops.reshape(self.kernel, (8 * self.filters, -1)))
        kernel = ops.reshape(kernel, (1, 1, 1, -1, 8 * self.filters))
        x = ops.conv(x, kernel, padding="valid", data_format="channels_last")
        return ops.add(x, self._tiled_bias(8))


def _spatial(tensor) -> tuple[int, ...]:
    if isinstance(tensor, list):
        tensor = tensor[0]
    return tuple(tensor.shape[1:4])
