"""The page on archives, followed word by word: its Orthanc, its phantom, its commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from orthanc import own_network, require_orthanc, wait_for_port

PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "archive.md"
RECEIVER = PAGE.with_name("serve.md")


def blocks(section: str, page: Path = PAGE) -> list[tuple[str, str]]:
    """Language and text of every code block of a section."""
    text = page.read_text(encoding="utf-8")
    start = text.index(f"## {section}")
    end = text.find("\n## ", start + 1)
    return re.findall(r"```(\w*)\n(.*?)```", text[start:end], re.DOTALL)


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    require_orthanc()
    (json_kind, settings), (_, start), (_, web), (_, dimse), (_, tls_settings), (_, tls) = blocks(
        "Try it with Orthanc"
    )
    assert json_kind == "json"
    (tmp_path / "orthanc.json").write_text(settings)
    (tmp_path / "home").mkdir()
    environment = os.environ | {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}

    def run(line: str, fails: bool = False) -> str:
        made = subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (made.returncode != 0) == fails, (line, made.stdout, made.stderr)
        return made.stdout

    @contextmanager
    def started() -> Iterator[None]:
        with open(tmp_path / "log", "ab") as log:
            orthanc = subprocess.Popen(start.split(), cwd=tmp_path, stdout=log, stderr=log)
        try:
            wait_for_port(8042, orthanc)
            wait_for_port(4242, orthanc)
            yield
        finally:
            orthanc.terminate()
            orthanc.wait()

    with own_network():
        with started():
            said = [run(line) for line in web.strip().splitlines()]
            assert "Would fetch CT series 2" in said[2]
            assert "0 sent, 4 there already" in said[-1]
            assert len(json.loads(run("curl -s http://localhost:8042/series"))) == 7
            for line in dimse.strip().splitlines():
                run(line)
        (certificates,) = [text for _, text in blocks("Who may send", RECEIVER) if text.startswith("openssl")]
        run(certificates)
        ours = re.search(r'`("tmtv": \{.*?\})`', PAGE.read_text(encoding="utf-8"))
        assert ours is not None
        over_tls = json.loads(settings) | json.loads(tls_settings)
        over_tls["DicomModalities"] = json.loads(f"{{{ours[1]}}}")
        (tmp_path / "orthanc.json").write_text(json.dumps(over_tls))
        with started():
            said = [run(line) for line in tls.strip().splitlines()]
            assert "0 sent, 4 there already" in said[-1]
            run(dimse.splitlines()[0], fails=True)
            secure = "--ca-file hospital.pem --client-cert us.pem"
            run(
                f"{dimse.splitlines()[1]} {secure}".replace("dicom:", "dicoms:").replace(
                    "by-move", "by-tls-move"
                )
            )
    folders = ("dicom", "by-get", "by-move", "by-tls", "by-tls-move")
    counts = {len(list((tmp_path / name).rglob("*.dcm"))) for name in folders}
    assert len(counts) == 1
    assert counts.pop() > 300
