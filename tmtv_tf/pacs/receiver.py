"""The DICOM receiver of `tmtv serve`: C-ECHO and C-STORE by pynetdicom, for those who are allowed to call."""

from __future__ import annotations

import logging
import secrets
import ssl
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from socket import SHUT_RDWR
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import AssociationSocket, ThreadedAssociationServer

from petct.errors import ParameterError, TmtvError
from petct.parallel import explain
from tmtv_tf.pacs.incoming import Answer, Incoming
from tmtv_tf.pacs.quick import acknowledge_at_once, be_quick
from tmtv_tf.pacs.tls import shake_hands

log = logging.getLogger(__name__)

PROCESSING_FAILURE = 0x0110
LONGEST_COMMENT = 64
# A protocol data unit as long as dcmtk sends them; a longer one that a sender starts is a fault or an attack.
PDU_BYTES = 131_072
LONGEST_PDU_BYTES = 4 * 2**20
# One object with all that is sent around it; a multi-frame PET has 600 MB.
LONGEST_OBJECT_BYTES = 2 * 2**30
# Memory for objects that are not whole yet, of all senders together; a small object is not held against anybody.
ALL_OBJECTS_BYTES, LARGE_OBJECT_BYTES = 4 * 2**30, 64 * 2**20
ASSOCIATIONS = 16
# A connection that says nothing for so long is closed, also in the middle of a data unit.
SILENCE_S = 60.0
# A connection that has not asked for an association after so long is closed; there may be so many of them.
REQUEST_S = 15.0
CONNECTIONS = 64
REJECTED_PERMANENTLY, BY_USER, CALLING_AE_UNKNOWN = 1, 1, 3


@dataclass(frozen=True)
class Caller:
    """Who may send: an AE title, an address, or a title from an address; "" is any."""

    ae_title: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Caller:
        """AE, AE@ADDRESS or @ADDRESS."""
        title, _, address = text.partition("@")
        if not text or len(title) > 16 or (not title and not address):
            raise ParameterError(f"--allow takes AE, AE@ADDRESS or @ADDRESS. Received: {text!r}.")
        return cls(title.strip(), address.strip())

    def fits(self, ae_title: str, address: str) -> bool:
        return self.ae_title in ("", ae_title) and self.address in ("", address)


class Receiver:
    """Listens, and hands every object to `incoming`.

    Parameters
    ----------
    allowed : callers; empty: anybody who reaches the address
    audit : writes an event: (event, what)
    tls : every caller has to speak TLS; None: none can

    Raises
    ------
    TmtvError
        The address cannot be listened on.
    """

    def __init__(
        self,
        incoming: Incoming,
        host: str,
        port: int,
        *,
        ae_title: str,
        allowed: Sequence[Caller],
        audit: Callable[..., None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.incoming, self.allowed, self._audit = incoming, tuple(allowed), audit
        self._lock = threading.Lock()
        self._readers: weakref.WeakKeyDictionary[Association, _Reader] = weakref.WeakKeyDictionary()
        self._open: dict[Association, _Sender] = {}
        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every object, in the transfer syntax that it has
        _config.LOG_HANDLER_LEVEL = "none"
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it would show values of the objects
        ae = AE(ae_title)
        ae.add_supported_context(Verification)
        ae.require_called_aet = True
        ae.maximum_pdu_size = PDU_BYTES
        ae.maximum_associations = ASSOCIATIONS
        ae.network_timeout = ae.dimse_timeout = SILENCE_S
        ae.acse_timeout = REQUEST_S
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_RELEASED, partial(self._ended, released=True)),
            (evt.EVT_ABORTED, partial(self._ended, released=False)),
        ]
        try:
            server = ae.start_server((host, port), block=False, evt_handlers=handlers)
        except OSError as error:
            raise TmtvError(f"{host}:{port}: cannot listen there ({error.strerror or error}).") from error
        if server is None:
            raise TmtvError(f"{host}:{port}: cannot listen there.")
        self._server: ThreadedAssociationServer = server
        self.address = f"{ae_title}@{server.server_address[0]}:{server.server_address[1]}"

    def tidy(self) -> None:
        """End what was never said to have ended: its thread is gone."""
        with self._lock:
            gone = [association for association in self._open if not association.is_alive()]
        for association in gone:
            self._end(association, released=False)

    def close(self) -> None:
        """Take no more calls, and cut those that are open; what has been acknowledged is on disk."""
        self._server.shutdown()
        with self._lock:
            rest = list(self._open)
        for association in rest:
            association.abort(block=False)

    # What pynetdicom tells

    def _connected(self, event: evt.Event) -> None:
        connection = event.assoc.dul.socket
        if connection is None or connection.socket is None:
            return
        address = str(event.assoc.requestor.address)
        known = not self.allowed or any(caller.address in ("", address) for caller in self.allowed)
        reader = _Reader(connection, self._arriving)
        with self._lock:
            if taken := known and len(self._readers) < CONNECTIONS:
                self._readers[event.assoc] = reader
        if not taken:
            log.warning("%s: cut off (%s).", address, "too many connections" if known else "not in --allow")
            connection.socket.shutdown(SHUT_RDWR)
            return
        if self._tls is not None and not shake_hands(connection, self._tls, address):
            return
        connection.socket.settimeout(SILENCE_S)
        connection.recv = reader.recv  # type: ignore[method-assign]  # bounded, and in one piece

    def _arriving(self) -> int:
        """Bytes of all objects that are not whole yet."""
        with self._lock:
            return sum(reader.since for reader in self._readers.values())

    def _requested(self, event: evt.Event) -> None:
        """Reject a caller who is not on the list."""
        request = event.assoc.requestor
        title = _title(request)
        address = str(request.address)
        if not self.allowed or any(caller.fits(title, address) for caller in self.allowed):
            return
        log.warning("%s@%s is not allowed to send (--allow).", title, address)
        self._say("rejected", peer=_peer(title, address))
        event.assoc.acse.send_reject(REJECTED_PERMANENTLY, BY_USER, CALLING_AE_UNKNOWN)
        event.assoc.kill()

    def _established(self, event: evt.Event) -> None:
        request = event.assoc.requestor
        with self._lock:
            sender = _Sender(_peer(_title(request), str(request.address)), self._readers[event.assoc])
            self._open[event.assoc] = sender
        be_quick(event.assoc)
        self.incoming.begin(sender.association)

    def _echo(self, event: evt.Event) -> int:
        return 0x0000

    def _store(self, event: evt.Event) -> int | Dataset:
        with self._lock:
            sender = self._open.get(event.assoc)
        if sender is None:  # aborted meanwhile
            return PROCESSING_FAILURE
        sender.reader.forget()
        try:
            request: Any = event.request
            answer = self.incoming.store(
                request.DataSet.getvalue() if request.DataSet is not None else b"",
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                association=sender.association,
                peer=sender.peer,
            )
        except Exception as error:  # whatever an object does to us, the service goes on
            log.error("An object could not be received: %s", explain(error)[0])
            answer = Answer(PROCESSING_FAILURE, "The receiver failed; see its log.")
        sender.count(answer)
        return answer.status if not answer.comment else _status(answer)

    def _ended(self, event: evt.Event, *, released: bool) -> None:
        self._end(event.assoc, released=released)

    def _end(self, association: Association, *, released: bool) -> None:
        with self._lock:
            sender = self._open.pop(association, None)
        if sender is None:
            return
        sender.reader.forget()
        try:
            self.incoming.end(sender.association, released=released)
        except TmtvError as error:  # the series counts as cut off, and is completed when it is sent again
            log.error("%s", error)
        if sender.kept or sender.refused:
            state = "released" if released else "broken"
            self._say("received", peer=sender.peer, count=sender.kept, state=state)
        for status, (comment, count) in sender.refused.items():
            log.warning("%s: %d objects refused (%04X): %s", sender.peer, count, status, comment)
            self._say("refused", peer=sender.peer, count=count, status=status)

    def _say(self, event: str, **what: Any) -> None:
        try:
            self._audit(event, **what)
        except TmtvError as error:
            log.error("%s", error)


