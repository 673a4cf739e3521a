"""A study while its objects arrive: what is here, what was announced, and what is missing."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from tmtv_tf.pacs.instance import Folder, Header


@dataclass
class ArrivingSeries:
    """Of one series: the objects that are here, and how many its sender announced (0: it did not)."""

    modality: str
    announced: int = 0
    objects: set[str] = field(default_factory=set)


@dataclass
class Arriving:
    """A study while objects arrive. Its lock is held while one is written and while it is judged complete."""

    case_id: str
    study_uid: str
    patient: str
    folder: Folder
    receiving: bool
    may_change: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    series: dict[str, ArrivingSeries] = field(default_factory=dict)
    announced: int = 0
    associations: set[str] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)  # series, association
    begun: set[tuple[str, str]] = field(default_factory=set)  # the same, as the queue knows them
    brought: set[str] = field(default_factory=set)  # associations that sent something new
    last: float = 0.0
    was_refused: bool = False
    left: bool = False

    def add(self, header: Header) -> None:
        """Count an object that is here."""
        series = self.series.setdefault(header.series_uid, ArrivingSeries(header.modality))
        series.announced = max(series.announced, header.series_count)
        series.objects.add(header.sop_instance_uid)
        self.announced = max(self.announced, header.study_count)


def faults(study: Arriving, cut: Iterable[str]) -> list[str]:
    """What is missing for certain, in sentences; `cut`: series whose connection broke."""
    found = []
    for uid, series in study.series.items():
        if series.announced and len(series.objects) >= series.announced:
            continue
        if uid in cut:
            found.append(
                f"The connection broke while a series ({series.modality or 'unknown'}) was sent: "
                f"{len(series.objects)} images arrived."
            )
        elif series.modality == "PT" and series.announced:
            found.append(
                f"The PET has {len(series.objects)} of the {series.announced} images that it announces."
            )
    if found:
        found.append("Send the study again, or run it as it is: tmtv serve --again CASE.")
    return found
