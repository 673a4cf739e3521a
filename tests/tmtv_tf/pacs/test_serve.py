"""`tmtv serve` as a process of its own, dcmtk's storescu as the sender, real SIGKILL."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from serving import DCMTK, Serving, require_dcmtk, storescu, threshold_openvino, wait_until
from study_files import write_pet_ct

pytestmark = pytest.mark.slow
OBJECTS = {"seg.dcm", "rtstruct.dcm", "sr.dcm", "report.html", "tmtv.json", "source.json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_dcmtk()
    return threshold_openvino(tmp_path_factory.mktemp("model"))


@pytest.fixture
def serving(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(model.parent / "cache"))
    one = Serving(tmp_path / "out", ("--model", model))
    yield one
    one.kill()


def results(serving: Serving) -> dict[str, set[str]]:
    return {
        path.parent.name: {file.name for file in path.parent.iterdir()}
        for path in serving.out.glob("*/source.json")
    }


def test_a_study_is_received_and_run_and_shown(serving: Serving, tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    serving.start()
    echo = subprocess.run([DCMTK / "echoscu", "-aec", "TMTV", "127.0.0.1", str(serving.port)], check=False)
    assert echo.returncode == 0
    assert storescu(serving.port, study).returncode == 0
    serving.wait_for(done=1)
    ((case_id, files),) = results(serving).items()
    assert files >= OBJECTS
    page = http.client.HTTPConnection("127.0.0.1", serving.page_port, timeout=30)
    page.request("GET", "/")
    html = page.getresponse().read().decode()
    assert case_id in html
    for shown in (html, json.dumps(serving.status()), json.dumps(serving.audit())):
        assert "Hidden" not in shown
        assert str(tmp_path) not in shown
    page.request("GET", "/", headers={"Host": "evil.example"})  # a foreign name that leads here
    assert page.getresponse().status == 403
    said = subprocess.run(
        ["tmtv", "serve", "--out", serving.out, "--status", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)["running"] is True
    assert serving.terminate() == 0
    assert (serving.out / "tmtv.csv").read_text().count(case_id) == 1
    said = subprocess.run(
        ["tmtv", "serve", "--out", serving.out, "--status"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("tmtv serve is not running.")
    assert [event["event"] for event in serving.audit()] == ["started", "received", "run", "stopped"]


def test_a_bad_study_does_not_stop_the_good_one(serving: Serving, tmp_path: Path) -> None:
    bad, good = write_pet_ct(tmp_path / "bad", patient="B", study="B"), write_pet_ct(tmp_path / "good")
    for path in (bad / "pet").iterdir():
        ds = dcmread(path)
        ds.PatientWeight = ""
        ds.save_as(path)
    serving.start()
    storescu(serving.port, bad)
    storescu(serving.port, good)
    serving.wait_for(done=1, refused=1)
    (refused,) = (study for study in serving.studies() if study["state"] == "refused")
    assert "PatientWeight (0010,1030)" in refused["reason"]
    assert str(tmp_path) not in refused["reason"]
    for path in (bad / "pet").iterdir():  # mended in the archive and sent again under the same UIDs
        ds = dcmread(path)
        ds.PatientWeight = "70"
        ds.save_as(path)
    storescu(serving.port, bad)
    serving.wait_for(done=2, refused=0)


def test_killed_while_receiving_and_while_running(serving: Serving, tmp_path: Path) -> None:
    """The same study from its first image to its result, through two SIGKILLs, is one result and nothing is lost."""
    study = write_pet_ct(tmp_path / "dicom")
    serving.start()
    (pet, ct) = (study / "pet", study / "ct")
    assert storescu(serving.port, pet).returncode == 0
    serving.kill()
    serving.start()
    assert serving.studies()[0]["images"] == 16
    assert storescu(serving.port, ct).returncode == 0
    wait_until(lambda: serving.status()["counts"]["running"] == 1, what="running")
    time.sleep(0.5)
    serving.kill()
    serving.start()
    serving.wait_for(done=1)
    ((_, files),) = results(serving).items()
    assert files >= OBJECTS
    before = {path.name: path.read_bytes() for path in serving.out.glob("*/*.dcm")}
    assert storescu(serving.port, study).returncode == 0  # all of it once more
    time.sleep(2.0)
    assert serving.status()["counts"]["done"] == 1
    assert {path.name: path.read_bytes() for path in serving.out.glob("*/*.dcm")} == before
    assert sum(event["event"] == "run" for event in serving.audit()) == 1


def test_who_may_not_send_is_rejected(tmp_path: Path, model: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(
        tmp_path / "out", ("--model", model, "--allow", "CT1@127.0.0.1", "--allow", "@10.1.2.3")
    )
    serving.start()
    try:
        for called, calling in (("OTHER", "CT1"), ("TMTV", "CT2")):
            sent = storescu(serving.port, study, called=called, calling=calling)
            assert sent.returncode != 0
            assert "AE Title Not Recognized" in sent.stdout + sent.stderr
        assert serving.status()["counts"]["receiving"] == 0
        assert storescu(serving.port, study, calling="CT1").returncode == 0
        assert "CT2@127.0.0.1 is not allowed" in serving.log()
        assert "rejected" in [event["event"] for event in serving.audit()]
    finally:
        serving.kill()


def test_another_address_needs_a_list_of_senders(tmp_path: Path) -> None:
    said = subprocess.run(
        ["tmtv", "serve", "--out", tmp_path / "out", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert "--allow AE@ADDRESS" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_second_service_on_the_same_folder_is_refused(serving: Serving, model: Path) -> None:
    serving.start()
    other = ["tmtv", "serve", "--out", serving.out, "--port", "0", "--status-port", "0", "--model", model]
    said = subprocess.run(list(map(str, other)), capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "another run is writing" in said.stderr


def _associate(port: int, *, contexts: bool = True) -> socket.socket:
    """A connection that has got as far as a request for an association."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    context = b"\x20\0\0\x2e\1\0\0\0" + _item(0x30, b"1.2.840.10008.1.1") + _item(0x40, b"1.2.840.10008.1.2")
    body = struct.pack(">HH16s16s32x", 1, 0, b"TMTV".ljust(16), b"FUZZ".ljust(16))
    body += _item(0x10, b"1.2.840.10008.3.1.1.1")
    if contexts:
        body += context[:2] + struct.pack(">H", len(context) - 4) + context[4:]
    body += _item(0x50, _item(0x51, struct.pack(">I", 16384)))
    connection.sendall(struct.pack(">BBI", 1, 0, len(body)) + body)
    return connection


