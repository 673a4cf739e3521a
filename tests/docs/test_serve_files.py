"""The systemd unit and the compose file of the how-to are what systemd and compose take."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from tmtv_tf.cli import app
from tmtv_tf.pacs.options import PORT, ServeOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "how_to" / "serve.md").read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", TEXT, re.S)
    return str(found)


def options_of_serve() -> set[str]:
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {name for parameter in serve.params for name in parameter.opts}


def test_the_unit_is_accepted(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    (tmp_path / "tmtv").symlink_to("/bin/true")
    unit = tmp_path / "tmtv.service"
    unit.write_text(block("ini").replace("/opt/tmtv/bin/tmtv", str(tmp_path / "tmtv")))
    said = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_the_compose_file_is_accepted(tmp_path: Path) -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            break
    else:
        pytest.skip("docker compose is not installed")
    (tmp_path / "compose.yaml").write_text(block("yaml"))
    subprocess.run([*command, "config", "--quiet"], cwd=tmp_path, check=True)


def test_the_compose_file_is_of_what_is_there() -> None:
    """The image has the extras that the page installs; ports, names and folders are those of both sides."""
    services = yaml.safe_load(block("yaml"))["services"]
    ours, archive = services["tmtv"], services["orthanc"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    (stage,) = re.findall(rf"^FROM (\S+) AS {ours['build']['target']}$", dockerfile, re.M)
    installed = dockerfile[dockerfile.index(f" AS {stage}\n") :].split("\nFROM ")[0]
    (extras,) = re.findall(r"\.\[([\w,]+)\]", TEXT.split("```")[1])
    assert set(extras.split(",")) <= set(re.search(r"/src\[([\w,]+)\]", installed)[1].split(","))  # type: ignore[index]
    volumes = dict(one.split(":") for one in [*ours["volumes"], *archive["volumes"]])
    assert volumes["tmtv"] in dockerfile
    assert f"--out {volumes['tmtv']}/" in ours["command"]
    peer = json.loads(archive["environment"]["ORTHANC__DICOM_MODALITIES"])["tmtv"]
    assert peer == [ServeOptions.ae_title, "tmtv", PORT]
    assert f"127.0.0.1:{PORT}:{PORT}" in ours["ports"]
    assert f"dicom://{archive['environment']['ORTHANC__DICOM_AET']}@orthanc:4242" in ours["command"]


def test_both_start_tmtv_serve_with_options_that_it_has() -> None:
    services = yaml.safe_load(block("yaml"))["services"]
    started = [services["tmtv"]["command"], *re.findall(r"^ExecStart=(.*)", block("ini"), re.M)]
    assert services["tmtv"]["entrypoint"] == ["tmtv", "serve"]
    for line in started:
        names = {word for word in shlex.split(line) if word.startswith("--")}
        assert names
        assert names <= options_of_serve()
