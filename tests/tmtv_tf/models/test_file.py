"""Model files: what they say of themselves, and that nothing of it can be changed without notice."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from predict_files import network

from petct.errors import ModelError, ParameterError
from tmtv_tf.input.grid import ModelGrid
from tmtv_tf.input.multitask_input import MultitaskGrid
from tmtv_tf.models.file import MEMBER, Outlining, load_model, read_description, save_model

GRID = ModelGrid((16, 16, 16))
VARIANTS = 600


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.keras"
    provenance = {"config": {"grid": GRID.to_json()}, "data_sha256": "0" * 64}
    save_model(path, network(), GRID, provenance, trained_on="phantom", trained_on_text="ours")
    return path


@pytest.fixture
def model_file(saved, tmp_path) -> Path:
    return Path(shutil.copy(saved, tmp_path / "m.keras"))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def describe(path: Path, change) -> None:
    """Change tmtv.json; `change` takes its content and edits it, or returns the bytes to write instead."""
    content = members(path)
    description = json.loads(content[MEMBER])
    changed = change(description)
    content[MEMBER] = changed if isinstance(changed, bytes) else json.dumps(description).encode()
    rewrite(path, content)


def old_style(description: dict[str, Any]) -> None:
    """As version 0.1 wrote it."""
    for key in ("sha256", "trained_on", "trained_on_text"):
        del description[key]


def test_the_checksum_is_the_one_that_the_format_describes(saved):
    """Computed again from the bytes of the file, as the module's first lines say."""
    content = members(saved)
    description = json.loads(content.pop(MEMBER))
    stated = description.pop("sha256")
    text = "".join(f"{n}\0{hashlib.sha256(content[n]).hexdigest()}\n" for n in sorted(content))
    text += json.dumps(description, sort_keys=True, separators=(",", ":"))
    assert stated == hashlib.sha256(text.encode()).hexdigest()


def test_a_file_says_what_it_was_trained_on(saved):
    found = read_description(saved)
    assert (found.grid, found.trained_on, found.trained_on_text) == (GRID, "phantom", "ours")
    assert found.has_checksum
    assert "phantoms only" in found.warnings("m.keras", on_phantom=False)[0]
    assert found.warnings("m.keras", on_phantom=True) == []


def test_the_outlining_comes_back(tmp_path):
    how = Outlining(margin_mm=8, certain=0.65)
    save_model(tmp_path / "m.keras", network(), GRID, outlining=how)
    assert read_description(tmp_path / "m.keras").outlining == how
    describe(tmp_path / "m.keras", lambda d: d["outlining"].update(margin_mm=20))
    with pytest.raises(ModelError, match="checksum"):
        read_description(tmp_path / "m.keras")


def test_without_an_outlining_the_map_stays_the_network_s(saved):
    assert read_description(saved).outlining is None
    assert "outlining" not in json.loads(members(saved)[MEMBER])


@pytest.mark.parametrize("margin_mm", [-1, 51, math.nan, "8", True])
def test_an_outlining_that_is_none(saved, tmp_path, margin_mm):
    with pytest.raises(ParameterError, match="margin_mm of the outlining must be a number from 0 to 50"):
        Outlining(margin_mm, 0.65)
    with pytest.raises(ParameterError, match="certain of the outlining must be a number from 0.5"):
        Outlining(8, 0.4)
    for value in ({"margin_mm": margin_mm, "certain": 0.65}, {"margin_mm": 8}, [8, 0.65]):
        path = tmp_path / "m.keras"
        path.write_bytes(saved.read_bytes())

        def change(description, value=value):
            description["outlining"] = value
            description.pop("sha256")

        describe(path, change)
        with pytest.raises(ModelError, match="outlining"):
            read_description(path)


def test_an_edited_window_is_refused(model_file):
    """PET window 0-5 for 0-25, in the description and in the provenance: 205 mL for 138, in silence."""

    def narrow(description):
        description["grid"]["pet_window_suv"] = [0, 5]
        description["provenance"]["config"]["grid"]["pet_window_suv"] = [0, 5]

    describe(model_file, narrow)
    with pytest.raises(ModelError, match=r"m\.keras: its checksum is not that of its content"):
        load_model(model_file)


