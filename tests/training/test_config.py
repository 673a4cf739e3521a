"""Configuration files: the paper's is the paper's, and a mistake is named."""

from __future__ import annotations

import math
from configparser import ConfigParser
from pathlib import Path

import pytest

import training
from petct.errors import ParameterError
from training.config import read_config
from training.train_vnet import Config

CONFIGS = Path(training.__file__).parent / "configs"


def test_the_papers_configuration_is_the_papers():
    """Revailler et al. 2022, sections 2.2 and 2.4, and its authors' code."""
    config = read_config(CONFIGS / "vnet_paper.yaml", Config)
    assert config.grid.grid().input_shape == (256, 128, 128, 2)
    assert config.grid.spacing_mm == (4, 4, 4)
    assert (config.grid.pet_window_suv, config.grid.ct_window_hu) == ((0, 25), (-1000, 1000))
    assert (config.optimizer.name, config.optimizer.learning_rate, config.optimizer.momentum) == (
        "sgd",
        0.001,
        0.9,
    )
    assert (config.epochs, config.batch) == (100, 2)
    assert (config.loss.kind, config.loss.options, config.loss.binarize_target) == (
        "soft_dice",
        {"smooth": 0.1},
        False,
    )
    plateau = config.reduce_on_plateau
    assert (plateau.monitor, plateau.patience, plateau.factor, plateau.min_learning_rate) == (
        "val_loss",
        10,
        0.5,
        1e-7,
    )
    moves = config.augmentation
    assert (moves.mode, moves.probability, moves.scaling) == ("paper", 0.8, (0.9, 1.1))
    assert moves.translation_mm == (10, 10, 10)
    assert [math.radians(a) for a in moves.rotation_degrees] == pytest.approx(
        [math.pi / 60, math.pi / 30, math.pi / 60]
    )
    assert not moves.flip_left_right


def test_the_papers_network_is_built_from_it():
    from training.train_vnet import build

    assert build(read_config(CONFIGS / "vnet_paper.yaml", Config)).count_params() == 10_986_489


@pytest.mark.parametrize("name", ["demo.yaml", "vnet_groupnorm.yaml", "vnet_paper.yaml"])
def test_every_configuration_is_valid(name):
    read_config(CONFIGS / name, Config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid: {shapes: [1, 2, 3]}", r"grid\.shapes: unknown key"),
        ("grid: {shape: [16, 16, 0]}", r"grid: Grid shape must be three positive integers"),
        ("augmentation: {rotation_rad: [0, 0, 0]}", r"augmentation\.rotation_rad: unknown key"),
        ("augmentation: {scaling: [1.2, 0.8]}", r"augmentation: Scaling needs 0 < smallest <= largest"),
        ("epoch: 3", r"c\.yaml: epoch: unknown key"),
        ("optimizer: {learning_rat: 3}", r"optimizer\.learning_rat: unknown key"),
        ("monitor: val_dise", r"monitor: input should be 'loss', 'val_loss', 'dice' or 'val_dice'"),
        ("batch: 0", r"batch: input should be greater than or equal to 1 \(received 0\)"),
        ("model: {activation: gelu}", r"model\.activation"),
        ("epochs: [", "not readable as YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ParameterError, match=message):
        read_config(tmp_path / "c.yaml", Config)


def test_a_missing_file_is_named_with_those_that_there_are(tmp_path):
    names = ", ".join(sorted(path.name for path in CONFIGS.glob("*.yaml")))
    for path in (tmp_path / "absent.yaml", Path("absent.yaml"), tmp_path / "demo.yaml"):
        with pytest.raises(
            ParameterError, match=rf"^{path}: no such file\. With the package come {names}\.$"
        ):
            read_config(path, Config)


def test_a_bare_name_is_found_in_the_working_folder_then_in_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_config("demo.yaml", Config) == read_config(CONFIGS / "demo.yaml", Config)
    Path("demo.yaml").write_text("epochs: 3")
    assert read_config("demo.yaml", Config).epochs == 3


def test_the_wheel_holds_the_configurations():
    setup = ConfigParser()
    setup.read(CONFIGS.parents[1] / "setup.cfg")
    patterns = setup["options.package_data"]["training"].split(",")
    assert {path for pattern in patterns for path in CONFIGS.parent.glob(pattern)} == set(CONFIGS.iterdir())


def test_augmentation_on_the_accelerator_is_online(tmp_path):
    (tmp_path / "c.yaml").write_text("augmentation: {mode: paper, on_accelerator: true}")
    with pytest.raises(ParameterError, match="on_accelerator needs mode: online .received 'paper'"):
        read_config(tmp_path / "c.yaml", Config)


def test_two_schedules_of_the_learning_rate_are_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("cosine_decay: true\nreduce_on_plateau: {patience: 3}\n")
    with pytest.raises(ParameterError, match="not cosine_decay and reduce_on_plateau"):
        read_config(tmp_path / "c.yaml", Config)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{a: " * 5000, "nested too deep"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases are not read"),
        ("seed: 1\nseed: 2\n", "'seed' stands twice"),
        ("# " + "x" * 1_000_001, "larger than 1000 kB"),
        ("seed: " + "x" * 100_000, "seed: "),
    ],
    ids=["deep", "bomb", "twice", "large", "long value"],
)
def test_yaml_that_is_an_attack_is_one_short_sentence(text: str, reason: str, tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=reason) as raised:
        read_config(path, Config)
    assert len(str(raised.value)) < 1000


def test_defaults_are_those_of_the_network():
    """Each stands once in the package; the configuration of the V-Net mirrors its arguments."""
    import inspect

    from tmtv_tf.models import vnet

    arguments = inspect.signature(vnet).parameters
    for name, value in Config().model.model_dump().items():
        if name in arguments:
            assert arguments[name].default == value, name
    assert arguments["input_shape"].default == Config().grid.input_shape == (256, 128, 128, 2)


def test_a_key_of_before_is_named_by_its_new_name(tmp_path):
    from training.multitask import MultitaskFitConfig

    (tmp_path / "c.yaml").write_text("segmentation_share: 0.2")
    with pytest.raises(ParameterError, match="segmentation_share: unknown key; it is called lambda_ now"):
        read_config(tmp_path / "c.yaml", MultitaskFitConfig)


def test_one_angle_is_that_about_every_axis(tmp_path):
    from training.multitask import MultitaskFitConfig

    (tmp_path / "c.yaml").write_text("augmentation: {rotation_degrees: 5}")
    moves = read_config(tmp_path / "c.yaml", MultitaskFitConfig).augmentation
    assert moves.rotation_degrees == (5, 5, 5)
    assert (moves.scaling, moves.scaling_per_axis, moves.translation_mm) == ((0.8, 1.2), True, (0, 0, 0))
