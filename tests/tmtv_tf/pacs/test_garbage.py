"""What is no archive, or a broken one: every answer of it is one sentence."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from petct.errors import ArchiveError
from tmtv_tf.pacs.archive import StudyFound, StudyQuery, open_archive
from tmtv_tf.pacs.credentials import Credentials

STUDY = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00100020": {"vr": "LO", "Value": ["P1"]}}


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that says this to everybody."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.settimeout(2)
                    client.recv(65536)
                    client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def http(body: bytes, kind: str = "application/dicom+json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def said(value: object) -> bytes:
    return http(json.dumps(value).encode())


BODIES = {
    "nothing": b"",
    "no http": bytes(random.Random(1).randrange(256) for _ in range(300)),
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a page": http(b"<html>Log in</html>", "text/html"),
    "no json": http(b"{"),
    "a number": said(7),
    "a text": said("study"),
    "numbers": said([1, 2]),
    "lists": said([[STUDY]]),
    "no tag": said([{"PatientID": "P1"}]),
    "no vr": said([STUDY | {"0020000D": {"Value": ["1.2.3"]}}]),
    "no list": said([STUDY | {"0020000D": {"vr": "UI", "Value": "1.2.3"}}]),
    "a wrong type": said([STUDY | {"0020000D": {"vr": "UI", "Value": [{"a": 1}]}}]),
    "a path": said([STUDY | {"0020000D": {"vr": "UI", "Value": ["../../etc"]}}]),
    "no uid": said([{"00100020": STUDY["00100020"]}]),
    "a deep one": http(b"[" * 20000 + b"]" * 20000),
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/x\r\nContent-Length: 0\r\n\r\n",
    "a redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /dicom-web/studies\r\nContent-Length: 0\r\n\r\n",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "too little": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[]",
    **{
        f"status {code}": http(b"{}", status=f"{code} X")
        for code in (400, 401, 403, 404, 409, 413, 500, 503, 507)
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_every_answer_to_a_query_is_one_sentence(network: None, name: str) -> None:
    with answering(BODIES[name]) as port:
        archive = open_archive(f"http://localhost:{port}/dicom-web", credentials=Credentials())
        with pytest.raises(ArchiveError) as caught:
            archive.find(StudyQuery(patient_id="P1"))
    text = str(caught.value)
    assert text.startswith(archive.address)
    assert text.endswith(".")
    assert "\n" not in text
    assert "P1" not in text


@pytest.mark.parametrize("name", BODIES)
def test_every_answer_to_headers_and_objects_is_one_sentence(network: None, name: str) -> None:
    study = StudyFound("1.2.3", "P1", "", "", ())
    with answering(BODIES[name]) as port:
        archive = open_archive(f"http://localhost:{port}/dicom-web", credentials=Credentials())
        with suppress(ArchiveError):
            archive.headers(study, "1.2.4")
        with pytest.raises(ArchiveError, match=r"\.$"):
            archive.read("1.2.3", "1.2.4", "1.2.5")


PDUS = {
    "nothing": b"",
    "zeros": bytes(64),
    "noise": bytes(random.Random(2).randrange(256) for _ in range(500)),
    "http": http(b"no"),
    "a long length": b"\x02\x00\xff\xff\xff\xff" + bytes(64),
    "an accept without contexts": b"\x02\x00\x00\x00\x00\x44\x00\x01\x00\x00" + bytes(66),
    "an abort": b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00",
    "a reject": b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x01",
    "data": b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",
}


@pytest.mark.parametrize("name", PDUS)
def test_every_answer_to_an_association_is_one_sentence(network: None, name: str) -> None:
    with answering(PDUS[name]) as port:
        archive = open_archive(f"dicom://ANY@localhost:{port}", credentials=Credentials())
        with pytest.raises(ArchiveError) as caught:
            archive.find(StudyQuery(patient_id="P1"))
    text = str(caught.value)
    assert text.startswith(archive.address)
    assert text.endswith(".")
    assert "\n" not in text
