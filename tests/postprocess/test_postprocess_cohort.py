"""A cohort and its table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from cli_files import make_pair, rows_of, run

from petct.errors import ParameterError
from petct.image import read_image, write_image


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
