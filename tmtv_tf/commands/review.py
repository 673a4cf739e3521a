"""`tmtv review`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def review(
    results: Annotated[Path, typer.Argument(help="What tmtv run or tmtv-postprocess wrote.")],
    cases: Annotated[
        Path | None, typer.Option(help="What tmtv prepare wrote: PET and CT that RESULTS does not hold.")
    ] = None,
    series: Annotated[
        Path | None, typer.Option(help="DICOM folder (any tree) of the PET series, to export from the page.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    reader: Annotated[
        str | None, typer.Option(help="Who edits, for edits.json. Default: the name of the login.")
    ] = None,
    blind: Annotated[
        bool,
        typer.Option(
            "--blind", help="Keep this reader's edits apart, in RESULTS/readers/<reader>/; others unseen."
        ),
    ] = False,
    adjudicate: Annotated[
        tuple[str, str] | None, typer.Option(help="Two readers who were blind: show both beside each other.")
    ] = None,
) -> None:
    """Look at results, correct and sign them, in the browser.

    tmtv review results
    tmtv review results --cases cases --series /data/export

    The page is served to this computer only. Every change is in <case_id>/edits.json at once; the corrected result is
    in <case_id>/review/, as after tmtv-postprocess --exclude.
    """
    from petct.extras import extra
    from postprocess.requests import reader_name
    from tmtv_tf.review.worklist import reader_folders

    with extra("review", "tmtv review"):
        import uvicorn  # noqa: F401  # here, so that a missing package is named before any image is read

        from tmtv_tf.review.server import serve

    who = reader_name(reader)
    folders = reader_folders(results, cases, series, who if blind else None, adjudicate or ())
    serve(folders, who, adjudicates=adjudicate or (), port=port, browser=browser)
