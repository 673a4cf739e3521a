"""How commands run: one at a time into a folder, with streams that break, and with errors nobody foresaw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from study_files import write_pet_ct

from petct.files import locked
from petct.image import Geometry, Image, write_image

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def call(*command: object, **more) -> subprocess.CompletedProcess:
    if str(command[0]) == "-m":
        command = (sys.executable, *command)
    else:
        command = (BIN / str(command[0]), *command[1:])
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **more
    )


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases with a mask and a PET, for tmtv-postprocess."""
    import numpy as np

    geometry = Geometry((6, 7, 8), (4.0, 3.0, 2.0), (10.0, 20.0, 30.0))
    suv = np.random.default_rng(0).uniform(0, 9, geometry.shape).astype(np.float32)
    for name in ("a", "b", "c"):
        write_image(tmp_path / "cases" / name / "pet.nii.gz", Image(suv, geometry))
        write_image(tmp_path / "cases" / name / "mask.nii.gz", Image((suv > 5).astype(np.uint8), geometry))
    return tmp_path / "cases"


def postprocess(cohort: Path, out: Path) -> list[object]:
    return ["tmtv-postprocess", "--mask", cohort, "--suv", cohort, "--out", out, "-m", "raw"]


@pytest.mark.parametrize("command", ["postprocess", "evaluate", "phantom", "train_vnet", "prepare", "run"])
def test_a_second_run_into_a_folder_is_refused(command: str, cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dicom = write_pet_ct(tmp_path / "dicom")
    mask = cohort / "a" / "mask.nii.gz"
    train = ["-m", "training.train_vnet", "--config", "demo.yaml", "--data", cohort, "--out", out]
    calls = {
        "postprocess": postprocess(cohort, out),
        "evaluate": ["tmtv", "evaluate", cohort, "--cases", cohort, "--out", out],
        "phantom": ["tmtv", "phantom", out, "--cases", 1],
        "train_vnet": train,
        "prepare": ["tmtv", "prepare", dicom, "--out", out, "--key-file", tmp_path / "key"],
        "run": ["tmtv", "run", dicom, "--out", out, "--mask", mask, "--key-file", tmp_path / "key"],
    }
    with locked(out):
        done = call(*calls[command], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)})
        left = [path.name for path in out.iterdir()]
    assert done.returncode == 2, done.stderr
    assert f"{out}: another run is writing into this folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert left == [".lock"]


def test_a_killed_runs_leftovers_and_lock_do_not_stay(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / ".lock").touch()
    (out / "a" / ".0123abcd.lesions_raw.nii.gz").write_bytes(b"half")
    done = call(*postprocess(cohort, out))
    assert done.returncode == 0, done.stderr
    assert not list(out.rglob(".????????.*"))


@pytest.mark.parametrize("redirect", ["| head -c 1 >/dev/null", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_ends_does_not_end_the_work(redirect: str, cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, *rest = postprocess(cohort, out)
    line = " ".join([str(BIN / str(first)), *map(str, rest)])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} {redirect}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert {path.parent.name for path in out.glob("*/tmtv.json")} == {"a", "b", "c"}
    for path in out.rglob("*.json"):
        assert path.read_text().startswith("{")


def test_a_full_disk_behind_stdout_is_said(cohort: Path, tmp_path: Path) -> None:
    line = " ".join(map(str, [BIN / "tmtv-postprocess", *postprocess(cohort, tmp_path / "out")[1:]]))
    done = subprocess.run(["bash", "-c", f"{line} >/dev/full"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Standard output cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_are_not_utf8(locale: str, cohort: Path, tmp_path: Path) -> None:
    """The folder of the cohort, and the output, hold a byte that is no UTF-8."""
    strange = tmp_path / os.fsdecode(b"M\xfcller")
    cohort.rename(strange)
    out = strange / "out"
    environment = {**os.environ, "LANG": locale, "LC_ALL": locale, "PYTHONIOENCODING": "utf-8"}
    done = call(*postprocess(strange, out), env=environment)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    for name in ("a", "b", "c"):
        result = json.loads((out / name / "tmtv.json").read_text(encoding="utf-8"))
        assert result["methods"]["raw"]["tmtv_ml"] > 0
    assert (out / "tmtv.csv").is_file()


def test_the_dash_is_hinted_at() -> None:
    done = call("tmtv", "postprocess", "--mask", "x")
    assert done.returncode == 2
    assert "tmtv-postprocess" in done.stderr
