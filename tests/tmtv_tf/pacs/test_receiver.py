"""What the receiver reads from its sockets."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from tmtv_tf.pacs.receiver import _Reader


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
