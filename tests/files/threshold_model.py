"""A network whose answer is known: SUV above a threshold, smoothly. Small, saved as a real model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STEEPNESS = 400.0
THRESHOLD_SUV = 1.2  # low, so that no edge of a hot box is lost on the way through 4 mm voxels


def write_threshold_model(
    path: Path, *, needs_ct: bool = False, shape: tuple[int, int, int] = (32, 32, 32)
) -> Path:
    """probability = sigmoid(400 (SUV - 1.2) / 25) on a 4 mm grid; the CT, if it takes one, has no say."""
    import keras

    from tmtv_tf.input.grid import ModelGrid
    from tmtv_tf.models.file import save_model

    grid = ModelGrid(shape, (4.0, 4.0, 4.0), channels=("pet", "ct") if needs_ct else ("pet",))
    image = keras.Input(grid.input_shape, name="image")
    x = keras.layers.Conv3D(1, 1, name="output_conv")(image)
    model = keras.Model(image, keras.layers.Activation("sigmoid", dtype="float32", name="probability")(x))
    kernel = np.zeros((1, 1, 1, len(grid.channels), 1), np.float32)
    kernel[..., 0, 0] = STEEPNESS
    model.set_weights([kernel, np.array([-STEEPNESS * THRESHOLD_SUV / 25], np.float32)])
    save_model(
        path, model, grid, trained_on="phantom", trained_on_text="nothing; its weights were written by hand"
    )
    return path
