"""Any number of examinations: which cases come out, and cohort.csv."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cohort_files import write_study
from prepare_files import left_out, only_case, prepare, table, without_weight

from tmtv_tf.cases.case import find_cases
from tmtv_tf.cases.cohort import read_cohort


def test_a_bad_case_does_not_stop_the_rest(tmp_path, capsys):
    write_study(tmp_path / "in" / "1", "P1")
    write_study(tmp_path / "in" / "2", "P2", edit=without_weight)
    (tmp_path / "in" / "readme.txt").write_text("hello")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--path-list", tmp_path / "paths.csv", status=1)
    assert len(find_cases(tmp_path / "out")) == 1
    assert len(read_cohort(tmp_path / "out")) == 1
    rows = table(tmp_path / "out" / "prepare.csv")
    assert sorted(row["status"] for row in rows) == ["done", "failed"]
    error = capsys.readouterr().err
    assert "PatientWeight (0010,1030)" in error
    assert "Traceback" not in error
    rows = left_out(tmp_path / "out", tmp_path / "paths.csv")
    assert [row[:2] for row in rows] == [("file", tmp_path / "in" / "readme.txt")]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == [".lock"]


@pytest.mark.parametrize("what", ["empty", "text", "no pet"])
def test_nothing_to_prepare(tmp_path, capsys, what):
    (tmp_path / "in").mkdir()
    if what == "text":
        (tmp_path / "in" / "a.txt").write_text("hello")
    if what == "no pet":
        write_study(tmp_path / "in", roi=False)
        shutil.rmtree(tmp_path / "in" / "PT")
    prepare(tmp_path / "in", "--out", tmp_path / "out", status=2)
    assert "no DICOM series" in (error := capsys.readouterr().err) or "no PET series" in error
    assert not (tmp_path / "out").exists()


def test_a_killed_run_leaves_nothing_that_counts(tmp_path):
    write_study(tmp_path / "in")
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    folder = only_case(tmp_path / "out").folder
    (folder / "case.json").unlink()
    stale = folder.with_name(".building.0123456789abcdef") / "new"
    stale.mkdir(parents=True)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    assert only_case(tmp_path / "out").folder == folder
    assert not stale.exists()


def test_cohort_grows_and_keeps_what_it_had(tmp_path):
    (tmp_path / "clinical.csv").write_text("PatientID,subtype,split\nP1,HL,test\n")
    write_study(tmp_path / "a", "P1", roi=False)
    write_study(tmp_path / "b", "P2", roi=False)
    prepare(tmp_path / "a", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv")
    prepare(tmp_path / "b", "--out", tmp_path / "out")
    rows = {row["subtype"]: row["split"] for row in read_cohort(tmp_path / "out")}
    assert rows["HL"] == "test"
    assert len(rows) == 2


def test_contradicting_clinical_rows_fail_their_case_only(tmp_path, capsys):
    for patient in ("P1", "P2"):
        write_study(tmp_path / "in" / patient, patient, roi=False)
    (tmp_path / "clinical.csv").write_text(
        "PatientID,case_id,subtype\nP1,alpha,HL\nP1,alpha,FL\nP2,beta,FL\n"
    )
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "clinical.csv", status=1)
    assert [row["case_id"] for row in read_cohort(tmp_path / "out")] == ["beta"]
    assert "case alpha: the patient's rows contradict each other: subtype" in capsys.readouterr().err


def test_leakage_through_the_clinical_table_is_refused(tmp_path, capsys):
    write_study(tmp_path / "a", "P1", "S1", roi=False)
    write_study(tmp_path / "b", "P1", "S2", roi=False)
    (tmp_path / "a.csv").write_text("PatientID,split\nP1,train\n")
    (tmp_path / "b.csv").write_text("PatientID,split\nP1,test\n")
    prepare(tmp_path / "a", "--out", tmp_path / "out", "--clinical", tmp_path / "a.csv")
    prepare(tmp_path / "b", "--out", tmp_path / "out", "--clinical", tmp_path / "b.csv", status=2)
    assert "two splits" in capsys.readouterr().err
    assert len(find_cases(tmp_path / "out")) == 1


def test_workers(tmp_path):
    for patient in ("P1", "P2", "P3"):
        write_study(tmp_path / "in" / patient, patient, edit=without_weight if patient == "P2" else None)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--workers", 2, status=1)
    assert len(find_cases(tmp_path / "out")) == 2


def test_a_real_dask_cluster(tmp_path):
    """`dask scheduler` and two `dask worker` processes, as on a cluster."""
    pytest.importorskip("distributed")
    for patient in ("P1", "P2", "P3"):
        write_study(tmp_path / "in" / patient, patient, edit=without_weight if patient == "P2" else None)
    dask = [sys.executable, "-m", "dask"]
    address_file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(address_file), "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    processes = [
        subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *common], **quiet)
    ]
    try:
        wait_for(address_file)
        worker = [*dask, "worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60", *common]
        processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]
        address = json.loads(address_file.read_text())["address"]
        prepare(tmp_path / "in", "--out", tmp_path / "out", "--scheduler", address, status=1)
    finally:
        for process in processes[::-1]:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    assert len(find_cases(tmp_path / "out")) == 2
    reasons = [row["reason"] for row in table(tmp_path / "out" / "prepare.csv") if row["status"] == "failed"]
    assert "PatientWeight (0010,1030)" in reasons[0]


def wait_for(path: Path) -> None:
    import time

    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{path.name} did not appear in 30 s")


def test_unwritable_output(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    (tmp_path / "file").write_text("in the way")
    prepare(tmp_path / "in", "--out", tmp_path / "file" / "out", status=2)
    assert "out: cannot be written" in capsys.readouterr().err
