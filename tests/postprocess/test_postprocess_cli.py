"""The command line: files and exit statuses of DESIGN sections 5 and 6, on real files in real processes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_files import make_pair, rows_of, run

from petct.image import read_image


def test_one_case_writes_what_the_contract_says(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "case7")
    done = run("--probability", maps, "--suv", suvs, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "case7"
    result = json.loads((folder / "tmtv.json").read_text())
    assert result["case_id"] == "case7"
    assert list(result["methods"]) == ["raw", "41", "2.5", "4.0"]
    assert result["inputs"]["suv"]["file"] == "pet.nii.gz"
    assert len(result["inputs"]["probability"]["sha256"]) == 64
    assert result["methods"]["raw"]["tmtv_ml"] == pytest.approx((1000 + 64) * 12 / 1000)
    assert result["methods"]["4.0"]["lesion_count"] == 1
    labels = read_image(folder / "lesions_raw.nii.gz")
    assert labels.array.dtype == np.uint16
    assert np.bincount(labels.array.ravel())[1:].tolist() == [1000, 64]
    assert labels.geometry.same_grid(read_image(suvs).geometry)
    with open(folder / "lesions_raw.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = ["label", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "x_mm", "y_mm", "z_mm"]
    assert list(rows[0])[:9] == expected
    assert [float(rows[0][c]) for c in ("x_mm", "y_mm", "z_mm")] == pytest.approx([-21, -21, 128.5])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--method", "42%"), "No method '42%'"),
        (("--method", "0.41"), "Did you mean 41 (41 % of SUVmax)?"),
        (("--instances",), "belong to --mask"),
        (("--connectivity", "8"), "--connectivity must be 6, 18 or 26"),
        (("--suv", "missing.nii.gz"), "no such file"),
        (("--case-id", "../elsewhere"), "cannot be a folder name"),
    ],
)
def test_refusals_are_one_sentence_and_status_2(tmp_path: Path, arguments: tuple, says: str) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    done = run("--probability", maps, "--suv", suvs, "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['tmtv-postprocess', '--help']\n"
        "from postprocess.cli import app\n"
        "try: app()\n"
        "except SystemExit as e: assert e.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'SimpleITK', 'scipy', 'skimage', 'numpy', 'tmtv_tf', 'training'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for word in ("--probability", "--exclude-mask", "4.0-benchmark", "Not a medical device"):
        assert word in done.stdout


def test_tensorflow_is_never_imported(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"  # importing them now fails
        "from postprocess.cli import main; main()"
    )
    arguments = ["--probability", maps, "--suv", suvs, "--out", tmp_path / "out", "--method", "vote2"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True)


def test_a_run_on_nifti_does_not_load_pydicom_and_leaves_it_to_be_loaded(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    code = (
        "import sys\n"
        "from postprocess.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert 'nibabel' in sys.modules and 'pydicom' not in sys.modules\n"
        "import pydicom; pydicom.Dataset()"
    )
    arguments = ["--probability", maps, "--suv", suvs, "--out", tmp_path / "out"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True)


def test_a_refusal_of_the_real_process_is_one_sentence(tmp_path: Path) -> None:
    arguments = [
        "--probability",
        tmp_path / "no.nii.gz",
        "--suv",
        tmp_path / "no.nii.gz",
        "--out",
        tmp_path / "out",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "postprocess", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"Error: {tmp_path}/no.nii.gz: no such file.\n"


def test_editing_from_the_command_line(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    common = ("--probability", maps, "--suv", suvs, "--out", tmp_path / "out", "--method", "2.5")
    assert run(*common).returncode == 0
    done = run(*common, "--exclude", "1", "--include-seed", "-21,-21,128.5", "--reader", "anna")
    assert done.returncode == 0, done.stderr
    assert "Edits in force: 2 (2 new). Automatic TMTV: 2.5 12.77 mL. Final:" in done.stdout
    result = json.loads((tmp_path / "out" / "p" / "review" / "1" / "tmtv.json").read_text())
    assert result["methods"]["2.5"]["lesion_count"] == 2  # taken out, and added again
    row = rows_of(tmp_path / "out")["p"]
    assert (row["tmtv_ml_2.5"], row["tmtv_final_ml_2.5"]) == ("12.768", "12.768")
    only = run(*common, "--clear-edits", "--exclude", "2.5:1")
    assert "Earlier edits out of force: 2; edits.json keeps them." in only.stdout
    assert rows_of(tmp_path / "out")["p"]["tmtv_final_ml_2.5"] == "0.768"
    assert "There were no edits." in run(*common[:5], tmp_path / "new", *common[6:], "--clear-edits").stdout
    assert run(*common, "--include-seed", "1,2").returncode == 2
    for wrong in ("1", "41:x", "41:\u00b2", "41:-1"):
        assert "METHOD:LABEL" in run(*common, "--method", "41", "--exclude", wrong).stderr
    for change in (("--exclude", "1"), ("--clear-edits",)):
        assert "belong to one case" in run("--probability", tmp_path, *common[2:], *change).stderr


def test_split_only(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    done = run("-p", maps, "--suv", suvs, "--out", tmp_path / "out", "--split-only", "--case-id", "x")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out" / "x").iterdir()) == [
        "lesions_parts.csv",
        "lesions_parts.nii.gz",
        "tmtv.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--probability", "{maps}"), "must be a folder"),
        (("--probability", "{empty}", "--suv", "{empty}"), "no case found"),
        (("--probability", "{maps}", "--mask", "{maps}"), "one of --probability and --mask"),
        (("--probability", "{maps}", "--suv", "{maps}", "--workers", "0"), "at least 1"),
    ],
)
def test_wrong_calls(tmp_path: Path, arguments: tuple, says: str) -> None:
    _, suvs = make_pair(tmp_path / "maps" / "a")
    (tmp_path / "empty").mkdir()
    filled = [a.format(maps=tmp_path / "maps", empty=tmp_path / "empty") for a in arguments]
    done = run("--suv", suvs, "--out", tmp_path / "out", *filled)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_named_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        done = run("-p", tmp_path / "none.nii.gz", "--suv", tmp_path / "none.nii.gz", "--out", out)
        assert done.returncode == 2
        assert done.stderr == f"Error: {out}: cannot be written ({tmp_path / 'file'} is not a folder).\n"


@pytest.mark.parametrize("module", ["postprocess.cli", "tmtv_tf.cli"])
def test_version(module: str) -> None:
    code = f"from {module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("tmtv-tf ")
    assert len(done.stdout.splitlines()) == 1
