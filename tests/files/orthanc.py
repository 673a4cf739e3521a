"""A real Orthanc with its DICOMweb plugin, on the loopback of a network namespace of its own.

Orthanc binds 0.0.0.0. `own_network` puts the calling thread, and all threads and processes it starts from then on,
into a network that has a loopback and nothing else. That needs root; without it: `unshare -rn make test`.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CLONE_NEWNET = 0x40000000
START_S = 30.0


@contextmanager
def own_network() -> Iterator[None]:
    """A network namespace with a loopback alone; skips the test where there is none to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if {name for _, name in socket.if_nameindex()} != {"lo"} and libc.unshare(CLONE_NEWNET):
            pytest.skip(
                f"no network namespace ({os.strerror(ctypes.get_errno())}): run as root or in unshare -rn"
            )
        if shutil.which("ip") is None:
            pytest.skip("ip is not installed (Debian: iproute2)")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        try:
            yield
        finally:
            if libc.setns(before, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(before)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen | None = None, wait_s: float = START_S) -> None:
    """Until something listens on the loopback's port."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args}: ended with status {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@dataclass
class Orthanc:
    """A running Orthanc; `config` overrides its configuration. Stop and start again as often as needed."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    http_port: int = 0
    dicom_port: int = 0
    receive_port: int = 0  # where it sends what AE title TMTV asks for by C-MOVE
    process: subprocess.Popen | None = None

    @property
    def web(self) -> str:
        """Address of DICOMweb."""
        return f"http://localhost:{self.http_port}/dicom-web"

    @property
    def dicom(self) -> str:
        """Address of DIMSE."""
        scheme = "dicoms" if self.config.get("DicomTlsEnabled") else "dicom"
        return f"{scheme}://ORTHANC@localhost:{self.dicom_port}"

    def start(self) -> Orthanc:
        """Start it on the same ports and the same storage."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.http_port, self.dicom_port = self.http_port or free_port(), self.dicom_port or free_port()
        self.receive_port = self.receive_port or free_port()
        settings = {
            "Name": "test",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "Plugins": [str(PLUGIN)],
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "UnknownSopClassAccepted": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {"tmtv": ["TMTV", "127.0.0.1", self.receive_port]},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Host": "localhost"},
        } | self.config
        (self.folder / "orthanc.json").write_text(json.dumps(settings))
        with open(self.folder / "orthanc.log", "ab") as log:
            self.process = subprocess.Popen(
                ["Orthanc", str(self.folder / "orthanc.json")],
                stdout=log,
                stderr=log,
                env=os.environ | {"TCP_NODELAY": "1"},
            )
        wait_for_port(self.http_port, self.process)
        wait_for_port(self.dicom_port, self.process)
        return self

    def stop(self, *, kill: bool = False) -> None:
        """End it; kill: as a power cut would."""
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(START_S)
            self.process = None

    def log(self) -> str:
        return (self.folder / "orthanc.log").read_text(errors="replace")

    def rest(self, path: str, data: bytes | None = None, method: str | None = None) -> Any:
        """Orthanc's own REST API (plain http only): JSON, or bytes where it is none."""
        url = f"http://localhost:{self.http_port}{path}"
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers.get("Content-Type", "") else body

    def upload(self, *paths: Path) -> None:
        """Put files, or all files of folders, into it."""
        for path in paths:
            for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
                self.rest("/instances", file.read_bytes())

    def files(self) -> dict[str, bytes]:
        """SOPInstanceUID -> the file as it stands in Orthanc."""
        found = {}
        for one in self.rest("/instances"):
            uid = self.rest(f"/instances/{one}")["MainDicomTags"]["SOPInstanceUID"]
            found[uid] = self.rest(f"/instances/{one}/file")
        return found

    def clear(self) -> None:
        """Remove every patient."""
        for one in self.rest("/patients"):
            self.rest(f"/patients/{one}", method="DELETE")


@contextmanager
def running_orthanc(folder: Path, **config: Any) -> Iterator[Orthanc]:
    """An Orthanc in the network of the caller (`own_network`); skips where it is not installed."""
    require_orthanc()
    orthanc = Orthanc(folder, config)
    try:
        yield orthanc.start()
    finally:
        orthanc.stop()


def require_orthanc() -> None:
    if shutil.which("Orthanc") is None or not PLUGIN.is_file():
        pytest.skip("Orthanc and its DICOMweb plugin are not installed (make test-tools)")


def dcmtk(name: str) -> str:
    """The path of a program of dcmtk: pynetdicom puts programs of the same names into its own environment."""
    places = [one for one in os.environ["PATH"].split(os.pathsep) if Path(one) != Path(sys.executable).parent]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip("dcmtk is not installed (make test-tools)")
    return found


class Cutter:
    """A wire to a port of the loopback that breaks after so many bytes; `cut_after` None: it holds.

    upwards : count what is sent to the archive; else what it sends
    tls : the client speaks TLS to it: Debian's Orthanc 1.10.1 ends by SIGSEGV as soon as it is asked by https
    """

    def __init__(
        self,
        port: int,
        cut_after: int | None = None,
        *,
        upwards: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._target, self.left, self._upwards, self._tls = port, cut_after, upwards, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    client = client if self._tls is None else self._tls.wrap_socket(client, server_side=True)
                except OSError:  # it does not like our certificate
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, counted in (
                    (client, server, self._upwards),
                    (server, client, not self._upwards),
                ):
                    threading.Thread(target=self._pump, args=(source, sink, counted), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counted and self.left is not None:
                    data, self.left = data[: max(0, self.left)], self.left - len(data)
                sink.sendall(data)
                if counted and self.left is not None and self.left <= 0:
                    break
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path, name: str, host: str = "localhost", days: int = 2) -> tuple[Path, Path]:
    """A certificate signed by itself, and its key, both PEM."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-keyout", key, "-out", cert,
         "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def data_set(file: bytes) -> bytes:
    """The bytes of a DICOM file without preamble and group 0002."""
    length = int.from_bytes(file[140:144], "little")
    if file[128:132] != b"DICM" or file[132:136] != b"\2\0\0\0":
        raise ValueError("not a DICOM file with File Meta Information")
    return file[144 + length :]
