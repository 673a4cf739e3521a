"""What the user of `tmtv serve` chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from petct.errors import ParameterError
from tmtv_tf.pacs.archive import LOOPBACK, Archive
from tmtv_tf.pacs.incoming import Limits
from tmtv_tf.pacs.push import OBJECTS
from tmtv_tf.pacs.receiver import Caller
from tmtv_tf.pacs.tls import ServerTls
from tmtv_tf.pipeline.options import RunOptions

PORT = 11112  # registered for DICOM
PAGE_PORT = 11113


@dataclass(frozen=True)
class ServeOptions:
    """What the user of `tmtv serve` chooses.

    Attributes
    ----------
    allowed : who may send; empty: anybody, which only a loopback address allows
    tls : senders have to speak TLS; None: none of them can
    model : file or name; None: the packaged one that fits each study
    archive : where results are stored; None: they are kept here only
    objects : which of them are stored (`push.OBJECTS`); None: all
    keep_days : images are removed so many days (of service) after their study was done or refused
    run_minutes : a run that takes longer is ended and refused
    page_port : of the status page; None for none
    """

    out: Path
    host: str = "127.0.0.1"
    port: int = PORT
    ae_title: str = "TMTV"
    allowed: tuple[Caller, ...] = ()
    tls: ServerTls | None = None
    model: str | None = None
    run: RunOptions = field(default_factory=RunOptions)
    archive: Archive | None = None
    objects: tuple[str, ...] | None = None
    key_file: Path | None = None
    limits: Limits = field(default_factory=Limits)
    keep_days: float = 7.0
    workers: int = 1
    run_minutes: float = 60.0
    page_port: int | None = PAGE_PORT

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.allowed:
            raise ParameterError(
                f"With --host {self.host} other computers can send: say which, by --allow AE@ADDRESS (it repeats)."
            )
        for name in self.objects or ():
            if name not in OBJECTS:
                raise ParameterError(f"`object` is one of {', '.join(OBJECTS)}. Received: {name!r}.")
        if not 1 <= len(self.ae_title.strip()) <= 16:
            raise ParameterError(f"`ae_title` has 1 to 16 characters. Received: {self.ae_title!r}.")
