"""The model as a file: a `.keras` archive that also says what its input must be.

`tmtv.json` inside the archive holds the model grid (shape, spacing, intensity windows, channels), how what it finds
is outlined, what the model was trained on, where it comes from, and one checksum over itself and the network. Keras
ignores it, so any Keras 3 opens the network without this package; `load_model` refuses an archive without it, or
whose network does not fit it, so that no image is ever prepared in the wrong way. The description is read without
Keras, so that a wrong file is refused at once.

The checksum, `sha256` in tmtv.json, is the SHA-256 of

- one line `<name> NUL <SHA-256 of its content, hexadecimal> LF` for every other member of the archive, by name,
- then tmtv.json without `sha256`, as JSON with sorted keys, no spaces, and ASCII alone.

It finds what was changed by accident or by hand. It is no signature: who changes a file on purpose can write a new one.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from petct.errors import ModelError, ParameterError
from petct.files import replace_atomically
from petct.limits import between
from petct.text import one_line
from tmtv_tf import __version__
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.input.multitask_input import MultitaskGrid

if TYPE_CHECKING:
    import keras

Grid: TypeAlias = ModelGrid | MultitaskGrid

MEMBER = "tmtv.json"
CHECKSUM = "sha256"
OUTLINING = "outlining"
# The key of tmtv.json (and of prediction.json) that holds the grid says which paper's network this is.
GRIDS: dict[str, type[Grid]] = {"grid": ModelGrid, "multitask_grid": MultitaskGrid}
PHANTOM = "phantom"
# Images drawn at random to make a network general, as those of the packaged networks are.
SYNTHETIC = "synthetic images"
TRAINED_ON = (PHANTOM, SYNTHETIC, "patients", "phantom and patients")
# A description is a few kB; a network's weights hardly compress. More than this is no model.
MAX_DESCRIPTION_BYTES = 16_000_000
MAX_COMPRESSION = 100


@dataclass(frozen=True)
class Outlining:
    """How what a coarse network finds is outlined on the PET itself; see `tmtv_tf.inference.outlines`.

    Attributes
    ----------
    margin_mm : a ROI is a component and the voxels at most this far from it; 0 <= margin_mm <= 50
    certain : probability that a component must exceed somewhere; 0.5 <= certain <= 0.999
    """

    margin_mm: float
    certain: float

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        for name, low, high in (("margin_mm", 0, 50), ("certain", 0.5, 0.999)):
            if isinstance(value := getattr(self, name), bool) or not between(value, low, high):
                raise ParameterError(
                    f"{name} of the outlining must be a number from {low:g} to {high:g}. "
                    f"Received: {one_line(str(value))}."
                )


@dataclass(frozen=True)
class ModelDescription:
    """What a model file says about itself.

    Attributes
    ----------
    grid : how an image is prepared for the network: `ModelGrid` (Revailler et al.), `MultitaskGrid` (Liu et al.)
    trained_on : one of TRAINED_ON; None if the file does not say
    trained_on_text : the same in the user's own words, from the configuration of the training; may be empty
    provenance : where the weights come from (configuration, data fingerprint)
    software : versions that wrote the file
    has_checksum : False for a file made before version 0.2, whose description and weights cannot be checked
    outlining : how its map is outlined on the PET; None where the map stays as the network gives it
    """

    grid: Grid
    trained_on: str | None
    trained_on_text: str
    provenance: dict[str, Any]
    software: dict[str, Any]
    has_checksum: bool
    outlining: Outlining | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of `tmtv.json`, without its checksum."""
        return {
            next(key for key, kind in GRIDS.items() if isinstance(self.grid, kind)): self.grid.to_json(),
            "trained_on": self.trained_on,
            "trained_on_text": self.trained_on_text,
            "provenance": self.provenance,
            "software": self.software,
            **({OUTLINING: asdict(self.outlining)} if self.outlining else {}),
        }

    def warnings(self, name: str, *, on_phantom: bool) -> list[str]:
        """What must be said wherever this model, called `name`, is used on a case."""
        if not self.has_checksum:
            return [
                f"{name} was made before version 0.2: it has no checksum and does not say what it was trained on."
            ]
        if self.trained_on is None:
            return [f"{name} does not say what it was trained on."]
        if self.trained_on == SYNTHETIC and not on_phantom:
            return [f"{name} was trained on synthetic images only; not validated on patients."]
        if self.trained_on == PHANTOM and not on_phantom:
            return [
                f"{name} was trained on computer-made phantoms only: on a patient it is good for trying the "
                "software and for nothing else."
            ]
        return []