def test_other_weights_are_refused(model_file, tmp_path):
    """Whole archives, each right by itself; the weights of one in the other."""
    save_model(tmp_path / "other.keras", network(), GRID)
    content = members(model_file)
    content["model.weights.h5"] = members(tmp_path / "other.keras")["model.weights.h5"]
    rewrite(model_file, content)
    with pytest.raises(ModelError, match="checksum"):
        load_model(model_file)


def test_a_file_made_before_the_checksum_is_read_with_a_warning(model_file):
    describe(model_file, old_style)
    model, grid = load_model(model_file)
    assert grid == GRID
    assert model.input_shape == (None, 16, 16, 16, 2)
    warnings = read_description(model_file).warnings("m.keras", on_phantom=True)
    assert len(warnings) == 1
    assert "no checksum" in warnings[0]


def test_a_file_without_checksum_that_contradicts_itself_is_refused(model_file):
    def narrow(description):
        old_style(description)
        description["grid"]["pet_window_suv"] = [0, 5]

    describe(model_file, narrow)
    with pytest.raises(
        ModelError, match=r"grid is not that of the training, which had pet_window_suv \[0\.0, 25\.0\]"
    ):
        read_description(model_file)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_numbers_are_refused(tmp_path, value):
    model = network()
    weights = model.get_weights()
    weights[0].flat[0] = value
    model.set_weights(weights)
    save_model(tmp_path / "m.keras", model, GRID)
    with pytest.raises(ModelError, match=r"the weights \S+ hold values that are not numbers"):
        load_model(tmp_path / "m.keras")


@pytest.mark.parametrize("value", [math.inf, math.nan, 0.0, -4.0, 1e300, 10**400, "4", None, True, [4.0]])
@pytest.mark.parametrize("kind", [ModelGrid, MultitaskGrid])
def test_a_spacing_that_is_none_is_refused(kind, value):
    from petct.errors import ParameterError

    content = kind().to_json()
    content["spacing_mm"][2] = value
    with pytest.raises(ParameterError, match="positive numbers in mm"):
        kind.from_json(content)


@pytest.mark.parametrize("kind", [ModelGrid, MultitaskGrid])
def test_a_grid_in_json_comes_back(kind):
    assert kind.from_json(json.loads(json.dumps(kind().to_json()))) == kind()
    for key in kind().to_json():
        without = kind().to_json()
        del without[key]
        with pytest.raises(ValueError, match="A grid needs the lists"):
            kind.from_json(without)


