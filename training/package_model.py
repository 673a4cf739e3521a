"""Make the packaged models of a training on worlds: python -m training.package_model RUN/last.keras [--out FOLDER].

One network of PET and CT, trained with the CT often left out, gives both: an empty CT is 0 everywhere and adds nothing
to the first convolution, so that the network without its CT kernel answers exactly as the whole one does without a CT.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.weights import FOLDER, PET, PET_CT

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def package(
    model: Annotated[Path, typer.Argument(help="last.keras of a training with channels [pet, ct].")],
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = FOLDER,
) -> None:
    """Write NAME.keras (float16), NAME.xml and NAME.bin (OpenVINO) of the two packaged models."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.models.file import load_model, read_description, save_model

    both, grid = load_model(model)
    origin = read_description(model)
    provenance = {key: value for key, value in origin.provenance.items() if key != "config"}
    provenance["config_of_training"] = origin.provenance.get(
        "config"
    )  # its grid has the CT, this one may not
    alone = without_ct(both)
    for name, network, its_grid in ((PET_CT, both, grid), (PET, alone, replace(grid, channels=("pet",)))):
        path = out / f"{name}.keras"
        save_model(
            path,
            network,
            its_grid,
            {**provenance, "name": name},
            trained_on=origin.trained_on,
            trained_on_text=origin.trained_on_text,
        )
        store_as_float16(path)
        write_openvino(path)
        print(
            f"{path}: {path.stat().st_size / 1e6:.2f} MB; .bin {path.with_suffix('.bin').stat().st_size / 1e6:.2f} MB"
        )


def without_ct(model):
    """The same network for PET alone: the CT's kernel of the first convolution is left out.

    Raises
    ------
    ModelError
        The network does not take two channels, or its first convolution does not read the image.
    """
    import keras

    from petct.errors import ModelError

    if model.input_shape[-1] != 2:
        raise ModelError(f"The network takes {model.input_shape[-1]} channels; needed are 2, PET and CT.")
    config = model.get_config()
    config["layers"][0]["config"]["batch_shape"] = [*config["layers"][0]["config"]["batch_shape"][:-1], 1]
    for layer in config["layers"]:
        layer["build_config"] = None
    alone = keras.Model.from_config(config)
    weights = model.get_weights()
    first = next(i for i, w in enumerate(weights) if w.ndim == 5 and w.shape[3] == 2)
    if alone.get_weights()[first].shape != (*weights[first].shape[:3], 1, weights[first].shape[4]):
        raise ModelError("The first convolution of the network does not read the image.")
    weights[first] = weights[first][:, :, :, :1]
    alone.set_weights(weights)
    return alone


def store_as_float16(path: Path) -> None:
    """Halve a `.keras` file: its weights are stored as float16 and come back as float32 on loading."""
    import io

    import h5py
    import numpy as np

    from petct.files import replace_atomically
    from tmtv_tf.models.file import with_checksum

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(n for n in members if n.endswith(".weights.h5"))
    target = io.BytesIO()
    with h5py.File(io.BytesIO(members[name])) as source, h5py.File(target, "w") as new:

        def copy(key: str, item) -> None:
            made = (
                new.create_dataset(
                    key, data=item[()].astype(np.float16) if item.dtype.kind == "f" else item[()]
                )
                if isinstance(item, h5py.Dataset)
                else new.require_group(key)
            )
            for attribute, value in item.attrs.items():
                made.attrs[attribute] = value

        for attribute, value in source.attrs.items():
            new.attrs[attribute] = value
        source.visititems(copy)
    members[name] = target.getvalue()
    with (
        replace_atomically(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member, content in sorted(with_checksum(members).items()):
            archive.writestr(member, content)


def write_openvino(path: Path) -> None:
    """The OpenVINO form of a model file, beside it; the model's description stands in its `rt_info`, key `tmtv`."""
    import openvino

    from tmtv_tf.models.file import load_model, read_description

    model, grid = load_model(path)
    converted = openvino.convert_model(model, input=[openvino.PartialShape([1, *grid.input_shape])])
    converted.set_rt_info(json.dumps(read_description(path).to_json()), "tmtv")
    openvino.save_model(converted, path.with_suffix(".xml"), compress_to_fp16=True)


if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
