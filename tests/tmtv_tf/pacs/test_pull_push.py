"""`tmtv pull`, `tmtv push` and `tmtv run` between archives, against a real Orthanc."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import uid, write_series
from orthanc import Cutter, Orthanc, data_set, dcmtk, running_orthanc
from study_files import BOXES, SHAPE, write_pet_ct
from typer.testing import CliRunner, Result

import petct
import tmtv_tf
from petct.errors import ArchiveError, CaseError, TmtvError
from postprocess.cli import app as postprocess
from tmtv_tf.cli import app
from tmtv_tf.pacs.archive import open_archive
from tmtv_tf.pacs.audit import events
from tmtv_tf.pacs.credentials import Credentials
from tmtv_tf.pacs.push import PushReport, push

NONE = Credentials()


@pytest.fixture(autouse=True)
def _home(own_home: None) -> None:
    """Every test here has one of its own."""


def tmtv(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, TmtvError), repr(result.exception)
        assert status == result.exception.exit_status, str(result.exception)
    else:
        assert result.exit_code == status, result.output
    return result


def stored(orthanc: Orthanc) -> list[bytes]:
    return sorted(map(data_set, orthanc.files().values()))


def of_files(*paths: Path) -> list[bytes]:
    return sorted(data_set(path.read_bytes()) for path in paths)


# ------------------------------------------------------------------------------------------------ pull


def test_pull_by_command(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    write_series(study / "nac", series="9", edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    orthanc.upload(study)
    ask = ("pull", "--from-pacs", orthanc.web, "--patient", "P1", "--out", tmp_path / "in")
    said = tmtv(*ask, "--dry-run").stdout
    assert (
        f"Would fetch CT series 2 ({SHAPE[0]} objects), PT series 3 ({SHAPE[0]} objects) of the 3 series"
        in said
    )
    assert not (tmp_path / "in").exists()
    said = tmtv(*ask).stdout
    assert said.startswith("Fetched CT series 2")
    assert "P1" not in said.replace(str(tmp_path), "")
    assert of_files(*(tmp_path / "in").rglob("*.dcm")) == of_files(
        *(study / "pet").iterdir(), *(study / "ct").iterdir()
    )
    assert petct.read_exam(tmp_path / "in").pet.array.shape == SHAPE
    tmtv(*ask[:-1], tmp_path / "whole", "--all")
    assert len(list((tmp_path / "whole").rglob("*.dcm"))) == 2 * SHAPE[0] + 4


def test_what_was_changed_in_the_archive_under_the_same_uids_comes(
    orthanc: Orthanc, study: Path, tmp_path: Path
) -> None:
    """A weight that was corrected there must not leave the old SUV here."""
    ask = ("pull", "--from-pacs", orthanc.web, "--patient", "P1", "--out", tmp_path / "in")
    orthanc.upload(study)
    tmtv(*ask)
    for path in (study / "pet").iterdir():
        ds = pydicom.dcmread(path)
        ds.PatientWeight = "140"
        ds.save_as(path)
    orthanc.clear()
    orthanc.upload(study)
    tmtv(*ask)
    assert petct.read_exam(tmp_path / "in").pet.array.max() == pytest.approx(16.0, rel=1e-3)


def test_a_pull_that_was_cut_keeps_what_came(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    orthanc.upload(study)
    ask = ("pull", "--patient", "P1", "--out", tmp_path / "in", "--from-pacs")
    much = 10**9
    whole = Cutter(orthanc.http_port, much)
    tmtv(*ask[:-2], tmp_path / "whole", ask[-1], f"http://localhost:{whole.port}/dicom-web")
    wire = Cutter(orthanc.http_port, much - whole.left - 5000)  # of the last answer, the PET
    tmtv(*ask, f"http://localhost:{wire.port}/dicom-web", status=2)
    wire.close()
    came = {path: path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*.dcm")}
    assert len(came) == SHAPE[0]  # the CT was whole, the PET was not
    tmtv(*ask, orthanc.web)
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*.dcm")}
    assert len(now) == 2 * SHAPE[0]
    assert came.items() < now.items()
    tmtv(*ask, orthanc.web)
    assert (
        not came.items()
        & {path: path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*.dcm")}.items()
    )


def test_pull_goes_on_past_a_bad_study(orthanc: Orthanc, tmp_path: Path) -> None:
    def dated(ds: pydicom.Dataset, k: int) -> None:
        ds.StudyDate = "20240131"

    def uncorrected(ds: pydicom.Dataset, k: int) -> None:
        ds.StudyDate, ds.CorrectedImage = "20240131", ["DECY"]

    write_series(tmp_path / "a", patient="P1", edit=dated)
    write_series(tmp_path / "b", "CT", patient="P2", edit=dated)
    write_series(tmp_path / "c", patient="P3", edit=uncorrected)
    orthanc.upload(tmp_path)
    ask = ("pull", "--from-pacs", orthanc.web, "--out", tmp_path / "in")
    said = tmtv(*ask, "--date", "2024-01-31", status=1)
    assert "1 studies without a PET are passed over" in said.stdout
    assert f"Failed: {uid('P3', 'S1')}:" in said.stderr
    assert "not attenuation-corrected" in said.stderr
    assert len(list((tmp_path / "in").rglob("*.dcm"))) == 4
    shutil.rmtree(tmp_path / "in")
    assert "no PET series" in str(tmtv(*ask, "--patient", "P2", status=2).exception)
    assert "no study fits" in str(tmtv(*ask, "--patient", "nobody", status=2).exception)
    assert "Which studies" in str(tmtv(*ask, status=2).exception)
    assert not list((tmp_path / "in").rglob("*.dcm"))


def test_an_archive_that_lists_only_part_is_refused(network: None, tmp_path: Path) -> None:
    write_pet_ct(tmp_path / "study")
    with running_orthanc(tmp_path / "o", LimitFindInstances=5) as few:
        few.upload(tmp_path / "study")
        for address in (few.web, few.dicom):
            ask = ("pull", "--from-pacs", address, "--patient", "P1", "--out", tmp_path / "in", "--all")
            assert "limit of its answers" in tmtv(*ask, status=2).stderr
    assert not list((tmp_path / "in").rglob("*.dcm"))


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_readers_rois_come_on_request_and_our_own_results_do_not(
    orthanc: Orthanc, study: Path, result: Path, tmp_path: Path, kind: str
) -> None:
    """What this software found must not become the truth that it is compared with."""
    reader = pydicom.dcmread(result / "rtstruct.dcm")
    reader.Manufacturer, reader.SeriesInstanceUID = "A workstation", uid("reader")
    reader.SOPInstanceUID = reader.file_meta.MediaStorageSOPInstanceUID = uid("reader", 1)
    reader.save_as(tmp_path / "reader.dcm")
    orthanc.upload(
        study, result / "seg.dcm", result / "rtstruct.dcm", result / "sr.dcm", tmp_path / "reader.dcm"
    )
    ask = ("pull", "--from-pacs", getattr(orthanc, kind), "--patient", "P1", "--out", tmp_path / "in")
    tmtv(*ask, "--rois")
    found = [pydicom.dcmread(p) for p in (tmp_path / "in").rglob("*.dcm")]
    assert {one.Modality for one in found} == {"PT", "CT", "RTSTRUCT"}
    assert [one.SOPInstanceUID for one in found if one.Modality == "RTSTRUCT"] == [reader.SOPInstanceUID]


def test_a_study_that_petct_would_refuse_is_not_fetched(orthanc: Orthanc, tmp_path: Path) -> None:
    write_series(tmp_path / "nac", edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    orthanc.upload(tmp_path / "nac")
    for address in (orthanc.web, orthanc.dicom):
        said = tmtv("pull", "--from-pacs", address, "--patient", "P1", "--out", tmp_path / "in", status=2)
        assert "not attenuation-corrected" in said.stderr


def test_a_disk_that_cannot_be_written(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    orthanc.upload(study)
    (tmp_path / "file").write_text("")
    ask = ("pull", "--from-pacs", orthanc.web, "--patient", "P1")
    assert "not a folder" in str(tmtv(*ask, "--out", tmp_path / "file", status=2).exception)


# ------------------------------------------------------------------------------------------------ push


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_results_come_back_byte_for_byte_and_are_sent_once(
    orthanc: Orthanc, study: Path, result: Path, kind: str
) -> None:
    orthanc.upload(study)
    before = stored(orthanc)
    names = ("seg.dcm", "rtstruct.dcm", "sr.dcm", "report.dcm")
    say = ("push", result, "--to-pacs", getattr(orthanc, kind))
    assert "4 would be sent" in tmtv(*say, "--dry-run").stdout
    assert stored(orthanc) == before
    assert "4 sent" in tmtv(*say).stdout
    assert stored(orthanc) == sorted(before + of_files(*(result / name for name in names)))
    assert (
        "0 sent, 4 there already" in tmtv("push", result.parent, "--to-pacs", getattr(orthanc, kind)).stdout
    )
    assert len(orthanc.rest("/studies")) == 1
    assert len(orthanc.rest("/series")) == 6


def test_the_same_result_made_again_is_not_sent_twice(
    orthanc: Orthanc, study: Path, mask: Path, result: Path, tmp_path: Path
) -> None:
    archive = open_archive(orthanc.web, credentials=NONE)
    first = push(result, archive)
    options = tmtv_tf.RunOptions(pdf_dicom=True)
    (case_id,) = tmtv_tf.run(study, mask=mask, out=tmp_path / "again", options=options).studies
    report = push(tmp_path / "again" / case_id, archive)
    assert (len(first.sent), len(report.sent), len(report.kept)) == (4, 0, 4)


def test_chosen_objects(orthanc: Orthanc, result: Path) -> None:
    archive = open_archive(orthanc.web, credentials=NONE)
    assert [one.path.name for one in push(result, archive, objects=["sr", "seg"]).sent] == [
        "seg.dcm",
        "sr.dcm",
    ]
    with pytest.raises(CaseError, match="probability-seg"):
        push(result, archive, objects=["probability"])
    with pytest.raises(TmtvError, match="object"):
        push(result, archive, objects=["pet"])


def test_findscu_finds_them(orthanc: Orthanc, study: Path, result: Path) -> None:
    orthanc.upload(study)
    tmtv("push", result, "--to-pacs", orthanc.dicom)
    query = [
        "-S",
        "-k",
        "QueryRetrieveLevel=SERIES",
        "-k",
        f"StudyInstanceUID={uid('P1', 'S1')}",
        "-k",
        "Modality",
    ]
    said = subprocess.run(
        [dcmtk("findscu"), "-aec", "ORTHANC", "localhost", str(orthanc.dicom_port), *query],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for modality in ("SEG", "RTSTRUCT", "SR", "DOC", "PT", "CT"):
        assert f"[{modality}" in said.stdout + said.stderr


def edited(result: Path, study: Path, out: Path) -> None:
    """Exclude lesion 1 as a reader does."""
    source = json.loads((result / "source.json").read_text())
    assert source["study_uid"] == uid("P1", "S1")
    made = CliRunner().invoke(
        postprocess,
        ["--mask", str(out.parent / "mask.nii.gz"), "--suv", str(study), "--out", str(out), "--case-id", result.name,
         "--exclude", "41:1"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output


def test_a_reviewed_result_is_a_new_series_that_says_so(
    orthanc: Orthanc, study: Path, result: Path, tmp_path: Path
) -> None:
    archive = open_archive(orthanc.web, credentials=NONE)
    orthanc.upload(study)
    push(result, archive)
    automatic = stored(orthanc)
    edited(result, study, tmp_path / "out")
    report = push(result, archive)
    assert sorted(one.path.name for one in report.sent) == ["rtstruct.dcm", "seg.dcm", "sr.dcm"]
    assert report.failed == []
    assert set(automatic) < set(stored(orthanc))
    for one in report.sent:
        new, old = pydicom.dcmread(one.path), pydicom.dcmread(result / one.path.name)
        assert "reviewed" in new.SeriesDescription
        assert "reviewed" not in old.SeriesDescription
        assert new.StudyInstanceUID == old.StudyInstanceUID
        assert new.SeriesInstanceUID != old.SeriesInstanceUID
    (before,) = pydicom.dcmread(report.sent[0].path.with_name("sr.dcm")).PredecessorDocumentsSequence
    assert (
        before.ReferencedSeriesSequence[0].SeriesInstanceUID
        == pydicom.dcmread(result / "sr.dcm").SeriesInstanceUID
    )
    assert [len(again.sent) for again in [push(result, archive)]] == [0]
    seg = pydicom.dcmread(report.sent[0].path.with_name("seg.dcm"))
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["Lesion 2"]


def test_a_reviewed_result_without_its_dicom(
    orthanc: Orthanc, study: Path, result: Path, tmp_path: Path
) -> None:
    edited(result, study, tmp_path / "out")
    study.rename(tmp_path / "moved")
    archive = open_archive(orthanc.web, credentials=NONE)
    with pytest.raises(CaseError, match="--series"):
        push(result, archive)
    assert orthanc.files() == {}
    assert len(push(result, archive, series=tmp_path / "moved").sent) == 3


def test_other_content_under_one_uid_is_not_replaced(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    orthanc.upload(study)
    before = stored(orthanc)
    changed = shutil.copytree(study / "pet", tmp_path / "changed")
    first = sorted(changed.iterdir())[0]
    ds = pydicom.dcmread(first)
    ds.PatientWeight = "71"
    ds.save_as(first)
    for address in (orthanc.web, orthanc.dicom):
        report = push(changed, open_archive(address, credentials=NONE))
        assert [one.path for one in report.failed] == [first]
        assert "another object" in report.failed[0].reason
        assert not report.retry
        assert len(report.kept) == SHAPE[0] - 1
    assert stored(orthanc) == before


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


Breaking = Callable[[Path], object]
BROKEN: dict[str, tuple[Breaking, str]] = {
    "unfinished": (lambda r: (r / "source.json").unlink(), "not a finished result"),
    "cut at once": (lambda r: cut(r / "seg.dcm", 200), "is missing"),
    "cut in its pixels": (lambda r: cut(r / "seg.dcm", -9), "cut short"),
    "cut in its text": (lambda r: cut(r / "sr.dcm", -9), "cut short"),
    "empty": (lambda r: (r / "sr.dcm").write_bytes(b""), "not readable as DICOM"),
    "no object": (lambda r: [p.unlink() for p in r.glob("*.dcm")], "missing"),
    "json": (lambda r: (r / "source.json").write_text("{"), "not readable as JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_results_are_refused_whole(orthanc: Orthanc, result: Path, name: str) -> None:
    breaking, text = BROKEN[name]
    breaking(result)
    with pytest.raises(TmtvError, match=text):
        push(result, open_archive(orthanc.web, credentials=NONE))
    assert orthanc.files() == {}


def test_objects_of_another_study_are_refused(
    orthanc: Orthanc, result: Path, mask: Path, tmp_path: Path
) -> None:
    other = write_pet_ct(tmp_path / "other", patient="P2")
    (case_id,) = tmtv_tf.run(other, mask=mask, out=tmp_path / "out2").studies
    shutil.copy(tmp_path / "out2" / case_id / "seg.dcm", result / "seg.dcm")
    with pytest.raises(CaseError, match="it is of study"):
        push(result, open_archive(orthanc.web, credentials=NONE))
    assert orthanc.files() == {}


def test_an_archive_that_is_gone_is_told_and_the_same_call_goes_on(orthanc: Orthanc, result: Path) -> None:
    archive = open_archive(orthanc.web, credentials=NONE)
    orthanc.stop(kill=True)
    try:
        with pytest.raises(ArchiveError, match="cannot be reached") as caught:
            push(result, archive)
        assert caught.value.retry
        tmtv("push", result, "--to-pacs", orthanc.web, status=2)
    finally:
        orthanc.start()
    report: PushReport = push(result, archive)
    assert (len(report.sent), report.failed) == (4, [])


# ------------------------------------------------------------------------------------------------ run and audit


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_run_from_and_to_an_archive(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path, kind: str
) -> None:
    orthanc.upload(study)
    address, out = getattr(orthanc, kind), tmp_path / "results"
    ask = (
        "run",
        "--from-pacs",
        address,
        "--patient",
        "P1",
        "--to-pacs",
        address,
        "--out",
        out,
        "--mask",
        mask,
    )
    said = tmtv(*ask).stdout
    assert "4 sent" in said
    series = [one["MainDicomTags"]["Modality"] for one in orthanc.rest("/series?expand")]
    assert sorted(series) == ["CT", "DOC", "PT", "RTSTRUCT", "SEG", "SR"]
    (case,) = [path.parent for path in out.glob("*/tmtv.json")]
    assert json.loads((case / "source.json").read_text())["dicom_folder"].startswith(f"{address}/")
    assert json.loads((case / "tmtv.json").read_text())["methods"]["4.0"]["tmtv_ml"] == pytest.approx(
        sum(np.prod([s.stop - s.start for s in box]) for box in BOXES.values()) * 3 * 2 * 2.5 / 1000
    )
    before = stored(orthanc)
    said = tmtv(*ask).stdout
    assert "(kept)" in said
    assert "0 sent, 4 there already" in said
    assert stored(orthanc) == before


def test_run_keeps_what_was_fetched_on_request(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path
) -> None:
    orthanc.upload(study)
    tmtv("run", "--from-pacs", orthanc.web, "--patient", "P1", "--out", tmp_path / "results", "--mask", mask,
         "--keep-dicom", tmp_path / "kept")  # fmt: skip
    assert len(list((tmp_path / "kept").rglob("*.dcm"))) == 2 * SHAPE[0]


def test_wrong_calls_of_run(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "results")
    for arguments in (
        (),
        ("--patient", "P1"),
        (study, "--patient", "P1"),
        (study, "--from-pacs", orthanc.web, "--patient", "P1"),
        ("--from-pacs", orthanc.web),
        (study, "--to-pacs", "pacs.example"),
    ):
        tmtv("run", *arguments, *out, status=2)
    assert not (tmp_path / "results").exists()


def test_a_result_that_cannot_be_sent_fails_its_case(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path
) -> None:
    address = orthanc.web.replace(str(orthanc.http_port), "1")
    said = tmtv("run", study, "--out", tmp_path / "results", "--mask", mask, "--to-pacs", address, status=2)
    assert "not sent" in said.stderr
    assert "tmtv push" in said.stderr
    assert list((tmp_path / "results").glob("*/sr.dcm"))


def test_everything_is_in_the_audit_log_without_names(
    orthanc: Orthanc, study: Path, mask: Path, tmp_path: Path
) -> None:
    orthanc.upload(study)
    tmtv("run", "--from-pacs", orthanc.web, "--patient", "P1", "--to-pacs", orthanc.dicom, "--mask", mask,
         "--out", tmp_path / "results")  # fmt: skip
    log = tmp_path / "state" / "tmtv" / "audit.jsonl"
    found = events(log)
    assert [one["event"] for one in found] == ["asked", "fetched", "sent", "sent", "sent", "sent"]
    assert found[0]["archive"] == orthanc.web
    assert found[1]["count"] == 2 * SHAPE[0]
    assert {one["state"] for one in found[2:]} == {"stored"}
    assert {one["study_uid"] for one in found[1:]} == {uid("P1", "S1")}
    text = log.read_text()
    assert "Hidden" not in text
    assert '"P1"' not in text
