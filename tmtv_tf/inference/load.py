"""A model file, opened: which program runs its network, and where packaged models lie."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from petct.errors import ModelError, ParameterError
from petct.files import sha256
from petct.version import software
from tmtv_tf.inference.model import MAP_OUTPUT, Model
from tmtv_tf.inference.openvino_file import SUFFIX, convert, open_openvino
from tmtv_tf.models.file import read_description

BACKENDS = ("auto", "openvino", "keras")


def load_model(path_or_name: str | os.PathLike[str], *, backend: str = "auto") -> Model:
    """Open a model: a file that training wrote, one that `tmtv export-model` made, or a packaged one by its name.

    Parameters
    ----------
    path_or_name : `.keras` or `.openvino` file, or the name of a packaged model
    backend : "keras" runs the network with Keras; "openvino" converts a Keras model once (which needs Keras) and keeps
        it in the cache (`$XDG_CACHE_HOME/tmtv`, by the content of the file); "auto" is "openvino"

    Returns
    -------
    Model
        Its `predict(pet, ct)` gives the probability of tumour on the grid of the PET.

    Raises
    ------
    ModelError
        No such file, not a whole model file, or one that does not fit its own description.

    Examples
    --------
    >>> model = load_model("best.keras")  # doctest: +SKIP
    >>> probability = model.predict(exam.pet, exam.ct)  # doctest: +SKIP
    """
    path = find_model(path_or_name)
    return opened(path, sha256(path), backend)


def find_model(path_or_name: str | os.PathLike[str]) -> Path:
    """The file of a model: the path itself, or the packaged model of that name.

    Raises
    ------
    ModelError
        There is neither such a file nor such a packaged model.
    """
    from tmtv_tf.weights import packaged

    path = Path(path_or_name)
    names = packaged()
    if not path.is_file() and str(path_or_name) in names:
        return names[str(path_or_name)]
    if not path.is_file():
        known = f"; packaged models: {', '.join(names)}" if names else ""
        raise ModelError(f"{path}: no such model file{known}.")
    return path


def written_for(path: Path) -> str:
    """The backend that a model file was written for: "openvino", or "keras"."""
    return "openvino" if path.suffix == SUFFIX else "keras"


@lru_cache(maxsize=2)
def opened(path: Path, digest: str, backend: str = "auto") -> Model:
    """The model, loaded once per process; `digest` (SHA-256) so that a file that changed is loaded again."""
    if backend not in BACKENDS:
        raise ParameterError(f"backend must be one of {', '.join(BACKENDS)}. Received: {backend!r}.")
    if path.suffix == SUFFIX:
        if backend == "keras":
            raise ParameterError(f"{path}: an {SUFFIX} file cannot be run by Keras. Use the .keras file.")
        return open_openvino(path, path)
    if backend == "keras":
        return _keras(path)
    read_description(path)  # a broken file is refused before anything is converted
    converted = cache_folder() / f"{digest}-{software()['version']}{SUFFIX}"
    if not converted.is_file():
        convert(path, converted)
    return open_openvino(converted, path)


def cache_folder() -> Path:
    """Where converted models are kept, `$XDG_CACHE_HOME/tmtv` or `~/.cache/tmtv`; it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tmtv"


def _keras(path: Path) -> Model:
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.models.file import load_model as load_keras

    network, _ = load_keras(path)
    names = tuple(network.output) if isinstance(network.output, dict) else (MAP_OUTPUT,)

    def run(image: npt.NDArray[np.float32]) -> dict[str, npt.NDArray]:
        found = network.predict_on_batch(image)
        return found if isinstance(found, dict) else {MAP_OUTPUT: np.asarray(found)}

    return Model(path, run, names, read_description(path), "keras")
