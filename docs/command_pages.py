"""The reference of the commands, written from what `--help` reads, so that it never lags behind."""

from __future__ import annotations

import importlib
from pathlib import Path

import typer.main

# Command -> module with its typer app. `tmtv` and `tmtv train` hold several commands.
APPS = {
    "tmtv": "tmtv_tf.cli",
    "tmtv-postprocess": "postprocess.cli",
    "tmtv train": "training.commands",
}


def commands() -> dict:
    """Every command by what a user types, hidden ones left out."""
    found = {}
    for name, module in APPS.items():
        command = typer.main.get_command(importlib.import_module(module).app)
        inner = getattr(command, "commands", None)
        if inner is None:
            found[name] = command
        else:
            found |= {f"{name} {part}": item for part, item in inner.items() if not item.hidden}
    return found


def page(name: str, command) -> str:
    """One section: the help text, then a table of arguments and options."""
    rows = []
    for parameter in command.params:
        if parameter.name in ("help", "install_completion", "show_completion") or getattr(
            parameter, "hidden", False
        ):
            continue
        is_option = parameter.param_type_name == "option"
        names = ", ".join(f"`{n}`" for n in [*parameter.opts, *parameter.secondary_opts])
        said = " ".join((parameter.help or "").split()).replace("|", "\\|")
        default = parameter.default if isinstance(parameter.default, int | float | str) else None
        if isinstance(default, bool) or default in (None, ""):
            default = None
        ends = "Required." if parameter.required else f"Default: {default}." if default is not None else ""
        rows.append(f"| {names if is_option else f'`{parameter.name.upper()}`'} | {said} {ends} |")
    return "\n".join(
        [
            f"## `{name}`",
            "",
            "```text",
            (command.help or "").strip(),
            "```",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def write(path: Path) -> None:
    """Write the page if it changed."""
    sections = [page(name, command) for name, command in commands().items()]
    head = """# Commands

Also shown by `--help`. Exit status of every command: 0 all done, 1 some cases failed, 2 nothing done or a wrong call,
75 training stopped and saved, 130 interrupted.

"""
    text = head + "\n".join(sections)
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
