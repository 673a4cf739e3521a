"""`tmtv push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.commands._archive import ADDRESS, AeTitle, Audit, CaFile, ClientCert, audit_log, connect
from tmtv_tf.commands._options import call


def push(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...", help="What tmtv run wrote, one case of it, or DICOM files and folders."
        ),
    ],
    to_pacs: Annotated[str, typer.Option("--to-pacs", help=ADDRESS)],
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object", help="Repeats: seg, rtstruct, sr, pdf, probability. Default: all there are."
        ),
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option(help="DICOM folder of a result with a reader's edits, to make the reviewed objects."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent.")] = False,
    ae_title: AeTitle = "TMTV",
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    audit: Audit = None,
) -> None:
    """Send results to an archive, beside the study that they belong to; each object once.

    tmtv push results --to-pacs https://pacs.example/dicom-web
    tmtv push results/<case_id> --to-pacs dicom://PACS@pacs.example:104 --object seg --object sr

    What the archive holds already is not sent again. With a reader's edits the reviewed objects are sent: new series
    that say so.
    """
    given = dict(locals())  # every option by its name
    from tmtv_tf.pacs.push import print_pushed
    from tmtv_tf.pacs.push import push as push_results

    archive = connect(to_pacs, given)
    report = call(push_results, given, source=results, archive=archive, audit=audit_log(given))
    print_pushed(report, to_pacs)
    for one in report.failed:
        typer.echo(f"Failed: {one.reason}", err=True)
    raise typer.Exit(report.exit_status)
