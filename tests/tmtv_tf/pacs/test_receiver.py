"""What the receiver reads from its sockets."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from arriving import images
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from serving import wait_until

from tmtv_tf.pacs import receiver
from tmtv_tf.pacs.options import ServeOptions
from tmtv_tf.pacs.receiver import _Reader
from tmtv_tf.pacs.serve import Service


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

    reader = _Reader(SimpleNamespace(socket=Connection()), lambda: 0)  # type: ignore[arg-type]
    assert reader.recv(4) == b"abab"
    assert calls == ["acknowledge", "read"] * 2


def _caller(service: Service) -> Association:
    ae = AE()
    ae.add_requested_context(images("CT")[0].SOPClassUID, ExplicitVRLittleEndian)
    host, port = service.receiver.address.split("@")[1].split(":")
    association = ae.associate(host, int(port), ae_title="TMTV")
    assert association.is_established
    return association


def _send_unfinished(association: Association, pieces: int) -> None:
    """So many pieces of 10 kB of an object that does not end (PS3.8 9.3.5)."""
    piece = struct.pack(">BxIIBB", 4, 10_006, 10_002, 1, 1) + bytes(10_000)
    connection = association.dul.socket
    assert connection is not None
    assert connection.socket is not None
    for _ in range(pieces):
        connection.socket.sendall(piece)


def test_large_objects_of_several_senders_share_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 senders of 2 GiB each could end the service; small objects always come through."""
    monkeypatch.setattr(receiver, "ALL_OBJECTS_BYTES", 200_000)
    monkeypatch.setattr(receiver, "LARGE_OBJECT_BYTES", 50_000)
    service = Service(ServeOptions(tmp_path / "out", port=0, page_port=None, key_file=tmp_path / "key"))
    (image,) = images("CT", 1)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    try:
        first, second = _caller(service), _caller(service)
        _send_unfinished(first, 12)
        wait_until(lambda: service.receiver._arriving() > 120_000, 30)
        _send_unfinished(second, 8)
        wait_until(lambda: not second.is_alive(), 30)
        assert first.is_established
        third = _caller(service)
        assert third.send_c_store(image).Status == 0
        third.release()
        first.abort()
        wait_until(lambda: service.receiver._arriving() == 0, 30)
        fourth = _caller(service)
        _send_unfinished(fourth, 12)
        wait_until(lambda: service.receiver._arriving() > 120_000, 30)
        assert fourth.is_established
        fourth.abort()
    finally:
        service.close()
