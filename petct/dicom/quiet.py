"""pydicom, while a file is read or written: it judges no value and prints nothing.

It would print odd values, a patient's name among them, and the tracebacks of its decoders on stderr. What matters is
judged by this package, by name. The settings hold only within these contexts: importing changes nothing.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom raises on a value or a file that does not follow the standard.
PYDICOM_ERRORS = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def unvalidated() -> Iterator[None]:
    """pydicom hands values over without an opinion on them."""
    settings = pydicom.config.settings
    before = settings.reading_validation_mode
    settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        yield
    finally:
        settings.reading_validation_mode = before


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """As `unvalidated`; nothing of pydicom's log, or of its and highdicom's warnings, reaches stderr.

    For whole files; also a decorator. Within itself, in any thread, it costs nothing.
    """
    with _LOCK:
        if not _INSIDE:
            _QUIET.enter_context(_quiet())
        _INSIDE.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE.pop()
            if not _INSIDE:
                _QUIET.close()


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("pydicom")
    level = logger.level
    with unvalidated(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pydicom|highdicom)\.")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


# One state for all threads, as the settings of pydicom, logging and warnings are.
_LOCK, _QUIET, _INSIDE = threading.Lock(), ExitStack(), []  # type: ignore[var-annotated]
