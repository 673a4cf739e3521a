"""The `tmtv` command. Each command is a thin call of the library; heavy modules load inside the functions."""

from __future__ import annotations

from typing import Annotated

import typer

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
) -> None:
    if verbose:
        import logging

        logging.getLogger().setLevel(logging.INFO)


def main() -> None:
    from postprocess.console import run_app

    run_app(app)


if __name__ == "__main__":
    main()
