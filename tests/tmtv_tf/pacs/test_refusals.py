"""An archive that refuses: certificates, credentials, AE titles, no room. One sentence each, against a real Orthanc."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pydicom
import pytest
from dicom_files import write_series
from orthanc import Cutter, Orthanc, certificate, data_set, free_port, running_orthanc
from study_files import write_pet_ct

from petct.errors import ArchiveError, ParameterError
from tmtv_tf.pacs.archive import Archive, StudyQuery, open_archive
from tmtv_tf.pacs.credentials import Credentials, find_credentials
from tmtv_tf.pacs.tls import ServerTls

ONE = StudyQuery(patient_id="P1")


pytestmark = pytest.mark.usefixtures("no_credentials")


def refusal(archive: Archive) -> ArchiveError:
    with pytest.raises(ArchiveError) as caught:
        archive.find(ONE)
    text = str(caught.value)
    assert text.startswith(archive.address)
    assert text.endswith(".")
    assert "\n" not in text
    assert "P1" not in text
    return caught.value


class Secure(NamedTuple):
    """An Orthanc behind TLS, and the folder of its certificates."""

    web: str
    dicom: str
    folder: Path
    receive_port: int


@contextmanager
def behind_tls(orthanc: Orthanc, cert: Path, key: Path) -> Iterator[str]:
    """Address of DICOMweb by https, as behind a hospital's proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    wire = Cutter(orthanc.http_port, tls=context)
    yield f"https://localhost:{wire.port}/dicom-web"
    wire.close()


@pytest.fixture(scope="module")
def secure(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """TLS by both protocols, also where it sends; one user; DIMSE only for a certificate that it knows."""
    folder = tmp_path_factory.mktemp("secure")
    cert, key = certificate(folder, "archive")
    ours, our_key = certificate(folder, "us")
    (folder / "us.pem").write_bytes(ours.read_bytes() + our_key.read_bytes())
    certificate(folder, "other")
    certificate(folder, "elsewhere", host="pacs.example")
    receive_port = free_port()
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(cert),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(ours),
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"me": "open sesame"},
        "DicomModalities": {
            "tmtv": {"AET": "TMTV", "Host": "127.0.0.1", "Port": receive_port, "UseDicomTls": True}
        },
    }
    with running_orthanc(folder, **settings) as orthanc, behind_tls(orthanc, cert, key) as web:
        yield Secure(web, orthanc.dicom, folder, receive_port)


def test_tls_and_basic_authentication(
    secure: Secure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca = secure.folder / "archive.crt"
    asked = refusal(open_archive(secure.web, credentials=Credentials(ca_file=ca)))
    assert "HTTP 401" in str(asked)
    assert not asked.retry
    good = Credentials("me", "open sesame", ca_file=ca)
    assert open_archive(secure.web, credentials=good).find(ONE) == []
    assert "HTTP 401" in str(
        refusal(open_archive(secure.web, credentials=Credentials("me", "x", ca_file=ca)))
    )
    (tmp_path / "netrc").write_text('machine localhost login me password "open sesame"\n')
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.folder / "other.crt"))
    assert open_archive(secure.web, credentials=find_credentials("localhost", ca_file=ca)).find(ONE) == []


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_a_wrong_certificate_is_refused(secure: Secure, kind: str) -> None:
    address, us = getattr(secure, kind), secure.folder / "us.pem"
    for ca in (None, secure.folder / "other.crt"):
        error = refusal(open_archive(address, credentials=Credentials("me", "x", ca_file=ca, client_cert=us)))
        assert "certificate is not accepted" in str(error)
        assert not error.retry
    right = Credentials("me", "open sesame", ca_file=secure.folder / "archive.crt", client_cert=us)
    assert open_archive(address, credentials=right).find(ONE) == []


def test_a_certificate_of_another_host_is_refused(orthanc: Orthanc, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "elsewhere", host="pacs.example")
    with behind_tls(orthanc, cert, key) as web:  # 127.0.0.1 is in the certificate, localhost is not
        assert "certificate" in str(refusal(open_archive(web, credentials=Credentials(ca_file=cert))))
        by_number = web.replace("localhost", "127.0.0.1")
        assert open_archive(by_number, credentials=Credentials(ca_file=cert)).find(ONE) == []


