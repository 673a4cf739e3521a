"""Whether the elements of a file stand as the standard orders them: each tag once, after all lower ones (PS3.5 7.1).

pydicom keeps the last of two equal tags, and a reader that stops at the pixels never sees what stands behind them: two
readers, two SUVs. Such a file is refused. The walk looks at tags and lengths only, at every depth of the standard's own
sequences, and takes a file for what pydicom takes it. A file that ends early is no fault here: `headers` sees that.
"""

from __future__ import annotations

import mmap
import zlib
from functools import cache
from pathlib import Path
from struct import Struct

from pydicom.datadict import dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from petct.dicom.values import tag_name
from petct.errors import DicomError

# A deflated file may become this large, and no larger: 4 MB of one can become 12 GB.
DEFLATED_LIMIT_BYTES = 512 * 2**20
# Sequences within sequences: a structured report has a dozen levels, 2000 end Python's stack.
DEEPEST_SEQUENCE = 64

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)


class _Fault(Exception):
    """What is wrong, as the end of a sentence."""


def first_fault(path: Path) -> str | None:
    """The first element that stands twice or too late, as one sentence that names the file; None if all is well.

    Raises
    ------
    DicomError
        A deflated file is larger than `DEFLATED_LIMIT_BYTES`; then no other reader should open it either.
    OSError
        The file cannot be read.
    """
    try:
        _walked(path)
    except _Fault as fault:
        return f"{path}: {fault}; each tag stands once, in ascending order (DICOM PS3.5 7.1)."
    return None


def ends_early(path: Path) -> bool:
    """Whether the last element of a file says that it is longer than the file: the file was cut.

    Raises
    ------
    DicomError
        A deflated file is larger than `DEFLATED_LIMIT_BYTES`, or cannot be inflated.
    OSError
        The file cannot be read.
    """
    try:
        at, end = _walked(path)
    except _Fault:  # that is what `first_fault` tells
        return False
    return at != end


def _walked(path: Path) -> tuple[int, int]:
    """Where the walk over the elements of a file ended, and where its content ends."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        syntax, start = transfer_syntax(data)
        content: mmap.mmap | bytes = data
        if syntax == DeflatedExplicitVRLittleEndian:
            content, start = _inflated(path, data[start:]), 0
        walk = _Walk(content, ">" if syntax == ExplicitVRBigEndian else "<")
        return walk.data_set(start, len(content), walk.is_implicit(start), 0), len(content)


def refuse_bomb(path: Path) -> None:
    """Refuse a deflated file that becomes larger than `DEFLATED_LIMIT_BYTES`, before another reader inflates it.

    Raises
    ------
    DicomError
        It is larger, or cannot be inflated.
    """
    if path.stat().st_size < 132:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        syntax, start = transfer_syntax(data)
        if syntax == DeflatedExplicitVRLittleEndian:
            _inflated(path, data[start:])


def transfer_syntax(data: mmap.mmap | bytes) -> tuple[str, int]:
    """TransferSyntaxUID of the File Meta group (empty without one), and where the data set begins."""
    at = 132 if data[128:132] == b"DICM" else 0
    syntax = ""
    walk = _Walk(data, "<")
    while at + 8 <= len(data) and data[at : at + 2] == b"\x02\0":
        tag, _, length, at = walk.head(at, implicit=False)
        if length == UNDEFINED_LENGTH:
            break
        if tag == 0x00020010:
            syntax = bytes(data[at : at + min(length, 64)]).decode("latin-1").strip(" \0")
        at += length
    return syntax, at


def _inflated(path: Path, data: bytes) -> bytes:
    """The data set of a deflated file, bounded."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, DEFLATED_LIMIT_BYTES)
    except zlib.error as error:
        raise DicomError(f"{path}: cannot be inflated ({error}).") from error
    if inflater.unconsumed_tail and not inflater.eof:
        raise DicomError(
            f"{path}: TransferSyntaxUID (0002,0010) is deflated, and {len(data)} bytes become more than "
            f"{DEFLATED_LIMIT_BYTES >> 20} MB; store the file uncompressed."
        )
    return content


