"""The shorter ways through pynetdicom do what its own do."""

from __future__ import annotations

import queue
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE

from tmtv_tf.pacs import quick
from tmtv_tf.pacs.association import _without_delay
from tmtv_tf.pacs.receiver import _Reader


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
        )
        self._reactor_checkpoint: Any = None


@pytest.mark.parametrize(("longest", "quickly"), [(0, True), (16382, True), (64, False)])
def test_what_does_not_fit_or_is_another_answer_goes_the_usual_way(longest: int, quickly: bool) -> None:
    association = Association(longest)
    quick.be_quick(association)  # type: ignore[arg-type]
    association.dimse.send_msg(answer(), 3)
    association.dimse.send_msg(C_ECHO(), 1)
    assert [len(association.sent), len(association.usual)] == [int(quickly), 2 - int(quickly)]
    if quickly:
        assert association.sent[0].presentation_data_value_list[0][0] == 3


def test_the_thread_sleeps_until_there_is_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "LOOK_S", 60.0)
    association = Association(0)
    quick.be_quick(association)  # type: ignore[arg-type]
    woken = threading.Event()
    threading.Thread(target=lambda: (association._reactor_checkpoint.wait(), woken.set())).start()
    assert not woken.wait(0.1)
    association.dimse.msg_queue.put("a request")
    assert woken.wait(30)
    association._reactor_checkpoint.wait()  # it is still there, so nothing is waited for
    assert association.dimse.msg_queue.get_nowait() == "a request"


def test_the_thread_looks_up_now_and_then() -> None:
    association = Association(0)
    quick.be_quick(association)  # type: ignore[arg-type]
    association._reactor_checkpoint.wait()  # without a request: a release or an abort is not waited out
    assert association.dimse.msg_queue.empty()


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux only")
def test_every_read_asks_for_acknowledgement_at_once() -> None:
    """Linux forgets it: asked for once, dcmtk waited 40 ms in each image of 34 kB."""
    calls: list[str] = []

    class Connection:
        def setsockopt(self, level: int, option: int, value: int) -> None:
            assert (level, option, value) == (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            calls.append("acknowledge")

        def recv_into(self, view: memoryview) -> int:
            calls.append("read")
            view[:2] = b"ab"
            return 2

    reader = _Reader(SimpleNamespace(socket=Connection()))  # type: ignore[arg-type]
    assert reader.recv(4) == b"abab"
    assert calls == ["acknowledge", "read"] * 2


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
