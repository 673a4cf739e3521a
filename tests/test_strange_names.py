"""Files and folders whose names are no UTF-8, or hold a backslash or a line break, in every command on cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from study_files import VOXEL_ML, suv_image, write_pet_ct

import petct
from petct.image import Image, write_image

BIN = Path(sys.executable).parent


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with a study, a mask, and a text file."""
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    study = write_pet_ct(folder / "dicom", ct=False)
    grid = petct.read_exam(study).pet.geometry
    for path in list((study / "pet").iterdir()):
        path.rename(path.with_name(os.fsdecode(b"\xe4") + path.name))
    write_image(folder / "mask.nii.gz", Image(suv_image() > 4, grid))
    (folder / "mask.nii.gz").rename(mask_of(folder))
    (folder / os.fsdecode(b"n\xe4.txt")).write_text("no DICOM")
    return folder


def mask_of(folder: Path) -> Path:
    return folder / os.fsdecode(b"m\xe4sk\\of\nme.nii.gz")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_every_command_takes_them(locale: str, strange: Path, tmp_path: Path) -> None:
    """314 voxels of 15 uL are marked, in two lesions; the second is taken out."""
    mask, out = mask_of(strange), strange / "out"
    environment = {
        **os.environ,
        "LANG": locale,
        "LC_ALL": locale,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    def call(*command: object) -> str:
        done = subprocess.run(
            [BIN / str(command[0]), *command[1:]], capture_output=True, check=False, env=environment
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, said
        assert "Traceback" not in said
        return said

    call("tmtv", "inspect", strange)
    json.loads(call("tmtv", "inspect", "--json", strange))
    call("tmtv", "prepare", strange, "--out", strange / "cases", "--path-list", strange / "paths.csv")
    call("tmtv", "run", strange / "dicom", "--mask", mask, "--out", out)
    (result,) = out.glob("*/tmtv.json")
    folder = result.parent
    assert json.loads(result.read_text(encoding="utf-8"))["inputs"]["mask"]["file"] == "m?sk?of?me.nii.gz"
    call("tmtv", "run", strange / "dicom", "--mask", mask, "--out", out)
    edit = ["--mask", mask, "--suv", strange / "dicom", "--out", out, "--case-id", folder.name]
    call("tmtv-postprocess", *edit, "--exclude", "41:2")
    call("tmtv", "export", folder, "--series", strange / "dicom", "--out", strange / "d")
    call("tmtv", "export", mask, "--series", strange / "dicom", "--out", strange / "d2")
    measures = [
        json.loads((f / "tmtv.json").read_text())["methods"]["41"] for f in (folder, folder / "review" / "1")
    ]
    assert [found["tmtv_ml"] / VOXEL_ML for found in measures] == pytest.approx([314, 224])
