"""The model as a file: a `.keras` archive that also says what its input must be.

`tmtv.json` inside the archive holds the model grid (shape, spacing, intensity windows, channels) and where the
model comes from. Keras ignores it, so any Keras 3 opens the network without this package; `load_model` refuses
an archive without it, or whose network does not fit it, so that no image is ever prepared in the wrong way.
The description is read without Keras, so that a wrong file is refused at once.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petct.errors import ModelError, TmtvError
from petct.files import replace_atomically
from tmtv_tf import __version__
from tmtv_tf.input.grid import ModelGrid

if TYPE_CHECKING:
    import keras

MEMBER = "tmtv.json"


def save_model(
    path: str | Path, model: keras.Model, grid: ModelGrid, provenance: dict[str, Any] | None = None
) -> None:
    """Write network and description, whole or not at all.

    Parameters
    ----------
    model : built of Keras's own layers and not compiled, so that it loads without this package.
    provenance : anything JSON that tells where the weights come from (configuration, data fingerprint).
    """
    import keras

    _check_fit(Path(path), model, grid)
    description = {
        "grid": grid.to_json(),
        "provenance": provenance or {},
        "software": {"tmtv_tf": __version__, "keras": keras.version()},
    }
    with replace_atomically(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(description, indent=2))


def read_description(path: str | Path) -> dict[str, Any]:
    """The `tmtv.json` of a model file: `grid`, `provenance`, `software`.

    Raises
    ------
    ModelError
        No such file, no `.keras` archive, or one that does not say how its input is prepared.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file.")
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(MEMBER))
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path}: not a .keras model file.") from error
    except KeyError as error:
        raise ModelError(
            f"{path}: holds no {MEMBER}, so grid, intensity windows and channels of its input are unknown. "
            "Use a model written by this software (training.train_vnet)."
        ) from error
    except ValueError as error:
        raise ModelError(f"{path}: its {MEMBER} is not readable ({error}).") from error


def load_model(path: str | Path) -> tuple[keras.Model, ModelGrid]:
    """The network (not compiled, code in the file never run: Keras's safe mode) and the grid it needs.

    Raises
    ------
    ModelError
        As `read_description`; or the network cannot be loaded or does not fit its grid.
    """
    import keras

    description = read_description(path)
    try:
        grid = ModelGrid.from_json(description["grid"])
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TmtvError, KeyError) as error:
        raise ModelError(f"{path}: its {MEMBER} does not describe a grid ({error}).") from error
    except (ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: the network cannot be loaded ({str(error).splitlines()[0]}).") from error
    _check_fit(Path(path), model, grid)
    return model, grid


def _check_fit(path: Path, model: keras.Model, grid: ModelGrid) -> None:
    if tuple(model.input_shape[1:]) != grid.input_shape:
        raise ModelError(
            f"{path}: the network takes {tuple(model.input_shape[1:])} but its grid gives {grid.input_shape}."
        )