def _item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


GARBAGE = {
    "no DICOM at all": b"GET / HTTP/1.1\r\n\r\n",
    "an unknown kind": b"\x09\0\0\0\0\4abcd",
    "four gigabytes": b"\x04\0\xff\xff\xff\xff" + b"x" * 100_000,
    "a value longer than its unit": b"\x04\0\0\0\0\x0a" + struct.pack(">IBB4x", 0xFFFF, 1, 2),
    "an unknown context": b"\x04\0\0\0\0\x08" + struct.pack(">IBB", 4, 99, 3) + b"\0\0",
    "a command that is none": b"\x04\0\0\0\0\x0c" + struct.pack(">IBB", 8, 1, 3) + b"\xff" * 6,
    "an empty unit": b"\x04\0\0\0\0\0",
    "a request in the middle": b"\x01\0\0\0\0\4\0\1\0\0",
}


def test_garbage_from_the_network_does_not_end_the_service(serving: Serving, tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    serving.start()
    memory = _rss_mb(serving)
    for garbage in GARBAGE.values():
        for connection in (socket.create_connection(("127.0.0.1", serving.port)), _associate(serving.port)):
            with connection:
                try:
                    connection.settimeout(0.3)
                    connection.sendall(garbage)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass
    assert storescu(serving.port, study).returncode == 0
    serving.wait_for(done=1)
    assert _rss_mb(serving) < memory + 150
    assert "Traceback" not in serving.log()


def test_garbage_in_a_file_gets_a_status_and_nothing_more(serving: Serving, tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    (one, *_) = sorted((study / "pet").iterdir())
    ds = dcmread(one)
    ds.StudyInstanceUID = ""
    ds.save_as(tmp_path / "no_study.dcm")
    serving.start()
    sent = storescu(serving.port, tmp_path / "no_study.dcm")
    assert "Error: CannotUnderstand" in sent.stdout + sent.stderr  # as dcmtk says 0xC000
    assert serving.status()["counts"]["receiving"] == 0
    assert storescu(serving.port, study).returncode == 0
    serving.wait_for(done=1)


def test_a_full_store_refuses_with_a700(tmp_path: Path, model: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(tmp_path / "out", ("--model", model, "--max-gb", "0.001"))
    big = dcmread(sorted((study / "ct").iterdir())[0])
    big.Rows, big.Columns, big.PixelData = 1024, 1024, bytes(2 * 2**20)
    big.save_as(tmp_path / "big.dcm")
    serving.start()
    try:
        sent = storescu(serving.port, tmp_path / "big.dcm")
        assert "Refused: OutOfResources" in sent.stdout + sent.stderr
        assert storescu(serving.port, study).returncode == 0
        serving.wait_for(done=1)
    finally:
        serving.kill()


def test_half_a_study_whose_connection_broke(serving: Serving, tmp_path: Path) -> None:
    """storescu is killed in the middle; sent again, the study is run once."""
    study = write_pet_ct(tmp_path / "dicom")
    serving.start()
    storescu(serving.port, study / "ct")
    with subprocess.Popen(
        [
            DCMTK / "storescu",
            "-aec",
            "TMTV",
            "+sd",
            "--repeat",
            "500",
            "127.0.0.1",
            str(serving.port),
            study / "pet",
        ]
    ) as sender:
        wait_until(lambda: serving.studies()[0]["images"] > 17 if serving.studies() else False, what="images")
        sender.kill()
    serving.wait_for(refused=1)
    assert "The connection broke" in serving.studies()[0]["reason"]
    assert storescu(serving.port, study).returncode == 0
    serving.wait_for(done=1, refused=0)
    assert sum(event["event"] == "run" for event in serving.audit()) == 1


def _rss_mb(serving: Serving) -> float:
    assert serving.process is not None
    pages = Path(f"/proc/{serving.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096 / 1e6
