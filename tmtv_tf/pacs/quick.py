"""Shorter ways through pynetdicom for a receiver: half the time of an image was its answer, waiting and copying."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

C_STORE_RSP, NO_DATA_SET = 0x8001, 0x0101
_LAST_OF_COMMAND = b"\x03"  # PS3.8 E.2
_BESIDE = 6  # bytes of a P-DATA-TF around its fragment (PS3.8 9.3.5)
_DATA, _DATA_CAME, _TRANSFER = 0x04, "Evt10", "Sta6"  # PS3.8 9.2, 9.3.5
# For how long an association without requests looks at nothing else: a release, an abort, its time being up.
LOOK_S = 0.02


def be_quick(association: Association) -> None:
    """Have an association that others opened answer C-STORE and wait for requests without detours."""
    dimse = association.dimse
    usual = dimse.send_msg

    def send(primitive: Any, context_id: int) -> None:
        if isinstance(primitive, C_STORE) and primitive.MessageIDBeingRespondedTo is not None:
            command = store_answer(primitive)
            if not 0 < dimse.maximum_pdu_size < len(command) + _BESIDE:
                data = P_DATA()
                data.presentation_data_value_list.append((context_id, _LAST_OF_COMMAND + command))
                dimse.dul.send_pdu(data)
                return
        usual(primitive, context_id)

    dimse.send_msg = send  # type: ignore[method-assign]
    association._reactor_checkpoint = _NextRequest(association)
    _Connection(association)


def acknowledge_at_once(connection: socket.socket) -> None:
    """Have what comes next acknowledged at once; Linux forgets this again and again.

    A sender that waits for the acknowledgement of one piece before it sends the next (Nagle's algorithm, RFC 896) would
    otherwise wait 40 ms for each image that ends in a small piece.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def store_answer(answer: C_STORE) -> bytes:
    """The command set of a C-STORE response: implicit VR little endian, by ascending tag (DICOM PS3.7 9.3.1.2)."""
    comment = getattr(answer, "ErrorComment", None)
    elements = [
        (0x0002, _text(str(answer.AffectedSOPClassUID or ""), b"\0")),
        (0x0100, struct.pack("<H", C_STORE_RSP)),
        (0x0120, struct.pack("<H", answer.MessageIDBeingRespondedTo)),
        (0x0800, struct.pack("<H", NO_DATA_SET)),
        (0x0900, struct.pack("<H", answer.Status)),
        *([(0x0902, _text(str(comment), b" "))] if comment else []),
        (0x1000, _text(str(answer.AffectedSOPInstanceUID or ""), b"\0")),
    ]
    body = b"".join(_element(number, value) for number, value in elements)
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def _text(value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii", "replace")
    return encoded + padding * (len(encoded) % 2)


class _NextRequest(threading.Event):
    """In place of what pauses an association's thread: it sleeps until there is a request, not for a millisecond."""

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._requests = association.dimse.msg_queue
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Until it may go on, and then until there is a request or it has to look at something else."""
        free = super().wait(timeout)
        with self._requests.not_empty:
            if not self._requests.queue:
                self._requests.not_empty.wait(LOOK_S)
        return free


class _Connection:
    """The thread that reads and writes: it sleeps until there is something to read or to send, not for a millisecond.

    A sender waits for the answer to a request before it sends the next one, so it is one of the two at a time.
    """

    def __init__(self, association: Association) -> None:
        dimse, self._dul = association.dimse, association.dul
        self._dimse, self._answering = dimse, False
        self._receive, self._next_to_send = dimse.receive_primitive, self._dul._process_recv_primitive
        self._read, self._decode = self._dul._is_transport_event, self._dul._decode_pdu
        dimse.receive_primitive = self._received  # type: ignore[method-assign]
        self._dul._process_recv_primitive = self._to_send  # type: ignore[method-assign]
        self._dul._is_transport_event = self._to_read  # type: ignore[method-assign]
        self._dul._decode_pdu = self._decoded  # type: ignore[method-assign, assignment]

    def _received(self, primitive: P_DATA) -> None:
        self._receive(primitive)
        self._answering = self._dimse.message is None  # it was the last fragment

    def _to_send(self) -> bool:
        answers = self._dul.to_provider_queue
        if self._answering:
            with answers.not_empty:
                if not answers.queue:
                    answers.not_empty.wait(LOOK_S)
        found = self._next_to_send()
        self._answering = self._answering and not found
        return found

    def _to_read(self) -> bool:
        if not self._answering and self._dul.state_machine.current_state == _TRANSFER:
            _wait_for(self._dul)
        return self._read()

    def _decoded(self, unit: bytearray) -> tuple[Any, str]:
        return (_Data(unit), _DATA_CAME) if unit[0] == _DATA else self._decode(unit)


def _wait_for(dul: DULServiceProvider) -> None:
    """Until there is something to read, or something else to look at."""
    connection = dul.socket.socket if dul.socket is not None else None
    if connection is None or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
        return
    with suppress(OSError, ValueError):  # closed: what reads next sees it
        select.select([connection], [], [], LOOK_S)


class _Data:
    """A P-DATA-TF (PS3.8 9.3.5). pynetdicom copies each fragment four times; here none is copied.

    Raises
    ------
    ValueError
        The lengths in it contradict each other.
    """

    def __init__(self, unit: bytearray) -> None:
        self._fragments: list[tuple[int, memoryview]] = []
        whole, at = memoryview(unit), 6
        while at < len(whole):
            if at + 5 > len(whole) or (end := at + 4 + int.from_bytes(whole[at : at + 4], "big")) > len(
                whole
            ):
                raise ValueError("a fragment is longer than its P-DATA-TF")
            if end < at + 6:
                raise ValueError("a fragment without a message control header")
            self._fragments.append((whole[at + 4], whole[at + 5 : end]))
            at = end

    def to_primitive(self) -> P_DATA:
        """As pynetdicom's own."""
        primitive = P_DATA()
        primitive.presentation_data_value_list.extend(self._fragments)  # type: ignore[arg-type]
        return primitive
