"""`tmtv train` is found through the installed package's entry points, and is the scripts by another name."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import typer
from typer.testing import CliRunner

import training.cross_validate
import training.train_multitask
import training.train_vnet
from tmtv_tf.cli import add_installed_commands
from training.commands import app


def tmtv(*arguments: str, after: str = "") -> subprocess.CompletedProcess:
    """The `tmtv` command in a process of its own; `after` is run at its end."""
    code = f"import atexit, sys\natexit.register(lambda: ({after or 'None'}))\nfrom tmtv_tf.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


installed = pytest.mark.skipif(
    not any(point.name == "train" for point in entry_points(group="tmtv.commands")),
    reason="the installed metadata is older than the entry point: pip install --no-deps -e .",
)


@installed
def test_tmtv_train_names_its_three_commands_and_loads_no_tensorflow():
    done = tmtv("train", "--help", after="print('loaded', {'tensorflow', 'keras'} & sys.modules.keys())")
    assert done.returncode == 0, done.stderr
    for name in ("vnet", "multitask", "cross-validate"):
        assert f" {name} " in done.stdout
    assert "loaded set()" in done.stdout
    assert " train " in tmtv("--help").stdout


@installed
def test_a_wrong_configuration_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "c.yaml").write_text("epoch: 3")
    done = tmtv(
        *("train", "vnet", "--config", str(tmp_path / "c.yaml")),
        *("--data", str(tmp_path), "--out", str(tmp_path / "run")),
    )
    assert (done.returncode, done.stderr) == (2, f"Error: {tmp_path / 'c.yaml'}: epoch: unknown key.\n")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (training.train_vnet, "vnet"),
        (training.train_multitask, "multitask"),
        (training.cross_validate, "cross-validate"),
    ],
)
def test_a_script_takes_the_options_of_its_command(module, name):
    script = typer.main.get_command(module.app)
    command = typer.main.get_command(app).commands[name]
    options = [
        [(p.name, p.opts, p.required) for p in c.params if p.name != "help"] for c in (script, command)
    ]
    assert options[0] == options[1]
    assert {"config", "data", "out"} <= {option[0] for option in options[0]}


def test_commands_are_added_once():
    host = typer.Typer()
    host.command("other")(lambda: None)
    for _ in range(2):
        add_installed_commands(host)
    names = [group.name for group in host.registered_groups]
    assert names == sorted({point.name for point in entry_points(group="tmtv.commands")})


def test_nothing_but_help_without_a_command():
    done = CliRunner().invoke(app, [])
    assert "Train the networks of the two papers" in done.output