class _Sender:
    """What one association has sent so far."""

    def __init__(self, peer: str, reader: _Reader) -> None:
        self.association, self.peer, self.reader = secrets.token_hex(8), peer, reader
        self.kept = 0
        self.refused: dict[int, tuple[str, int]] = {}

    def count(self, answer: Answer) -> None:
        if answer.status:
            _, count = self.refused.get(answer.status, ("", 0))
            self.refused[answer.status] = (answer.comment, count + 1)
        else:
            self.kept += 1


class _Reader:
    """Reads from an association's socket what pynetdicom asks for, up to what an honest sender can mean.

    Attributes
    ----------
    since : bytes read since the last whole object
    """

    def __init__(self, socket: AssociationSocket, arriving: Callable[[], int]) -> None:
        self._socket, self._arriving = socket, arriving
        self.since = 0

    def forget(self) -> None:
        """One object is complete; the next is counted from here."""
        self.since = 0

    def recv(self, nr_bytes: int) -> bytearray:
        """`nr_bytes`, or fewer if the connection ends; OSError closes it."""
        self.since += nr_bytes
        if nr_bytes > LONGEST_PDU_BYTES or self.since > LONGEST_OBJECT_BYTES or self._socket.socket is None:
            raise OSError("longer than any object")
        if self.since > LARGE_OBJECT_BYTES and self._arriving() > ALL_OBJECTS_BYTES:
            log.warning(
                "A connection was cut: large objects of several senders at once need too much memory."
            )
            raise OSError("too much memory")
        data = bytearray(nr_bytes)
        view, at = memoryview(data), 0
        while at < nr_bytes:
            acknowledge_at_once(self._socket.socket)
            count = self._socket.socket.recv_into(view[at:])
            if not count:
                break
            at += count
        view.release()
        del data[at:]
        return data


def _status(answer: Answer) -> Dataset:
    status = Dataset()
    status.Status = answer.status
    status.ErrorComment = answer.comment[:LONGEST_COMMENT]
    return status


def _title(requestor: Any) -> str:
    return str(requestor.primitive.calling_ae_title or "").strip()


def _peer(ae_title: str, address: str) -> str:
    title = "".join(c if c.isalnum() and c.isascii() or c in " ._-" else "_" for c in ae_title.strip())
    return f"{title}@{address}"


def connection_failed(what: threading.ExceptHookArgs) -> None:
    """A thread of pynetdicom met bytes that no honest sender sends; its connection ends, and no other."""
    log.error("A connection was cut: %s.", what.exc_type.__name__)