def test_an_archive_that_is_none(model_file):
    whole = model_file.read_bytes()
    for broken in (b"", b"no archive", whole[:-30], whole[: len(whole) // 2]):
        model_file.write_bytes(broken)
        with pytest.raises(ModelError, match="not a whole model file"):
            read_description(model_file)
    model_file.write_bytes(whole)
    with zipfile.ZipFile(model_file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(MEMBER, "{}")
    with pytest.raises(ModelError, match="a name stands in it twice"):
        read_description(model_file)
    model_file.write_bytes(whole)
    with zipfile.ZipFile(model_file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(200_000_000))
    with pytest.raises(ModelError, match="it unpacks to 20"):
        read_description(model_file)


STRANGE = (
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    math.nan,
    math.inf,
    "",
    "16",
    "\ud800",
    [],
    {},
    [[]],
    [None] * 3,
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Every place of a JSON value, as the keys that lead there."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in items for place in places(item, (*path, key))]


def spoiled(description: dict[str, Any], rng: random.Random) -> Any:
    """The description with one to three places taken away, doubled, or replaced by something strange."""
    description = copy.deepcopy(description)
    for _ in range(rng.randint(1, 3)):
        options = places(description)
        if not options:
            break
        *way, last = rng.choice(options)
        holder: Any = description
        for key in way:
            holder = holder[key]
        action = rng.randrange(3)
        if action == 0:
            del holder[last]
        elif action == 1 and isinstance(holder, list):
            holder.append(holder[last])
        else:
            holder[last] = copy.deepcopy(rng.choice(STRANGE))
    return description


def outcome(function, path: Path) -> tuple[Any, str]:
    """What a reader gives, or its refusal: always one sentence of a length that a terminal shows."""
    try:
        return function(path), ""
    except ModelError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < 600
    return None, text


def test_no_description_is_misread_and_none_ends_in_a_traceback(saved, tmp_path):
    """Truth: with a checksum, only the description that was written is read; without, nothing in it is replaced."""
    content = members(saved)
    original = json.loads(content[MEMBER])
    old = copy.deepcopy(original)
    old_style(old)
    rng = random.Random(12)
    path = tmp_path / "m.keras"
    refused = 0
    for i in range(VARIANTS):
        start = original if i % 2 else old
        variant = spoiled(start, rng)
        data = json.dumps(variant).encode()
        if i % 10 == 0:  # and broken as text
            cut = rng.randrange(len(data))
            data = data[:cut] + rng.choice((b"", b"[" * 50_000, b"\xff", b"\x00", b'"')) + data[cut + 1 :]
        rewrite(path, {**content, MEMBER: data})
        found, error = outcome(read_description, path)
        if error:
            refused += 1
            assert error.startswith(f"{path}: ")
        else:
            assert found.grid.to_json() == variant["grid"]
            assert not found.has_checksum or variant == start
    assert refused > VARIANTS / 2


def test_bytes_flipped_anywhere_in_the_file_are_noticed(saved, tmp_path):
    """Refused, or (in what no reader of the archive looks at, such as times) the same network."""
    whole = saved.read_bytes()
    expected = load_model(saved)[0].get_weights()
    rng = np.random.default_rng(3)
    path = tmp_path / "m.keras"
    for _ in range(100):
        content = bytearray(whole)
        content[int(rng.integers(len(whole)))] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        found, error = outcome(load_model, path)
        if error:
            continue
        model, grid = found
        assert grid == GRID
        for a, b in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_model_carries_its_preprocessing(small_model_file):
    model, grid = load_model(small_model_file)
    assert grid == ModelGrid((16, 16, 16))
    assert model.input_shape == (None, 16, 16, 16, 2)
    assert read_description(small_model_file).provenance == {"note": "test"}


def test_a_model_loads_with_keras_alone(small_model_file):
    """In a clean process, without this package and without custom_objects."""
    import subprocess
    import sys

    code = (
        "import sys, keras; m = keras.saving.load_model(sys.argv[1]); "
        "print(m.count_params(), any(n.startswith('tmtv_tf') for n in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, small_model_file], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [str(network().count_params()), "False"]


def test_a_network_that_does_not_fit_its_grid_is_refused(tmp_path):
    with pytest.raises(ModelError, match="takes"):
        save_model(tmp_path / "m.keras", network(), ModelGrid((32, 16, 16)))


def test_a_stranger_is_refused(tmp_path):
    network().save(tmp_path / "stranger.keras")
    with pytest.raises(ModelError, match=r"stranger\.keras: holds no tmtv\.json"):
        load_model(tmp_path / "stranger.keras")
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(ModelError, match="not a whole model file"):
        load_model(tmp_path / "text.keras")
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "absent.keras")


def test_code_in_a_model_file_is_not_run(tmp_path):
    """A Lambda layer is refused by Keras's safe mode."""
    inputs = keras.Input((16, 16, 16, 2))
    outputs = keras.layers.Lambda(lambda x: x[..., :1])(inputs)
    model = keras.Model(inputs, outputs)
    save_model(tmp_path / "lambda.keras", model, ModelGrid((16, 16, 16)))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(tmp_path / "lambda.keras")


def test_a_damaged_model_is_refused(tmp_path):
    """One byte of the weights is another: the archive's checksum tells."""
    path = tmp_path / "model.keras"
    save_model(path, network(), ModelGrid((16, 16, 16)))
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    content = bytearray(path.read_bytes())
    content[weights.header_offset + 200 + weights.compress_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a whole model file"):
        load_model(path)