def test_an_archive_that_asks_for_our_certificate(secure: Secure) -> None:
    without = open_archive(secure.dicom, credentials=Credentials(ca_file=secure.folder / "archive.crt"))
    assert "breaks the association off" in str(refusal(without))


def test_plain_where_tls_is_wanted_and_the_other_way_round(secure: Secure, orthanc: Orthanc) -> None:
    good = Credentials(ca_file=secure.folder / "archive.crt", client_cert=secure.folder / "us.pem")
    assert "TLS" in str(refusal(open_archive(orthanc.dicom.replace("dicom:", "dicoms:"), credentials=good)))
    assert "TLS" in str(refusal(open_archive(orthanc.web.replace("http:", "https:"), credentials=good)))
    refusal(open_archive(secure.dicom.replace("dicoms:", "dicom:"), credentials=Credentials()))
    refusal(open_archive(secure.web.replace("https:", "http:"), credentials=Credentials()))


def test_store_and_fetch_by_dimse_over_tls(secure: Secure, tmp_path: Path) -> None:
    """C-STORE, C-GET, and C-MOVE: the archive calls us back over TLS, while a caller who says nothing is connected."""
    good = Credentials(ca_file=secure.folder / "archive.crt", client_cert=secure.folder / "us.pem")
    archive = open_archive(secure.dicom, credentials=good)
    files = sorted(p for p in write_pet_ct(tmp_path / "study", patient="T1").rglob("*") if p.is_file())
    assert all(one.ok for one in archive.store(files))
    wanted = sorted(data_set(path.read_bytes()) for path in files)
    for kind, port in (("get", None), ("move", secure.receive_port)):
        one = open_archive(secure.dicom, credentials=good, receive_port=port)
        (found,) = one.find(StudyQuery(patient_id="T1"))
        with silent_caller(secure.receive_port):
            came = one.fetch(found, [series.series_uid for series in found.series], tmp_path / kind)
        assert sorted(data_set(path.read_bytes()) for path in came) == wanted
    with pytest.raises(ParameterError, match="client-cert"):
        open_archive(secure.dicom, credentials=Credentials(), receive_port=4243)


def test_a_c_move_over_tls_takes_nothing_from_whom_we_do_not_know(secure: Secure, tmp_path: Path) -> None:
    """We hold another certificate for the archive's than it shows when it calls back."""
    good = Credentials(ca_file=secure.folder / "archive.crt", client_cert=secure.folder / "us.pem")
    files = sorted(p for p in write_pet_ct(tmp_path / "study", patient="T2").rglob("*") if p.is_file())
    assert all(one.ok for one in open_archive(secure.dicom, credentials=good).store(files))
    mover = open_archive(secure.dicom, credentials=good, receive_port=secure.receive_port)
    (found,) = mover.find(StudyQuery(patient_id="T2"))
    stranger = ServerTls(secure.folder / "us.pem", callers_ca=secure.folder / "other.crt").context()
    mover._server_tls = stranger  # type: ignore[attr-defined]
    with pytest.raises(ArchiveError, match="C-MOVE status"):
        mover.fetch(found, [found.series[0].series_uid], tmp_path / "move")
    assert not list((tmp_path / "move").rglob("*.dcm"))


@contextmanager
def silent_caller(port: int) -> Iterator[None]:
    """As soon as something listens on the port, connect to it, and never say a word."""
    end = threading.Event()

    def call() -> None:
        while not end.wait(0.01):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                end.wait()

    thread = threading.Thread(target=call)
    thread.start()
    yield
    end.set()
    thread.join()


def test_a_bearer_token(network: None, tmp_path: Path) -> None:
    script = tmp_path / "token.lua"
    script.write_text(
        "function IncomingHttpRequestFilter(method, uri, ip, username, httpHeaders)\n"
        "  return httpHeaders['authorization'] == 'Bearer open-sesame'\nend\n"
    )
    with running_orthanc(tmp_path / "o", LuaScripts=[str(script)]) as orthanc:
        assert "HTTP 403" in str(refusal(open_archive(orthanc.web, credentials=Credentials(token="wrong"))))
        assert open_archive(orthanc.web, credentials=Credentials(token="open-sesame")).find(ONE) == []


