"""A session of the review page on the images of `review_files`, and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from review_files import (
    review_of,
)

from tmtv_tf.review.session import Session
from tmtv_tf.review.shown import state_of


def ask(session: Session, method: str = "41", **edit: Any) -> dict[str, Any]:
    """One edit, and the state after it."""
    session.edit(len(session.log.entries), method, edit)
    return state_of(session, method)


def labels(session: Session, method: str = "41") -> np.ndarray:
    return session.snapshot().methods[method].lesions.paint()


def label_at(session: Session, place: tuple[int, int, int], method: str = "41") -> int:
    return int(labels(session, method)[place])


def opened(root: Path, **more: Any) -> Session:
    session = review_of(root, **more).session("p")
    assert session is not None
    return session
