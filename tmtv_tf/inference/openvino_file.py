"""A network without TensorFlow: converted to OpenVINO once, in one file with its description.

An `.openvino` file is a zip archive of `model.xml` and `model.bin` (OpenVINO's own form, weights in float16) and the
`tmtv.json` of the Keras model that it was made from, with the names of the outputs, under a checksum of its own
(`tmtv_tf.models.file`).
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import ModelError, ParameterError
from petct.files import replace_atomically
from tmtv_tf.inference.model import MAP_OUTPUT, Model
from tmtv_tf.models.file import read_content, read_description, seal

SUFFIX = ".openvino"
XML, WEIGHTS = "model.xml", "model.bin"
OUTPUTS_KEY = "outputs"
# A converted network answers within this of the Keras one, in float32 with float16 weights, or it is not kept.
CONVERSION_TOLERANCE = 0.02


def convert(model_file: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Convert a Keras model file; its network is packed where it can be (`tmtv_tf.models.packed`).

    The two networks are compared on one random image before the file is written.

    Raises
    ------
    ModelError
        The model cannot be read or converted, or the two answer differently.
    TmtvError
        Keras is not installed.
    """
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.models.file import load_model

    network, grid = load_model(Path(model_file))
    names = sorted(network.output) if isinstance(network.output, dict) else [MAP_OUTPUT]
    with tempfile.TemporaryDirectory() as folder:
        _export(network, Path(folder) / XML, (1, *grid.input_shape))
        _require_same(Path(model_file), network, Path(folder) / XML, names)
        content = {**read_content(Path(model_file)), OUTPUTS_KEY: names}
        with replace_atomically(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name in (XML, WEIGHTS):
                archive.write(Path(folder) / name, name)
            seal(archive, content)


def open_openvino(path: Path, origin: Path) -> Model:
    """The network of an `.openvino` file, compiled for this processor: in bfloat16 where it has that.

    origin : the file that the user named, of which `path` may be the converted form

    Raises
    ------
    ModelError
        Not a whole file, or a network that does not fit the grid in it.
    """
    openvino = _openvino()
    description = read_description(path)
    names = read_content(path).get(OUTPUTS_KEY)
    try:
        with zipfile.ZipFile(path) as archive:
            xml, weights = archive.read(XML), archive.read(WEIGHTS)
        core = openvino.Core()
        network = core.read_model(xml, weights)
    except (KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not a whole {SUFFIX} file ({str(error).splitlines()[0]}).") from error
    taken = tuple(network.inputs[0].shape)
    if taken != (1, *description.grid.input_shape) or not isinstance(names, list):
        raise ModelError(
            f"{path}: the network takes {taken} but its grid gives {description.grid.input_shape}."
        )
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        options["INFERENCE_PRECISION_HINT"] = "bf16"
    request = core.compile_model(network, "CPU", options).create_infer_request()

    def run(image: npt.NDArray[np.float32]) -> dict[str, npt.NDArray]:
        found = request.infer([np.ascontiguousarray(image, np.float32)])
        return {output: np.array(found[k]) for k, output in enumerate(names)}

    return Model(origin, run, tuple(names), description, "openvino")


def _openvino() -> Any:
    """The library without its telemetry, which tells Google Analytics of every import unless the user has opted out."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing it fails: OpenVINO goes without
    import openvino

    return openvino


def _export(network: Any, xml: Path, shape: tuple[int, ...]) -> None:
    """Keras's own export of the packed network, at a fixed size, constants folded, weights in float16."""
    from tmtv_tf.models.packed import pack

    openvino = _openvino()

    # A network that cannot be packed is exported as it is: the same function, slower.
    with suppress(ParameterError):
        network = pack(network)
    plain = xml.with_name("plain.xml")
    network.export(str(plain), format="openvino", verbose=False)
    converted = openvino.Core().read_model(plain)
    converted.reshape(list(shape))
    openvino.save_model(converted, xml, compress_to_fp16=True)


def _require_same(path: Path, network: Any, xml: Path, names: list[str]) -> None:
    openvino = _openvino()
    image = np.random.default_rng(0).random((1, *network.input_shape[1:]), np.float32)
    wanted = network.predict_on_batch(image)
    wanted = wanted if isinstance(wanted, dict) else {MAP_OUTPUT: wanted}
    compiled = openvino.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([image])
    for k, name in enumerate(names):
        difference = float(np.abs(np.asarray(found[k]) - np.asarray(wanted[name])).max())
        if not difference <= CONVERSION_TOLERANCE:
            raise ModelError(
                f"{path}: OpenVINO answers differently than Keras (by {difference:.3g} in {name})."
            )
