"""The `tmtv` command. Each command is a thin call of the library; heavy modules load inside the functions."""

from __future__ import annotations

from typing import Annotated

import typer

from petct.console import print_version
from tmtv_tf.commands.card import card
from tmtv_tf.commands.evaluate import evaluate
from tmtv_tf.commands.export import export, export_model
from tmtv_tf.commands.inspect import inspect
from tmtv_tf.commands.phantom import phantom
from tmtv_tf.commands.predict import predict
from tmtv_tf.commands.prepare import prepare
from tmtv_tf.commands.pull import pull
from tmtv_tf.commands.push import push
from tmtv_tf.commands.review import review
from tmtv_tf.commands.run import run
from tmtv_tf.commands.serve import serve

app = typer.Typer(
    name="tmtv",
    help="FDG PET/CT in, total metabolic tumour volume out. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Say which version this is."),
    ] = False,
) -> None:
    """Options before the command."""
    if verbose:
        import logging

        logging.getLogger().setLevel(logging.INFO)


COMMANDS = (run, serve, review, export, pull, push, inspect, prepare, predict, evaluate, card, phantom)
for command in COMMANDS:
    app.command(no_args_is_help=True)(command)
app.command("export-model", no_args_is_help=True)(export_model)


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def postprocess() -> None:
    """It is a command of its own: tmtv-postprocess."""
    from petct.errors import ParameterError

    raise ParameterError(
        "Post-processing is a command of its own: tmtv-postprocess (with a dash). See its --help."
    )


def add_installed_commands(app: typer.Typer) -> None:
    """Add the commands of other installed packages: entry points of the group `tmtv.commands`, each a typer app."""
    from importlib.metadata import entry_points

    known = {group.name for group in app.registered_groups}
    for point in entry_points(group="tmtv.commands"):
        if point.name not in known:
            app.add_typer(point.load(), name=point.name)


def main() -> None:
    """Run `tmtv`."""
    from petct.console import run_app

    add_installed_commands(app)
    run_app(app)


if __name__ == "__main__":
    main()
