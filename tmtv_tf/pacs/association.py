"""An association with an archive (DICOM PS3.8), and what can go wrong with one, in words."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
)
from pynetdicom import AE, _config, build_role, evt
from pynetdicom import association as pynetdicom_association
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext

from petct.errors import ArchiveError, TmtvError
from tmtv_tf.pacs.answers import FULL
from tmtv_tf.pacs.archive import LOOPBACK, Address
from tmtv_tf.pacs.contexts import FIND, GET, LABEL_MAP, MOVE, SYNTAXES
from tmtv_tf.pacs.quick import acknowledge_at_once
from tmtv_tf.pacs.reactor import Gate
from tmtv_tf.pacs.tls import shake_hands

CONNECT_S, ANSWER_S = 10, 120
SUCCESS, WARNING = 0x0000, 0xB000
_OUT_OF_RESOURCES, _UNABLE = 0xA702, 0xC000
_FIND_TEXT = {
    0xFE00: "it lists only part of what fits; ask for less at once, or raise the limit of its answers there",
    0xA900: "it does not understand the query",
    0x0122: "it does not offer this kind of query",
}


class Link:
    """An open association."""

    def __init__(self, opened: pynetdicom_association.Association, address: Address, ae_title: str) -> None:
        self._opened, self._address, self._ae_title = opened, address, ae_title
        self._answered = False
        self.is_cut = False
        self.offered = {str(context.abstract_syntax) for context in opened.accepted_contexts}

    def find(self, level: str, keys: Mapping[str, str], wanted: Iterable[str]) -> list[Dataset]:
        """C-FIND: the rows of a query."""
        if FIND not in self.offered:
            raise ArchiveError(f"{self._address.text}: it does not offer queries (C-FIND, study root) to us.")
        rows = []
        for status, row in self._opened.send_c_find(_identifier(level, keys, wanted), FIND):
            code = self._code(status)
            if code in (0xFF00, 0xFF01):
                if row is not None:
                    rows.append(row)
            elif code != SUCCESS:
                text = FULL if code & 0xFF00 == 0xA700 else _FIND_TEXT.get(code, "it cannot answer the query")
                raise ArchiveError(
                    f"{self._address.text}: {text} (C-FIND status {code:04X}).", retry=code & 0xFF00 == 0xA700
                )
        return rows

    def retrieve(self, level: str, keys: Mapping[str, str], to: str | None) -> None:
        """C-GET, or C-MOVE to an AE title, until the archive has sent all."""
        identifier = _identifier(level, keys, ())
        if to is None:
            answers = self._opened.send_c_get(identifier, GET)
        else:
            answers = self._opened.send_c_move(identifier, to, MOVE)
        for status, _ in answers:
            code = self._code(status)
            if code not in (SUCCESS, WARNING, 0xFF00):
                raise ArchiveError(
                    f"{self._address.text}: {_retrieve_text(code, to)}.",
                    retry=code not in (0xA801, 0xA900, 0x0122),
                )

    def store(self, path: Path, found: Dataset) -> int:
        """C-STORE of a file's bytes; the archive's status."""
        if self.is_cut:  # another try would wait for an answer until the time is up
            raise self._cut()
        _config.STORE_SEND_CHUNKED_DATASET = True  # the file's own bytes, not parsed and written again
        try:
            status = self._opened.send_c_store(path)
        except ValueError as error:
            syntax = UID(found.file_meta.TransferSyntaxUID).name
            raise ArchiveError(
                f"{self._address.text}: it does not take {UID(found.SOPClassUID).name} in {syntax}."
            ) from error
        except RuntimeError as error:
            raise self._cut() from error
        return self._code(status)

    def _code(self, status: Dataset) -> int:
        """The status of an answer; none came if the connection was cut or the archive fell silent."""
        if not hasattr(status, "Status"):
            raise self._cut()
        self._answered = True
        return int(status.Status)

    def _cut(self) -> ArchiveError:
        self.is_cut = True
        text = "the connection was cut, or it no longer answers"
        if not self._answered:
            text = f"it breaks off without an answer: it may not know our AE title {self._ae_title}"
        return ArchiveError(f"{self._address.text}: {text}.", retry=True)


@contextmanager
def associated(
    address: Address,
    ae_title: str,
    contexts: Sequence[PresentationContext],
    tls: ssl.SSLContext | None,
    receive: Callable[[bytes], object] | None = None,
) -> Iterator[Link]:
    """Open an association, and release it; abort it after an error.

    Parameters
    ----------
    receive : gets each file of a C-GET; what it raises ends the association and comes out here
    """
    silence()
    handlers: list = [(evt.EVT_CONN_OPEN, _without_delay)]
    inbox = None if receive is None else Inbox(receive)
    if inbox is not None:
        handlers.append((evt.EVT_C_STORE, inbox.take))
    storage = {str(context.abstract_syntax) for context in contexts} - {FIND, GET, MOVE}
    roles = [build_role(UID(one), scp_role=True) for one in sorted(storage)] if inbox is not None else []
    opened = _entity(ae_title).associate(
        address.host,
        address.port,
        contexts=list(contexts),
        ae_title=address.called_ae,
        ext_neg=roles,  # type: ignore[arg-type]
        tls_args=None if tls is None else (tls, address.host),
        evt_handlers=handlers,
    )
    if not opened.is_established:
        raise _not_opened(opened, address, ae_title, tls)
    opened._reactor_checkpoint = Gate(opened)  # type: ignore[assignment]
    try:
        yield Link(opened, address, ae_title)
        if inbox is not None:
            inbox.check()
    except BaseException as error:
        opened.abort()
        if inbox is not None and isinstance(error, ArchiveError):
            inbox.check()  # the cause, of which the cut connection is the effect
        raise
    else:
        opened.release()


class Inbox:
    """Hands over each object that comes; remembers the first error, and takes nothing after it."""

    def __init__(self, receive: Callable[[bytes], object]) -> None:
        self._receive = receive
        self.error: BaseException | None = None

    def take(self, event: evt.Event) -> int:
        """Handler of EVT_C_STORE: the status for the sender."""
        if self.error is not None:
            return _UNABLE
        try:
            self._receive(event.encoded_dataset())
        except Exception as error:
            self.error = error
            return _OUT_OF_RESOURCES if isinstance(error, TmtvError) else _UNABLE
        return SUCCESS

    def check(self) -> None:
        """Raise that error."""
        if self.error is not None:
            raise self.error


@contextmanager
def receiving(
    address: Address, ae_title: str, port: int, tls: ssl.SSLContext | None, receive: Callable[[bytes], object]
) -> Iterator[None]:
    """Listen for what the archive sends after a C-MOVE; only the archive's own AE title is let in."""
    silence()
    entity = _entity(ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = [address.called_ae]
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), SYNTAXES)
    entity.add_supported_context(LABEL_MAP, SYNTAXES)
    inbox = Inbox(receive)

    def opened(event: evt.Event) -> None:
        connection = event.assoc.dul.socket
        if (
            tls is None
            or connection is None
            or shake_hands(connection, tls, str(event.assoc.requestor.address))
        ):
            _without_delay(event)

    try:
        server = entity.start_server(
            ("127.0.0.1" if address.host in LOOPBACK else "", port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, inbox.take), (evt.EVT_CONN_OPEN, opened)],
        )
    except OSError as error:
        raise TmtvError(f"Port {port} cannot be opened to receive ({error.strerror}).") from error
    try:
        yield
    finally:
        entity.shutdown()
        server.server_close()  # type: ignore[union-attr]
    inbox.check()


