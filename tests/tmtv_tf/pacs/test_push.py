"""`tmtv push` to a real Orthanc."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from archive_calls import NONE, of_files, stored, tmtv
from dicom_files import uid
from orthanc import Orthanc, dcmtk
from study_files import SHAPE, write_pet_ct
from typer.testing import CliRunner

import tmtv_tf
from petct.errors import ArchiveError, CaseError, TmtvError
from postprocess.cli import app as postprocess
from tmtv_tf.pacs.archive import open_archive
from tmtv_tf.pacs.push import PushReport, push

pytestmark = pytest.mark.usefixtures("own_home")


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