def test_secrets_are_not_sent_over_http_to_another_host() -> None:
    for credentials in (Credentials(token="open"), Credentials("me", "open")):
        with pytest.raises(ParameterError, match="https") as caught:
            open_archive("http://pacs.example/dicom-web", credentials=credentials)
        assert "open" not in str(caught.value)
    open_archive("http://pacs.example/dicom-web", credentials=Credentials())


def test_ae_titles(network: None, tmp_path: Path) -> None:
    closed = {"DicomCheckCalledAet": True, "DicomAlwaysAllowFind": False, "DicomAlwaysAllowStore": False}
    with running_orthanc(tmp_path / "o", **closed) as orthanc:
        files = sorted(write_series(tmp_path / "pet").iterdir())
        known = open_archive(orthanc.dicom, credentials=Credentials())
        assert known.find(ONE) == []
        wrong = open_archive(orthanc.dicom.replace("ORTHANC", "ARCHIVE"), credentials=Credentials())
        assert "its AE title is not ARCHIVE" in str(refusal(wrong))
        stranger = open_archive(orthanc.dicom, ae_title="STRANGER", credentials=Credentials())
        assert "it may not know our AE title STRANGER" in str(refusal(stranger))
        assert [(one.ok, "STRANGER" in one.reason) for one in stranger.store(files)][:1] == [(False, True)]
        assert orthanc.files() == {}
        mover = open_archive(
            orthanc.dicom, ae_title="TMTV2", credentials=Credentials(), receive_port=free_port()
        )
        refusal(mover)


def test_a_place_without_dicom(network: None, orthanc: Orthanc) -> None:
    assert "HTTP 404" in str(refusal(open_archive(f"{orthanc.web}-web", credentials=Credentials())))
    assert "DICOMweb" in str(
        refusal(open_archive(orthanc.web.replace("dicom-web", "app"), credentials=Credentials()))
    )
    http = f"dicom://ORTHANC@localhost:{orthanc.http_port}"
    refusal(open_archive(http, credentials=Credentials()))
    dicom = f"http://localhost:{orthanc.dicom_port}/dicom-web"
    refusal(open_archive(dicom, credentials=Credentials()))
    nobody = refusal(open_archive("https://pacs.example/dicom-web", credentials=Credentials()))
    assert nobody.retry


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_a_full_archive(network: None, tmp_path: Path, kind: str) -> None:
    """Room for one patient, who is protected: Orthanc then stores nothing more."""
    first = write_series(tmp_path / "first", patient="P1")
    files = sorted(write_series(tmp_path / "second", patient="P2").iterdir())
    with running_orthanc(tmp_path / "o", MaximumPatientCount=1) as orthanc:
        orthanc.upload(first)
        (patient,) = orthanc.rest("/patients")
        orthanc.rest(f"/patients/{patient}/protected", b"1", "PUT")
        archive = open_archive(getattr(orthanc, kind), credentials=Credentials())
        outcomes = archive.store(files)
        assert [one.ok for one in outcomes] == [False] * len(files)
        assert all(one.retry for one in outcomes)
        assert all(one.reason.endswith(".") for one in outcomes)
        orthanc.rest(f"/patients/{patient}/protected", b"0", "PUT")
        assert all(one.ok for one in archive.store(files))


def test_a_refused_kind_of_object(network: None, tmp_path: Path) -> None:
    """An archive that does not know the SOP class."""
    files = sorted(write_series(tmp_path / "pet", n=2).iterdir())
    for path in files:
        ds = pydicom.dcmread(path)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
        ds.save_as(path)
    with running_orthanc(tmp_path / "o", UnknownSopClassAccepted=False) as orthanc:
        archive = open_archive(orthanc.dicom, credentials=Credentials())
        with pytest.raises(ArchiveError, match="does not offer") as caught:
            archive.store(files)
        assert not caught.value.retry


def test_basic_authentication_is_utf8(network: None, tmp_path: Path) -> None:
    """Credentials in full Unicode; requests alone would send Latin-1."""
    with running_orthanc(
        tmp_path / "o", AuthenticationEnabled=True, RegisteredUsers={"mé": "öffne dich"}
    ) as orthanc:
        assert open_archive(orthanc.web, credentials=Credentials("mé", "öffne dich")).find(ONE) == []