def silence() -> None:
    """pynetdicom logs what it is sent, names of patients among it; what matters is said in our errors."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def _entity(ae_title: str) -> AE:
    entity = AE(ae_title)
    entity.connection_timeout = CONNECT_S
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = ANSWER_S
    return entity


def _without_delay(event: evt.Event) -> None:
    """Small messages go at once, and what comes is acknowledged at once: either wait costs 40 ms an object."""
    connection = event.assoc.dul.socket
    if connection is None or connection.socket is None:
        return
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    read = connection.recv

    def recv(nr_bytes: int) -> bytearray:
        if connection.socket is not None:
            acknowledge_at_once(connection.socket)
        return read(nr_bytes)

    connection.recv = recv  # type: ignore[method-assign]


def _identifier(level: str, keys: Mapping[str, str], wanted: Iterable[str]) -> Dataset:
    found = Dataset()
    found.QueryRetrieveLevel = level
    if not all(value.isascii() for value in keys.values()):
        found.SpecificCharacterSet = "ISO_IR 192"
    for keyword in wanted:
        setattr(found, keyword, None)
    for keyword, value in keys.items():
        setattr(found, keyword, value)
    return found


def _retrieve_text(code: int, to: str | None) -> str:
    if code == 0xA801:
        return f"it does not know where {to} is: our AE title, host and port must be entered there (C-MOVE status A801)"
    text = {
        0xA701: FULL,
        0xA702: "it could not send the objects",
        0xA900: "it does not understand what is asked",
    }
    return f"{text.get(code, 'it cannot send the objects')} ({'C-GET' if to is None else 'C-MOVE'} status {code:04X})"


def _not_opened(
    opened: pynetdicom_association.Association, address: Address, ae_title: str, tls: ssl.SSLContext | None
) -> ArchiveError:
    answer = opened.acceptor.primitive
    if opened.is_rejected and answer is not None:
        temporary = answer.result == 0x02
        said = (answer.result_source, answer.diagnostic)
        if said == (0x01, 0x07):
            text = f"its AE title is not {address.called_ae}"
        elif said == (0x01, 0x03):
            text = f"it does not know our AE title {ae_title}: title, host and port must be entered there"
        else:
            text = f"it refuses the association ({answer.reason_str.strip('.') or 'no reason given'})"
        return ArchiveError(f"{address.text}: {text}.", retry=temporary)
    if opened.is_established is False and opened.rejected_contexts and not opened.accepted_contexts:
        return ArchiveError(f"{address.text}: it does not offer what is asked of it.")
    return _not_reached(address, tls)


def _not_reached(address: Address, tls: ssl.SSLContext | None) -> ArchiveError:
    """Try once more by hand: pynetdicom does not say why there is no connection."""
    connected = False
    try:
        with socket.create_connection((address.host, address.port), timeout=CONNECT_S) as plain:
            connected = True
            if tls is not None:
                tls.wrap_socket(plain, server_hostname=address.host).close()
    except ssl.SSLCertVerificationError as error:
        return ArchiveError(
            f"{address.text}: its TLS certificate is not accepted ({error.verify_message}). --ca-file names the "
            "certificate of a hospital's own authority."
        )
    except ssl.SSLError as error:
        return ArchiveError(f"{address.text}: it does not speak TLS ({error.reason or 'no reason given'}).")
    except OSError as error:
        if connected:
            return ArchiveError(
                f"{address.text}: it does not speak TLS ({error.strerror or 'silent'}).", retry=True
            )
        why = error.strerror or str(error) or type(error).__name__
        return ArchiveError(f"{address.text}: it cannot be reached ({why}).", retry=True)
    return ArchiveError(f"{address.text}: it breaks the association off.", retry=True)
