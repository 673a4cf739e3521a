"""`tmtv serve` over TLS: dcmtk's storescu with and without certificates, and callers who say nothing."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from orthanc import certificate
from serving import Serving, require_dcmtk, storescu
from study_files import write_pet_ct
from typer.testing import CliRunner

from petct.errors import ParameterError
from tmtv_tf.cli import app
from tmtv_tf.pacs.tls import ServerTls

WAIT = ("--quiet-s", "3600", "--patience-s", "3600")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys: ours, that of a known sender, that of another."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("us", "sender", "stranger"):
        certificate(folder, name)
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    require_dcmtk()
    return write_pet_ct(tmp_path / "dicom")


@pytest.fixture
def serving(tmp_path: Path, files: Path) -> Iterator[Serving]:
    options = ("--tls-cert", files / "us.crt", "--tls-key", files / "us.key")
    one = Serving(tmp_path / "out", (*options, "--tls-client-ca", files / "sender.crt", *WAIT))
    yield one
    one.kill()


def as_sender(files: Path, name: str) -> tuple:
    return ("+tls", files / f"{name}.key", files / f"{name}.crt", "+cf", files / "us.crt")


def test_only_senders_with_a_known_certificate_are_let_in(serving: Serving, files: Path, study: Path) -> None:
    serving.start()
    assert storescu(serving.port, study).returncode != 0  # plain
    assert storescu(serving.port, study, more=("+tla", "-ic")).returncode != 0  # without a certificate
    assert storescu(serving.port, study, more=as_sender(files, "stranger")).returncode != 0
    assert serving.studies() == []
    assert "no TLS" in serving.log()
    assert storescu(serving.port, study, more=as_sender(files, "sender")).returncode == 0
    assert len(list(serving.out.glob("serve/received/*/*.dcm"))) == 32
    assert "over TLS" in serving.log()


def test_a_caller_who_says_nothing_keeps_nobody_waiting(serving: Serving, files: Path, study: Path) -> None:
    serving.start()
    with ExitStack() as calls:
        for said in (b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"):
            call = calls.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
            call.sendall(said)
        assert storescu(serving.port, study, more=as_sender(files, "sender")).returncode == 0
    assert len(list(serving.out.glob("serve/received/*/*.dcm"))) == 32


def test_without_a_list_of_authorities_any_sender_is_let_in_and_sees_our_certificate(
    tmp_path: Path, files: Path, study: Path
) -> None:
    (tmp_path / "us.pem").write_bytes((files / "us.crt").read_bytes() + (files / "us.key").read_bytes())
    serving = Serving(tmp_path / "out", ("--tls-cert", tmp_path / "us.pem", *WAIT)).start()
    try:
        wrong = ("+tla", "-ds", "+cf", files / "stranger.crt")  # the sender does not know us
        assert storescu(serving.port, study, more=wrong).returncode != 0
        assert storescu(serving.port, study, more=("+tla", "+cf", files / "us.crt")).returncode == 0
        assert len(list(serving.out.glob("serve/received/*/*.dcm"))) == 32
    finally:
        serving.kill()


def test_files_that_hold_no_certificate_are_refused_by_name(tmp_path: Path, files: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", files / "us.key", "-aes256", "-passout", "pass:secret", "-out", locked],
        check=True,
    )
    us, key = files / "us.crt", files / "us.key"
    for tls, said in (
        (
            ServerTls(tmp_path / "none", key),
            r"none and .*us\.key: no certificate with its key .*No such file",
        ),
        (ServerTls(tmp_path / "text", key), r"text and .*us\.key: no certificate"),
        (ServerTls(us), r"us\.crt: no certificate with its key"),
        (ServerTls(us, files / "sender.key"), "key values mismatch"),
        (ServerTls(us, locked), "has a password"),
        (ServerTls(us, key, tmp_path / "text"), "text: no certificates in PEM form"),
    ):
        with pytest.raises(ParameterError, match=said):
            tls.context()


def test_a_key_without_a_certificate_is_refused(tmp_path: Path, files: Path) -> None:
    for option in ("--tls-key", "--tls-client-ca"):
        called = CliRunner().invoke(
            app, ["serve", "--out", str(tmp_path / "o"), option, str(files / "us.key")]
        )
        assert "--tls-cert" in str(called.exception)
    assert not (tmp_path / "o").exists()