def save_model(
    path: str | Path,
    model: keras.Model,
    grid: Grid,
    provenance: dict[str, Any] | None = None,
    *,
    trained_on: str | None = None,
    trained_on_text: str = "",
    outlining: Outlining | None = None,
) -> None:
    """Write network and description, whole or not at all.

    Parameters
    ----------
    model : built of Keras's own layers and not compiled, so that it loads without this package.
    provenance : anything JSON that tells where the weights come from (configuration, data fingerprint).
    trained_on, trained_on_text, outlining : see `ModelDescription`.

    Raises
    ------
    ModelError
        The network does not fit the grid, or the description contradicts itself.
    """
    import keras

    _check_fit(Path(path), model, grid)
    software = {"tmtv_tf": __version__, "keras": keras.version()}
    description = ModelDescription(
        grid, trained_on, trained_on_text, provenance or {}, software, True, outlining
    )
    content = json.loads(json.dumps(description.to_json()))  # as it reads back
    _parsed(Path(path), content)
    with replace_atomically(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            seal(archive, content)


def seal(archive: zipfile.ZipFile, content: dict[str, Any]) -> None:
    """Write the description into an archive that holds the network, under a checksum over both."""
    content = {key: value for key, value in content.items() if key != CHECKSUM}
    content[CHECKSUM] = _checksum(_members(archive), content)
    archive.writestr(MEMBER, json.dumps(content, indent=2))


def read_description(path: str | Path) -> ModelDescription:
    """What a model file (`.keras`, `.openvino`) says about itself, after its checksum was found right.

    Raises
    ------
    ModelError
        No such file, no whole archive, one that does not say how its input is prepared, or one whose description or
        weights were changed after it was written.
    """
    return _parsed(Path(path), read_content(Path(path)))


def read_content(path: Path) -> dict[str, Any]:
    """The tmtv.json of a model file as it stands; refused as `read_description` says."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file.")
    try:
        with zipfile.ZipFile(path) as archive:
            _require_plausible(path, archive)
            text = archive.read(MEMBER)
            members = _members(archive)
    except ModelError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError) as error:
        # RuntimeError: encrypted, or (NotImplementedError) packed in a way that Python does not know
        raise ModelError(f"{path}: not a whole model file ({error}).") from error
    try:
        content = json.loads(text, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its {MEMBER} is not readable ({error}).") from error
    description = _parsed(path, content)
    if description.has_checksum and content[CHECKSUM] != _checksum(members, content):
        raise ModelError(
            f"{path}: its checksum is not that of its content: {MEMBER} or the network was changed after the file was "
            "written. Use the file as training wrote it."
        )
    return content


def load_model(path: str | Path) -> tuple[keras.Model, Grid]:
    """The network (not compiled, code in the file never run: Keras's safe mode) and the grid it needs.

    Raises
    ------
    ModelError
        As `read_description`; or the network cannot be loaded, does not fit its grid, or has weights that are not
        numbers.
    """
    import keras

    grid = read_description(path).grid
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a stranger's configuration of layers can fail in any way
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: the network cannot be loaded ({reason}).") from error
    _check_fit(Path(path), model, grid)
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise ModelError(
                f"{path}: the weights {weight.path} hold values that are not numbers (NaN or infinite). Use the "
                "checkpoint of an earlier training step."
            )
    return model, grid


def _require_plausible(path: Path, archive: zipfile.ZipFile) -> None:
    """Before anything is unpacked: a description, every name once, sizes that a model has."""
    names = archive.namelist()
    if MEMBER not in names:
        raise ModelError(
            f"{path}: holds no {MEMBER}, so grid, intensity windows and channels of its input are unknown. "
            "Use a model written by this software (training.train_vnet)."
        )
    if len(set(names)) < len(names):
        raise ModelError(f"{path}: not a whole model file (a name stands in it twice).")
    unpacked = sum(member.file_size for member in archive.infolist())
    if archive.getinfo(MEMBER).file_size > MAX_DESCRIPTION_BYTES or unpacked > MAX_COMPRESSION * (
        path.stat().st_size + 1
    ):
        raise ModelError(f"{path}: not a model file (it unpacks to {unpacked:,} bytes).")


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Name -> SHA-256 of every member but the description; the archive's own CRCs are checked on the way."""

    def digest(name: str) -> str:
        file: IO[bytes]
        with archive.open(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    return {name: digest(name) for name in archive.namelist() if name != MEMBER}


def _checksum(members: dict[str, str], content: dict[str, Any]) -> str:
    """The checksum of a model file, as the top of this module defines it."""
    lines = "".join(f"{name}\0{members[name]}\n" for name in sorted(members))
    stated = {key: value for key, value in content.items() if key != CHECKSUM}
    text = lines + json.dumps(stated, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _parsed(path: Path, content: Any) -> ModelDescription:
    """The description in `content`, every value of the right kind and none against another."""

    def refuse(reason: str) -> ModelError:
        return ModelError(f"{path}: its {MEMBER} does not describe a model ({reason}).")

    if not isinstance(content, dict):
        raise refuse("not an object with keys")
    kinds = [key for key in GRIDS if key in content]
    if len(kinds) != 1:
        raise refuse(f"one of {' and '.join(GRIDS)} is needed")
    provenance, software = (content.get(key, {}) for key in ("provenance", "software"))
    trained_on, text = content.get("trained_on"), content.get("trained_on_text", "")
    checksum = content.get(CHECKSUM)
    if not isinstance(provenance, dict) or not isinstance(software, dict):
        raise refuse("provenance and software must be objects with keys")
    if trained_on is not None and trained_on not in TRAINED_ON:
        raise refuse(f"trained_on must be one of {', '.join(TRAINED_ON)}, or null")
    if not isinstance(text, str):
        raise refuse("trained_on_text must be text")
    if CHECKSUM in content and not isinstance(checksum, str):
        raise refuse(f"{CHECKSUM} must be text")
    try:
        said = content.get(OUTLINING)
        outlining = None if said is None else _outlining(said)
        grid = GRIDS[kinds[0]].from_json(content[kinds[0]])
        config = provenance.get("config")
        configured = config.get("grid") if isinstance(config, dict) else None
        if (
            configured is not None
            and (trained := GRIDS[kinds[0]].from_json(configured).to_json()) != grid.to_json()
        ):
            other = [f"{key} {value}" for key, value in trained.items() if value != grid.to_json()[key]]
            raise refuse(f"its {kinds[0]} is not that of the training, which had {', '.join(other)}")
    except ParameterError as error:
        raise refuse(str(error)) from error
    return ModelDescription(grid, trained_on, text, provenance, software, checksum is not None, outlining)


def _outlining(value: Any) -> Outlining:
    if not isinstance(value, dict) or sorted(value) != ["certain", "margin_mm"]:
        raise ParameterError(f"outlining needs certain and margin_mm, and no other: {one_line(str(value))}")
    return Outlining(**value)


def _check_fit(path: Path, model: keras.Model, grid: Grid) -> None:
    """Refuse a network that does not take an image of this grid, or does not answer as its paper's does."""
    taken = getattr(model, "input_shape", None)
    if not isinstance(taken, tuple) or taken[1:] != grid.input_shape:
        raise ModelError(f"{path}: the network takes {taken} but its grid gives {grid.input_shape}.")
    if isinstance(grid, ModelGrid):
        shape = getattr(model.output, "shape", None)
        if shape is None or tuple(shape[1:]) != (*grid.shape, 1):
            raise ModelError(
                f"{path}: expected one probability map {(*grid.shape, 1)}, the network gives {model.output_shape}."
            )
        return
    expected = {"segmentation_1": (*grid.size, 2), "prognosis": (2,)}
    outputs = model.output if isinstance(model.output, dict) else {}
    known = {name: tuple(outputs[name].shape[1:]) for name in expected if name in outputs}
    if not known or any(shape != expected[name] for name, shape in known.items()):
        raise ModelError(
            f"{path}: expected outputs such as {expected}, the network gives {model.output_shape}."
        )
