"""The shorter ways through pynetdicom do what its own do."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu import A_RELEASE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from tmtv_tf.pacs import quick
from tmtv_tf.pacs.association import _without_delay


def answer(status: int = 0, comment: str | None = None, uid: str = "1.2.840.10008.1") -> C_STORE:
    made = C_STORE()
    made.MessageID = made.MessageIDBeingRespondedTo = 65535
    made.AffectedSOPClassUID = CTImageStorage
    made.AffectedSOPInstanceUID = uid
    made.Status = status
    if comment is not None:
        made.ErrorComment = comment
    return made


@pytest.mark.parametrize("uid", ["1.2.3", "1.23", "2.25." + "9" * 59])
@pytest.mark.parametrize(
    ("status", "comment"), [(0, None), (0xA700, "The disk is full."), (0xC001, "Its content differs")]
)
def test_an_answer_is_to_the_byte_that_of_pynetdicom(status: int, comment: str | None, uid: str) -> None:
    message = C_STORE_RSP()
    message.primitive_to_message(answer(status, comment, uid))
    (data,) = message.encode_msg(1, 16382)
    assert (
        b"\x03" + quick.store_answer(answer(status, comment, uid)) == data.presentation_data_value_list[0][1]
    )


class Association:
    """As much of one as is made quick."""

    def __init__(self, longest: int) -> None:
        self.sent: list[Any] = []
        self.usual: list[Any] = []
        self.dimse = SimpleNamespace(
            maximum_pdu_size=longest,
            msg_queue=queue.Queue(),
            dul=SimpleNamespace(send_pdu=self.sent.append),
            send_msg=lambda primitive, context_id: self.usual.append(primitive),
            receive_primitive=lambda primitive: None,
            message=None,
        )
        self._reactor_checkpoint: Any = None
        near, self.far = socket.socketpair()
        self.dul = SimpleNamespace(
            to_provider_queue=queue.Queue(),
            socket=SimpleNamespace(socket=near),
            state_machine=SimpleNamespace(current_state="Sta6"),
            _process_recv_primitive=lambda: bool(self.dul.to_provider_queue.queue),
            _is_transport_event=lambda: True,
            _decode_pdu=lambda unit: (unit, "usual"),
        )

    def close(self) -> None:
        self.far.close()
        self.dul.socket.socket.close()


@pytest.fixture
def association() -> Iterator[Association]:
    """One that is made quick, with answers of any length."""
    made = Association(0)
    quick.be_quick(made)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.mark.parametrize(("longest", "quickly"), [(0, True), (16382, True), (64, False)])
def test_what_does_not_fit_or_is_another_answer_goes_the_usual_way(longest: int, quickly: bool) -> None:
    association = Association(longest)
    quick.be_quick(association)  # type: ignore[arg-type]
    association.dimse.send_msg(answer(), 3)
    association.dimse.send_msg(C_ECHO(), 1)
    assert [len(association.sent), len(association.usual)] == [int(quickly), 2 - int(quickly)]
    if quickly:
        assert association.sent[0].presentation_data_value_list[0][0] == 3
    association.close()


def test_the_thread_sleeps_until_there_is_a_request(
    association: Association, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "LOOK_S", 60.0)
    woken = threading.Event()
    threading.Thread(target=lambda: (association._reactor_checkpoint.wait(), woken.set())).start()
    assert not woken.wait(0.1)
    association.dimse.msg_queue.put("a request")
    assert woken.wait(30)
    association._reactor_checkpoint.wait()  # it is still there, so nothing is waited for
    assert association.dimse.msg_queue.get_nowait() == "a request"


def test_the_thread_looks_up_now_and_then(association: Association) -> None:
    association._reactor_checkpoint.wait()  # without a request: a release or an abort is not waited out
    assert association.dimse.msg_queue.empty()


def in_a_thread(job: Callable[[], object]) -> threading.Event:
    done = threading.Event()
    threading.Thread(target=lambda: (job(), done.set())).start()
    return done


def test_after_a_request_the_connection_sleeps_until_there_is_an_answer(
    association: Association, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pynetdicom looks each millisecond: each image waited for that, too."""
    monkeypatch.setattr(quick, "LOOK_S", 60.0)
    association.dimse.receive_primitive("the last fragment of a request")
    sent = in_a_thread(association.dul._process_recv_primitive)
    assert not sent.wait(0.1)
    association.dul.to_provider_queue.put("an answer")
    assert sent.wait(30)


def test_else_it_sleeps_until_there_is_something_to_read(
    association: Association, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "LOOK_S", 60.0)
    association.dimse.message = "the first fragment of a request"
    association.dimse.receive_primitive("a fragment")
    association.dul._process_recv_primitive()  # nothing to send, and nothing is waited for
    read = in_a_thread(association.dul._is_transport_event)
    assert not read.wait(0.1)
    association.far.send(b"x")
    assert read.wait(30)


def test_the_connection_looks_up_now_and_then(association: Association) -> None:
    association.dul._is_transport_event()  # a release of ours, or its time being up
    association.dimse.receive_primitive("the last fragment of a request")
    association.dul._process_recv_primitive()  # an abort by the sender


def test_fragments_are_those_of_pynetdicom(association: Association) -> None:
    primitive = P_DATA()
    primitive.presentation_data_value_list.extend(
        [(1, b"\x03command"), (255, b"\x00" + bytes(range(256)) * 9)]
    )
    unit = bytearray(P_DATA_TF(primitive).encode())
    usual = P_DATA_TF()
    usual.decode(bytes(unit))
    found, event = association.dul._decode_pdu(unit)
    assert event == "Evt10"
    assert (
        found.to_primitive().presentation_data_value_list == usual.to_primitive().presentation_data_value_list
    )
    other = bytearray(A_RELEASE_RQ().encode())
    assert association.dul._decode_pdu(other) == (other, "usual")


@pytest.mark.parametrize(
    "fragments", [b"\0\0\0", b"\0\0\0\1\1", b"\0\0\0\0", b"\0\0\0\4\1\2x", b"\xff\xff\xff\xff\1\2x"]
)
def test_lengths_that_contradict_each_other_end_the_association(
    association: Association, fragments: bytes
) -> None:
    """pynetdicom answers any exception here with an abort."""
    with pytest.raises(ValueError, match="fragment"):
        association.dul._decode_pdu(bytearray(b"\4\0" + struct.pack(">I", len(fragments)) + fragments))


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux only")
def test_so_does_every_read_of_what_an_archive_sends() -> None:
    """After a C-MOVE, and in a C-GET: the same senders, the same 40 ms."""
    calls: list[Any] = []
    own = SimpleNamespace(setsockopt=lambda level, option, value: calls.append(option))
    connection = SimpleNamespace(
        socket=own, recv=lambda nr_bytes: calls.append("read") or bytearray(nr_bytes)
    )
    event = SimpleNamespace(assoc=SimpleNamespace(dul=SimpleNamespace(socket=connection)))
    _without_delay(event)  # type: ignore[arg-type]
    assert connection.recv(6) == connection.recv(6) == bytearray(6)
    assert calls == [socket.TCP_NODELAY, *[socket.TCP_QUICKACK, "read"] * 2]
