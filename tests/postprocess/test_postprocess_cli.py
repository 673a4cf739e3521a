"""The command line: files and exit statuses of DESIGN sections 5 and 6, on real files in real processes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from petct.console import run_app
from petct.errors import ParameterError
from petct.image import Geometry, Image, read_image, write_image
from postprocess.cli import app

SPACING_MM = (3.0, 2.0, 2.0)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in this process, with what it prints and its exit status."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    return subprocess.CompletedProcess(arguments, int(left.value.code or 0), out.getvalue(), err.getvalue())


def make_pair(folder: Path, *, seed: int = 0, suv_folder: Path | None = None) -> tuple[Path, Path]:
    """Two warm boxes in cold noise; the second is half as hot."""
    rng = np.random.default_rng(seed)
    geometry = Geometry((30, 40, 40), SPACING_MM, (-40.0, -40.0, 100.0))
    probability = np.zeros(geometry.shape, np.float32)
    probability[5:15, 5:15, 5:15] = 0.9
    probability[20:24, 30:34, 30:34] = 0.8
    suv = rng.uniform(0, 1, geometry.shape).astype(np.float32)
    suv[5:15, 5:15, 5:15] += 8
    suv[20:24, 30:34, 30:34] += 3
    maps, suvs = folder / "probability.nii.gz", (suv_folder or folder) / "pet.nii.gz"
    write_image(maps, Image(probability, geometry))
    write_image(suvs, Image(suv, geometry))
    return maps, suvs


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


def test_cohort_goes_on_past_a_bad_case_and_skips_finished_ones(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_pair(tmp_path / "maps" / name, seed=ord(name), suv_folder=tmp_path / "cases" / name)
    (tmp_path / "cases" / "b" / "pet.nii.gz").write_bytes(b"no image")
    command = (
        "--probability",
        tmp_path / "maps",
        "--suv",
        tmp_path / "cases",
        "--out",
        tmp_path / "out",
        "-m",
        "41",
    )
    done = run(*command)
    assert done.returncode == 1
    assert "Failed: b:" in done.stderr
    assert "Traceback" not in done.stderr
    with open(tmp_path / "out" / "tmtv.csv", newline="") as file:
        assert [row["case_id"] for row in csv.DictReader(file)] == ["a", "c"]
    before = (tmp_path / "out" / "a" / "tmtv.json").stat().st_mtime_ns
    again = run(*command)
    assert "2 were finished before" in again.stdout
    assert (tmp_path / "out" / "a" / "tmtv.json").stat().st_mtime_ns == before


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


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "tmtv.csv", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


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


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("more", [(), ("-m", "41", "-m", "otsu"), ("--min-volume-ml", "0.1")])
def test_a_cohort_keeps_the_edits_of_one_case(tmp_path: Path, workers: int, more: tuple[str, ...]) -> None:
    """Before, the cohort command restored the old number, and tmtv.csv never knew the new one."""
    for name in ("a", "b", "c"):
        make_pair(tmp_path / "maps" / name, seed=ord(name))
    cohort = ("-p", tmp_path / "maps", "--suv", tmp_path / "maps", "--out", tmp_path / "out")
    assert run(*cohort).returncode == 0
    case = tmp_path / "maps" / "b"
    one = ("-p", case / "probability.nii.gz", "--suv", case / "pet.nii.gz", "--out", tmp_path / "out")
    assert run(*one, "--exclude", "41:2").returncode == 0
    assert sorted(rows_of(tmp_path / "out")) == [
        "a",
        "b",
        "c",
    ]  # one case is edited: the table keeps the others
    edited = {key: value for key, value in rows_of(tmp_path / "out")["b"].items() if "final" in key}
    done = run(*cohort, "--workers", workers, *more)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "out")
    assert float(rows["b"]["tmtv_ml_41"]) > float(rows["b"]["tmtv_final_ml_41"])
    assert {key: rows["b"][key] for key in edited if key in rows["b"]} | edited == edited
    assert rows["a"]["tmtv_ml_41"] == rows["a"]["tmtv_final_ml_41"]
    assert "edits: 1" in next(line for line in done.stdout.splitlines() if line.startswith("b "))


def test_a_cohort_says_its_numbers(tmp_path: Path) -> None:
    for number in range(12):
        make_pair(tmp_path / "maps" / f"p{number:02}")
    command = (
        "-p",
        tmp_path / "maps",
        "--suv",
        tmp_path / "maps",
        "--out",
        tmp_path / "out",
        "-m",
        "raw",
        "-m",
        "2.5",
    )
    lines = run(*command).stdout.splitlines()
    assert [line.split() for line in lines[1:3]] == [["TMTV", "mL", "raw", "2.5"], ["p00", "12.77", "12.77"]]
    assert lines[-2:] == ["and 2 more", f"median {12.768:13.2f} {12.768:13.2f}"]


def test_no_table_outlives_its_cases(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_pair(tmp_path / "maps" / name)
    out = tmp_path / "out"
    command = ("-p", tmp_path / "maps", "--suv", tmp_path / "maps", "--out", out, "-m", "41")
    assert run(*command).returncode == 0
    (tmp_path / "maps" / "b" / "pet.nii.gz").write_bytes(b"no image")
    assert run(*command).returncode == 1
    assert list(rows_of(out)) == ["a"]
    assert run(*command, "--overwrite").returncode == 1
    assert not (out / "b" / "tmtv.json").exists()
    (tmp_path / "maps" / "a" / "pet.nii.gz").unlink()
    done = run(*command)
    assert done.returncode == 2
    assert not (out / "tmtv.csv").exists()
    assert "Results of an earlier run stay in the folders of failed cases, not in tmtv.csv: a." in done.stderr


def test_no_table_outlives_the_one_case_that_was_to_be_replaced(tmp_path: Path) -> None:
    """--overwrite takes the old result away; the new one is refused, for its edits mean no lesion of it."""
    maps, suvs = make_pair(tmp_path / "a")
    out = tmp_path / "out"
    command = ("--suv", suvs, "--out", out, "--case-id", "a", "-m", "raw")
    assert run("-p", maps, *command, "--exclude", "raw:2").returncode == 0
    probability = read_image(maps)
    probability.array[20:24] = 0
    write_image(maps, probability)
    assert run("-p", maps, *command, "--overwrite").returncode == 2
    assert not (out / "a" / "tmtv.json").exists()
    assert not (out / "tmtv.csv").exists()


def test_no_table_outlives_results_that_a_run_which_ended_early_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        make_pair(tmp_path / "maps" / name)
    out = tmp_path / "out"
    command = ("-p", tmp_path / "maps", "--suv", tmp_path / "maps", "--out", out, "-m", "raw")
    assert run(*command).returncode == 0

    def lost(*arguments: object, **options: object) -> None:
        (out / "a" / "tmtv.json").unlink()
        raise ParameterError("The scheduler is lost.")

    monkeypatch.setattr("petct.parallel.run_cases", lost)
    assert run(*command, "--overwrite").returncode == 2
    assert list(rows_of(out)) == ["b"]


def test_a_table_of_other_parameters_is_warned_of(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_pair(tmp_path / "maps" / name)
    for name, size in (("a", "0"), ("b", "0.1")):
        case = tmp_path / "maps" / name
        command = ("-p", case / "probability.nii.gz", "--suv", case / "pet.nii.gz", "--out", tmp_path / "out")
        done = run(*command, "--min-volume-ml", size)
    assert "2 models, parameters or versions (those of a, b, for example)" in " ".join(done.stderr.split())


def test_split_only(tmp_path: Path) -> None:
    maps, suvs = make_pair(tmp_path / "p")
    done = run("-p", maps, "--suv", suvs, "--out", tmp_path / "out", "--split-only", "--case-id", "x")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out" / "x").iterdir()) == [
        "lesions_parts.csv",
        "lesions_parts.nii.gz",
        "tmtv.json",
    ]


def test_a_cohort_with_workers_and_on_dask_equals_one_by_one(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    for name in ("a", "b", "c"):
        make_pair(tmp_path / "maps" / name, seed=ord(name))
    command = ("--probability", tmp_path / "maps", "--suv", tmp_path / "maps", "--out")
    assert run(*command, tmp_path / "one").returncode == 0
    assert run(*command, tmp_path / "two", "--workers", "2").returncode == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp"
    ) as cluster:
        done = run(*command, tmp_path / "dask", "--scheduler", cluster.scheduler_address)
    assert done.returncode == 0, done.stderr
    for file in ("tmtv.csv", "a/tmtv.json", "c/lesions_41.csv", "b/lesions_41.nii.gz"):
        expected = (tmp_path / "one" / file).read_bytes()
        assert (tmp_path / "two" / file).read_bytes() == expected
        assert (tmp_path / "dask" / file).read_bytes() == expected
    header = (tmp_path / "one" / "tmtv.csv").read_text().splitlines()[0]
    assert header.startswith("case_id,tmtv_ml_raw,tmtv_final_ml_raw,tlg_raw,")
    assert "dmax_bulk_mm_4.0" in header


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


def test_a_cohort_in_which_nothing_can_be_done_ends_with_2(tmp_path: Path) -> None:
    maps, _ = make_pair(tmp_path / "maps" / "a", suv_folder=tmp_path / "elsewhere")
    done = run("--probability", tmp_path / "maps", "--suv", tmp_path / "maps", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Failed: a:" in done.stderr
    assert "no such file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_cases_without_a_map_are_counted_and_named(tmp_path: Path) -> None:
    """Else a result that is missing is noticed by nobody."""
    for name in ("a", "b", "c"):
        make_pair(tmp_path / "maps" / name, suv_folder=tmp_path / "cases" / name)
    command = ("-p", tmp_path / "maps", "--suv", tmp_path / "cases", "--out", tmp_path / "out", "-m", "41")
    (tmp_path / "cases" / "notes").mkdir()
    assert "No map" not in run(*command).stderr
    (tmp_path / "maps" / "b" / "probability.nii.gz").unlink()
    (tmp_path / "maps" / "c" / "probability.nii.gz").unlink()
    done = run(*command)
    assert done.returncode == 0
    assert "No map for 2 of 3 cases: b, c.\n" in done.stderr


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
