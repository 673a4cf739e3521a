"""How well human readers agree on TMTV, as published: what an automatic method is laid beside."""

from __future__ import annotations

from dataclasses import dataclass

NAN = float("nan")


@dataclass(frozen=True)
class ReaderAgreement:
    """Agreement of readers under one method; NaN where the source does not give it."""

    icc: float = NAN
    cv_percent: float = NAN
    share_close: float = NAN
    source: str = ""


BURGGRAAFF = "Burggraaff 2020, 3 observers, 12 DLBCL, doi:10.1007/s11307-020-01474-z"
BOELLAARD = "Boellaard 2024, benchmark, doi:10.2967/jnumed.124.267789"

# Of TMTV, by method.
READERS: dict[str, ReaderAgreement] = {
    "41": ReaderAgreement(0.43, 65.5, source=BURGGRAAFF),
    "a50p": ReaderAgreement(0.86, 36.7, source=f"{BURGGRAAFF} (its background is local)"),
    "2.5": ReaderAgreement(0.96, 13.3, source=BURGGRAAFF),
    "4.0": ReaderAgreement(0.94, 13.8, 0.87, f"{BURGGRAAFF}; share: {BOELLAARD}"),
}
