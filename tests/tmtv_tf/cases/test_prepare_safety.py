"""No stale case, no lost case, no id that leaves its folder, no name in a file."""

from __future__ import annotations

import re
import stat
import threading
from pathlib import Path

import pytest
from cohort_files import write_study
from prepare_files import call, edit_weight, prepare, table

from petct.console import run_app
from petct.errors import CaseError
from petct.files import LOCK_NAME, locked
from tmtv_tf.cases.case import find_cases, load_case
from tmtv_tf.cases.cohort import read_cohort
from tmtv_tf.cli import app
from tmtv_tf.inference.cases import cases_to_predict


def test_a_case_that_is_refused_now_is_out_of_use_and_keeps_its_split(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "in" / "1", "P1", roi=False)
    write_study(tmp_path / "in" / "2", "P2", roi=False)
    out = tmp_path / "out"
    (tmp_path / "ids.csv").write_text("PatientID,case_id,split\nP1,a,test\nP2,b,train\n")
    prepare(tmp_path / "in", "--out", out, "--clinical", tmp_path / "ids.csv")
    before = (out / "a" / "pet.nii.gz").stat().st_mtime_ns
    edit_weight(folder, "-7")
    (tmp_path / "ids.csv").write_text("PatientID,case_id\nP1,a\nP2,b\n")
    prepare(tmp_path / "in", "--out", out, "--clinical", tmp_path / "ids.csv", status=1)
    assert [path.name for path in find_cases(out)] == ["b"]
    assert [row["case_id"] for row in read_cohort(out)] == ["b"]
    with pytest.raises(CaseError, match="refused this case when it ran last"):
        load_case(out / "a")
    with pytest.raises(CaseError, match="no case of the split 'test'"):
        cases_to_predict(out, "test")
    edit_weight(folder, "70")
    prepare(tmp_path / "in", "--out", out, "--clinical", tmp_path / "ids.csv")
    assert {row["case_id"]: row["split"] for row in read_cohort(out)} == {"a": "test", "b": "train"}
    assert (out / "a" / "pet.nii.gz").stat().st_mtime_ns == before  # the same bytes: it came back as it was
    assert not (out / "withdrawn.csv").exists()


def test_another_run_is_refused_and_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_study(tmp_path / "in", roi=False)
    out = tmp_path / "out"
    with locked(out):
        (out / ".building.0" / "new").mkdir(parents=True)
        prepare(tmp_path / "in", "--out", out, status=2)
        assert (out / ".building.0" / "new").is_dir()
    assert "another run is writing into this folder" in capsys.readouterr().err


def test_two_runs_at_once_leave_whole_cases(tmp_path: Path) -> None:
    for patient in ("P1", "P2", "P3"):
        write_study(tmp_path / "in" / patient, patient)
    codes: list[object] = []

    def run() -> None:
        try:
            run_app(app, ["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--no-model-grid"])
        except SystemExit as left:
            codes.append(left.code)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 in codes
    assert len(find_cases(tmp_path / "out")) == 3
    for folder in find_cases(tmp_path / "out"):
        assert load_case(folder).tmtvprob
    assert {path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")} == {LOCK_NAME}


LEAKS = (
    "Müller",
    "Mueller",
    "Muller",
    "Hans-Peter",
    "HansPeter",
    "03.11.1942",
    "1942-11-03",
    "471108",
    "00471108",
)


def test_names_in_any_spelling_stay_out_of_files_and_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Folders and files are called by the patient in ways that no header has."""

    def plant(ds, k):
        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Müller^Hans Peter", "00471108", "19421103"
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.Manufacturer = "SIEMENS for Mueller"
        if ds.Modality == "PT":
            ds.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = "F18 Muller"

    root = tmp_path / "in" / "Mueller_HansPeter_03.11.1942_Pat471108"
    write_study(root / "1942-11-03", "00471108", "S1", edit=plant)
    bad = write_study(root / "Muller Hans-Peter", "00471108", "S2", edit=plant)
    slice_ = min((bad / "PT").iterdir())
    slice_.write_bytes(slice_.read_bytes()[:-20])
    (root / "letter to Müller (471108).txt").write_text("hello")
    (root / "zu Müller").symlink_to(tmp_path / "nowhere")
    paths, link = tmp_path / "paths.csv", tmp_path / "link.csv"
    prepare(root, "--out", tmp_path / "out", "--path-list", paths, "--link-file", link, status=1)
    said = capsys.readouterr()
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.suffix in (".csv", ".json")]
    everything = re.sub(re.escape(str(tmp_path / "out")), "", "\n".join([*written, said.out, said.err]))
    for word in LEAKS:
        assert word.lower() not in everything.lower(), word
    (case,) = find_cases(tmp_path / "out")
    assert load_case(case).info["vendor"] == "SIEMENS"
    assert any(
        "Radiopharmaceutical (0018,0031) is other" in text for text in load_case(case).info["warnings"]
    )
    (reason,) = [
        row["reason"] for row in table(tmp_path / "out" / "prepare.csv") if row["status"] == "failed"
    ]
    number = re.match(r"file \d+", reason)
    assert number
    known = {(row["where"], row["number"]): row["path"] for row in table(paths)}
    failed = [row["case_id"] for row in table(tmp_path / "out" / "prepare.csv") if row["status"] == "failed"]
    assert known[failed[0], number[0]] == str(slice_)
    assert {row["PatientID"] for row in table(link)} == {"00471108"}
    assert {row["case_id"] for row in table(link)} == {case.name, *failed}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (paths, link)} == {0o600}


@pytest.mark.parametrize("option", ["--path-list", "--link-file"])
def test_lists_that_name_patients_stay_out_of_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture, option: str
) -> None:
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", option, tmp_path / "out" / "list.csv", status=2)
    assert "must lie outside the output folder" in capsys.readouterr().err


def test_a_wrong_table_is_refused_before_any_image_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in").mkdir()  # reading it would be refused with another sentence
    (tmp_path / "c.csv").write_text("")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--clinical", tmp_path / "c.csv", status=2)
    assert "c.csv: the table is empty" in capsys.readouterr().err


def test_what_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out")
    (case,) = find_cases(tmp_path / "out")
    with pytest.raises(CaseError, match="this is one case.*Leave --split out"):
        cases_to_predict(case, "test")
    with pytest.raises(
        CaseError, match=r"no case of the split 'test' .*\(cases: 1 train\). Leave --split out"
    ):
        cases_to_predict(tmp_path / "out", "test")
    with pytest.raises(CaseError, match="Run `tmtv prepare` first"):
        cases_to_predict(tmp_path / "in")
    call("postprocess", "--mask", "x", status=2)
    assert "tmtv-postprocess" in capsys.readouterr().err
