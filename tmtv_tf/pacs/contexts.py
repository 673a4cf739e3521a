"""Presentation contexts: what is offered to an archive, so that objects come and go as they are (DICOM PS3.8 7.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    PositronEmissionTomographyImageStorage,
)
from pynetdicom import build_context
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.presentation import PresentationContext

# Study root query/retrieve (PS3.4 C.6.2.1).
FIND, MOVE, GET = (UID(f"1.2.840.10008.5.1.4.1.2.2.{number}") for number in (1, 2, 3))
# PS3.8 9.3.2.2: identifiers of presentation contexts are odd numbers below 256.
MOST_CONTEXTS = 128
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
# What a series of images may hold where the archive does not say it.
_IMAGE_CLASSES = (
    PositronEmissionTomographyImageStorage,
    CTImageStorage,
    EnhancedPETImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)
_HTJ2K = [f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)]
SYNTAXES = [one for one in ALL_TRANSFER_SYNTAXES if not one.startswith("1.2.840.10008.1.2.4.1")] + _HTJ2K


def get_contexts(kinds: Iterable[str]) -> list[PresentationContext]:
    """Contexts of a C-GET: one for each kind and transfer syntax, so that nothing is transcoded on the way.

    kinds : SOPClassUID of the objects; empty where the archive does not say
    """
    wanted = sorted(set(kinds) - {""})
    most = (MOST_CONTEXTS - 1) // len(SYNTAXES)
    if not wanted or len(wanted) > most:
        wanted = wanted[:most] or list(_IMAGE_CLASSES[:most])
    pairs = [build_context(kind, syntax) for kind, syntax in product(wanted, SYNTAXES)]
    return [build_context(GET), *pairs]


def store_contexts(kinds: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Contexts of a C-STORE: (SOPClassUID, TransferSyntaxUID) of the files."""
    return [build_context(kind, syntax) for kind, syntax in sorted(set(kinds))]
