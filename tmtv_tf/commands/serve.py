"""`tmtv serve`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmtv_tf.commands._archive import ADDRESS, AeTitle, CaFile, ClientCert, connect
from tmtv_tf.commands._options import Backend, Export, Keep, KeyFile, Methods, Model, Seg, call, run_options

if TYPE_CHECKING:
    from tmtv_tf.pacs.options import ServeOptions
    from tmtv_tf.pacs.tls import ServerTls

Out = Annotated[
    Path, typer.Option(help="Folder for <case_id>/ and tmtv.csv, and for serve/, the service's own.")
]
Status = Annotated[
    bool, typer.Option("--status", help="Say what the service with this --out holds, and leave.")
]
AsJson = Annotated[bool, typer.Option("--json", help="With --status: as JSON on stdout.")]
Again = Annotated[
    list[str] | None, typer.Option(help="Run this case as it is, though it was refused or is done. Repeats.")
]
Forget = Annotated[
    list[str] | None,
    typer.Option(help="Remove the images of this case, so that it can be sent anew; results stay. Repeats."),
]
Host = Annotated[str, typer.Option(help="Address to listen on. Other than loopback needs --allow.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="DICOM port; 0 takes any free one.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="Who may send: AE, AE@ADDRESS or @ADDRESS. Repeats. Default: anybody on this computer."
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", help="Receive over TLS only, with this certificate of ours (PEM)."),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", help="Its key (PEM), if it is not in the same file.")
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option("--tls-client-ca", help="Senders must show a certificate that one of these signed (PEM)."),
]
ToPacs = Annotated[str | None, typer.Option("--to-pacs", help=f"Store the results in an archive: {ADDRESS}")]
Objects = Annotated[
    list[str] | None,
    typer.Option(
        "--object",
        help="What to store: seg, rtstruct, sr, pdf, probability. Repeats. Default: but probability.",
    ),
]
Quiet = Annotated[
    float, typer.Option(min=0.1, help="Seconds without a new image after which a whole study is complete.")
]
Patience = Annotated[
    float,
    typer.Option(min=0.1, help="The same where something is missing: no PET, no CT, a broken connection."),
]
KeepDays = Annotated[
    float, typer.Option(min=0.0, help="Received images are removed so many days after their study ended.")
]
MaxGb = Annotated[
    float, typer.Option(min=0.001, help="Received images may fill so much; then none is taken.")
]
MinFreeGb = Annotated[float, typer.Option(min=0.0, help="So much of the disk stays free for results.")]
Workers = Annotated[int, typer.Option(min=1, help="Studies at once, each in a process of its own.")]
RunMinutes = Annotated[float, typer.Option(min=0.1, help="A run that takes longer is ended and refused.")]
StatusPort = Annotated[
    int, typer.Option(min=-1, max=65535, help="Port of the status page on 127.0.0.1; -1 for no page.")
]


def serve(
    out: Out,
    status: Status = False,
    as_json: AsJson = False,
    again: Again = None,
    forget: Forget = None,
    host: Host = "127.0.0.1",
    port: Port = 11112,
    ae_title: AeTitle = "TMTV",
    allow: Allow = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    to_pacs: ToPacs = None,
    objects: Objects = None,
    ca_file: CaFile = None,
    client_cert: ClientCert = None,
    model: Model = None,
    method: Methods = None,
    export: Export = "41",
    keep: Keep = "all",
    seg: Seg = "BINARY",
    backend: Backend = "auto",
    key_file: KeyFile = None,
    quiet_s: Quiet = 5.0,
    patience_s: Patience = 60.0,
    keep_days: KeepDays = 7.0,
    max_gb: MaxGb = 100.0,
    min_free_gb: MinFreeGb = 2.0,
    workers: Workers = 1,
    run_minutes: RunMinutes = 60.0,
    status_port: StatusPort = 11113,
) -> None:
    """Receive studies by DICOM, run each once it is complete, and store the results in an archive.

    tmtv serve --out results --to-pacs dicom://ORTHANC@localhost:4242
    tmtv serve --out results --status

    Ends at Ctrl-C or SIGTERM; whatever ends it, the same command goes on where it was.
    """
    given = dict(locals())  # every option by its name
    if status or again or forget:
        _look(out / "serve", again or [], forget or [], as_json=as_json)
        return
    from petct.extras import extra

    with extra("pacs", "tmtv serve"):
        from tmtv_tf.pacs.serve import serve_until_signalled
    serve_until_signalled(_options(given))


def _options(given: Mapping[str, Any]) -> ServeOptions:
    from tmtv_tf.pacs.incoming import Limits
    from tmtv_tf.pacs.options import ServeOptions
    from tmtv_tf.pacs.receiver import Caller

    to_pacs, objects, page = given["to_pacs"], tuple(given["objects"] or ()), given["status_port"]
    limits = Limits(
        given["quiet_s"], given["patience_s"], int(given["max_gb"] * 1e9), int(given["min_free_gb"] * 1e9)
    )
    run = run_options(
        given,
        probability_seg="probability" in objects,
        pdf_dicom=to_pacs is not None and (not objects or "pdf" in objects),
    )
    return call(
        ServeOptions,
        given,
        allowed=tuple(map(Caller.parse, given["allow"] or ())),
        tls=_tls(given["tls_cert"], given["tls_key"], given["tls_client_ca"]),
        run=run,
        archive=connect(to_pacs, given) if to_pacs else None,
        objects=objects or None,
        limits=limits,
        page_port=None if page < 0 else page,
    )


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    from petct.errors import ParameterError
    from tmtv_tf.pacs.tls import ServerTls

    if cert is not None:
        return ServerTls(cert, key, client_ca)
    if key is not None or client_ca is not None:
        raise ParameterError(
            "--tls-key and --tls-client-ca go with --tls-cert, the certificate of this receiver."
        )
    return None


def _look(folder: Path, again: list[str], forget: list[str], *, as_json: bool) -> None:
    """What another process asks of the queue."""
    import json

    from tmtv_tf.pacs import status

    status.ask_again(folder, again)
    status.forget(folder, forget)
    found = status.status(folder)
    typer.echo(json.dumps(found, indent=2) if as_json else status.as_text(found))
