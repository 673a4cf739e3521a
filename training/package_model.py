"""Make the packaged models of a training on worlds: python -m training.package_model RUN/last.keras ... [--out FOLDER].

One network of PET and CT, trained with the CT often left out, gives both: an empty CT is 0 everywhere and adds nothing
to the first convolution, so that the network without its CT kernel answers exactly as the whole one does without a CT.

Of several models the mean of the weights is taken: of a network before and after it was trained further, that mean is
often better than both, also on other images (Wortsman et al., CVPR 2022, "Robust fine-tuning of zero-shot models").

The packaged models work on coarse cubes; what they find is outlined on the PET (`tmtv_tf.inference.outlines`).
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.weights import FOLDER, PET, PET_CT

TRAINED_ON = "synthetic images only, drawn by tmtv_tf.phantom.worlds; not validated on patients"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def package(
    models: Annotated[
        list[Path],
        typer.Argument(help="last.keras of a training with channels [pet, ct]; of several, their mean."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = FOLDER,
    shape: Annotated[
        tuple[int, int, int],
        typer.Option(help="Voxels (Z Y X) of a window when it runs; training sees parts."),
    ] = (176, 64, 96),
    midpoint: Annotated[
        float,
        typer.Option(
            min=0.01, max=0.99, help="Probability of the trained network that the packaged ones call 0.5."
        ),
    ] = 0.5,
    certain: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Probability of the trained network that a lesion must exceed somewhere; at least the midpoint.",
        ),
    ] = 0.5,
    margin_mm: Annotated[
        float, typer.Option(min=0, max=50, help="How far (mm) a ROI reaches beyond what the network marks.")
    ] = 8.0,
) -> None:
    """Write NAME.keras (float16 weights) and NAME.openvino of the two packaged models."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.inference.openvino_file import SUFFIX, convert
    from tmtv_tf.models.file import SYNTHETIC, Outlining, load_model, read_description, save_model

    outlining = Outlining(margin_mm, moved(certain, midpoint))
    trained, part = load_model(models[-1])
    if len(models) > 1:
        trained.set_weights(mean_weights(models))
    grid = replace(part, shape=shape)
    both = resized(trained, grid.input_shape)
    move_midpoint(both, midpoint)
    provenance = read_description(models[-1]).provenance
    alone = without_ct(both)
    for name, network, its_grid in ((PET_CT, both, grid), (PET, alone, replace(grid, channels=("pet",)))):
        path = out / f"{name}.keras"
        said = {**provenance, "name": name, "midpoint": midpoint}
        said.pop("config", None)  # its grid is that of both channels
        save_model(
            path,
            network,
            its_grid,
            said,
            trained_on=SYNTHETIC,
            trained_on_text=TRAINED_ON,
            outlining=outlining,
        )
        store_as_float16(path)
        convert(path, path.with_suffix(SUFFIX))
        for file in (path, path.with_suffix(SUFFIX)):
            print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


def mean_weights(models: list[Path]) -> list:
    """The mean of the weights of several model files, layer by layer.

    Raises
    ------
    ModelError
        Two of them are not of one network.
    """
    from petct.errors import ModelError
    from tmtv_tf.models.file import load_model

    all_weights = [load_model(model)[0].get_weights() for model in models]
    shapes = [[w.shape for w in weights] for weights in all_weights]
    for model, found in zip(models, shapes):
        if found != shapes[0]:
            raise ModelError(f"{model} is not of the same network as {models[0]}: no mean of their weights.")
    return [sum(same) / len(same) for same in zip(*all_weights)]


def resized(model, input_shape: tuple[int, ...]):
    """The same network (of convolutions alone) for images of another size; weights are copied."""
    other = _rebuilt(model, input_shape)
    other.set_weights(model.get_weights())
    return other


def move_midpoint(model, midpoint: float) -> None:
    """Move the bias of the last convolution, in place, so that what was `midpoint` becomes 0.5."""
    weights = model.get_weights()
    weights[-1] = weights[-1] - logit(midpoint)
    model.set_weights(weights)


def moved(probability: float, midpoint: float) -> float:
    """What `probability` becomes when what was `midpoint` becomes 0.5."""
    return 1 / (1 + math.exp(logit(midpoint) - logit(probability)))


def logit(probability: float) -> float:
    """The argument of the sigmoid that gives it; above 0 and below 1."""
    return math.log(probability / (1 - probability))


def _rebuilt(model, input_shape: tuple[int, ...]):
    import keras

    config = model.get_config()
    config["layers"][0]["config"]["batch_shape"] = [None, *input_shape]
    for layer in config["layers"]:
        layer["build_config"] = None
    return keras.Model.from_config(config)


def without_ct(model):
    """The same network for PET alone: the CT's kernel of the first convolution is left out.

    Raises
    ------
    ModelError
        The network does not take two channels, or its first convolution does not read the image.
    """
    from petct.errors import ModelError

    if model.input_shape[-1] != 2:
        raise ModelError(f"The network takes {model.input_shape[-1]} channels; needed are 2, PET and CT.")
    alone = _rebuilt(model, (*model.input_shape[1:-1], 1))
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
    from tmtv_tf.models.file import MEMBER, read_content, seal

    content = read_content(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != MEMBER}
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
        for member, stored in sorted(members.items()):
            archive.writestr(member, stored)
        seal(archive, content)


if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