class _Walk:
    """Steps over the elements of a buffer without reading a value."""

    def __init__(self, data: mmap.mmap | bytes, order: str) -> None:
        self.data, self.order = data, order
        self._short, self._long, self._last = (Struct(order + layout) for layout in ("HH2sH", "HHL", "L"))

    def is_implicit(self, at: int) -> bool:
        """Whether the first element has no VR; as pydicom decides it, whatever TransferSyntaxUID says."""
        vr = self.data[at + 4 : at + 6]
        return len(vr) == 2 and not (0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B)

    def head(self, at: int, implicit: bool) -> tuple[int, bytes | None, int, int]:
        """(tag, VR or None, length, where the value begins)."""
        group, element, vr, length = self._short.unpack_from(self.data, at)
        if implicit or not b"AA" <= vr <= b"ZZ":
            return group << 16 | element, None, self._long.unpack_from(self.data, at)[2], at + 8
        if vr in _LONG_VRS:
            long = self.data[at + 8 : at + 12]
            length = self._last.unpack(long)[0] if len(long) == 4 else 0
            return group << 16 | element, vr, length, at + 12
        return group << 16 | element, vr, length, at + 8

    def data_set(self, at: int, end: int, implicit: bool, depth: int) -> int:
        """Walk to `end` or to the delimiter of an item; where the walk ended."""
        seen: set[int] = set()
        last = -1
        while at + 8 <= end:
            tag, vr, length, at = self.head(at, implicit)
            if tag in (ITEM_END, SEQUENCE_END):
                return at
            if tag <= last:
                again = "stands twice" if tag in seen else f"stands behind {tag_name(last)}"
                raise _Fault(f"{tag_name(tag)} {again}")
            last = tag
            seen.add(tag)
            known = _is_sequence(tag)
            if length == UNDEFINED_LENGTH and not (vr in (b"SQ", b"UN", None) or known):
                at = self._fragments(at, end)
            elif length == UNDEFINED_LENGTH:
                at = self._sequence(tag, at, end, implicit or vr == b"UN", depth + 1, delimited=True)
            elif vr == b"SQ" or (known and vr in (b"UN", None)):
                stop = min(at + length, end)
                self._sequence(tag, at, stop, implicit or vr != b"SQ", depth + 1, delimited=False)
                at += length
            else:
                at += length
        return at

    def _sequence(self, tag: int, at: int, end: int, implicit: bool, depth: int, *, delimited: bool) -> int:
        private = (tag >> 16) % 2 == 1  # what is in there is nobody's business but its owner's
        if depth > DEEPEST_SEQUENCE:
            raise _Fault(f"{tag_name(tag)} lies more than {DEEPEST_SEQUENCE} sequences deep")
        while at + 8 <= end:
            item, _, length, at = self.head(at, implicit=True)
            if item == SEQUENCE_END and delimited:
                return at
            if item != ITEM:
                if private:
                    return end
                raise _Fault(f"{tag_name(tag)} holds something that is no item")
            stop = end if length == UNDEFINED_LENGTH else min(at + length, end)
            if length == UNDEFINED_LENGTH or not private:
                inner = self.data_set(at, stop, implicit or self.is_implicit(at), depth)
                at = inner if length == UNDEFINED_LENGTH else at + length
            else:
                at += length
        return at

    def _fragments(self, at: int, end: int) -> int:
        """Over the items of encapsulated pixels."""
        while at + 8 <= end:
            item, _, length, at = self.head(at, implicit=True)
            if item != ITEM or length == UNDEFINED_LENGTH:
                return at if item == SEQUENCE_END else end
            at += length
        return at


@cache
def _is_sequence(tag: int) -> bool:
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False
