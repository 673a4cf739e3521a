"""A result that is signed, edited again, signed again: each version in the archive says what it replaces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from export_files import dciodvfy_errors
from orthanc import Orthanc
from pydicom import Dataset, dcmread

from petct.errors import CaseError
from tmtv_tf.pacs.archive import open_archive
from tmtv_tf.pacs.credentials import Credentials
from tmtv_tf.pacs.push import push
from tmtv_tf.review.cases import Review
from tmtv_tf.review.export import export_case
from tmtv_tf.review.session import Session
from tmtv_tf.review.worklist import Folders

OBJECTS = {"seg.dcm", "rtstruct.dcm", "sr.dcm"}


class Reader:
    """Who edits, signs, and sends to the archive."""

    def __init__(self, orthanc: Orthanc, result: Path, study: Path) -> None:
        self.orthanc, self.result = orthanc, result
        self.review = Review(Folders(result.parent, None, study), "anna")
        self.archive = open_archive(orthanc.web, credentials=Credentials())

    @property
    def session(self) -> Session:
        session = self.review.session(self.result.name)
        assert session is not None
        return session

    def edit(self, **edit: object) -> None:
        self.session.edit(len(self.session.log.entries), "41", edit)

    def sign(self) -> None:
        self.session.sign(len(self.session.log.entries))

    def push(self) -> dict[str, Dataset]:
        """The objects that were sent, by the name of their file."""
        report = push(self.result, self.archive)
        assert report.failed == []
        return {one.path.name: dcmread(one.path) for one in report.sent}

    def predecessor(self, report: Dataset) -> str:
        (before,) = report.PredecessorDocumentsSequence
        assert before.StudyInstanceUID == report.StudyInstanceUID
        ((instance,),) = (series.ReferencedSOPSequence for series in before.ReferencedSeriesSequence)
        return str(instance.ReferencedSOPInstanceUID)


@pytest.fixture
def reader(orthanc: Orthanc, result: Path, study: Path) -> Reader:
    orthanc.upload(study)
    return Reader(orthanc, result, study)


def test_each_version_names_the_one_before_and_has_series_of_its_own(reader: Reader, tmp_path: Path) -> None:
    automatic = reader.push()
    reader.edit(kind="exclude_lesion", label=1)
    reader.sign()
    first = reader.push()
    reader.edit(kind="undo")
    reader.edit(kind="exclude_lesion", label=2)
    reader.sign()
    second = reader.push()
    assert set(first) == set(second) == OBJECTS
    assert reader.predecessor(first["sr.dcm"]) == automatic["sr.dcm"].SOPInstanceUID
    assert reader.predecessor(second["sr.dcm"]) == first["sr.dcm"].SOPInstanceUID
    for name in OBJECTS:
        versions = [automatic[name], first[name], second[name]]
        for keyword in ("SeriesInstanceUID", "SeriesDescription", "SeriesNumber"):
            assert len({str(ds[keyword].value) for ds in versions}) == 3, (name, keyword)
        assert "reviewed" not in versions[0].SeriesDescription
        assert f"reviewed (version {first_number(reader)})" in versions[1].SeriesDescription
    stored = reader.orthanc.files()
    assert {ds.SOPInstanceUID for sent in (automatic, first, second) for ds in sent.values()} <= set(stored)
    if shutil.which("dciodvfy"):
        for ds in second.values():
            (tmp_path / "back.dcm").write_bytes(stored[ds.SOPInstanceUID])
            assert dciodvfy_errors(tmp_path / "back.dcm") == []
    assert reader.push() == {}


def first_number(reader: Reader) -> int:
    """Of the first version that was sent: the folder that has an SR."""
    return min(int(path.parent.name) for path in reader.result.glob("review/*/sr.dcm"))


def test_the_page_exports_the_same_version_with_its_report(reader: Reader) -> None:
    for label in (1, 2):
        reader.edit(kind="exclude_lesion", label=label)
        reader.sign()
        export_case(reader.session, reader.review.tree, "41")
    one, two = sorted(reader.result.glob("review/*/report.dcm"))
    assert dcmread(one).SeriesDescription != dcmread(two).SeriesDescription
    assert dcmread(two.with_name("sr.dcm")).SeriesDescription == dcmread(two).SeriesDescription
    assert (
        reader.predecessor(dcmread(two.with_name("sr.dcm")))
        == dcmread(one.with_name("sr.dcm")).SOPInstanceUID
    )


def test_edits_that_were_sent_and_then_taken_back_are_replaced_by_a_signature(reader: Reader) -> None:
    reader.push()
    reader.edit(kind="exclude_lesion", label=1)
    reader.sign()
    first = reader.push()
    reader.edit(kind="undo")
    assert not reader.session.log.in_force
    with pytest.raises(CaseError, match="Sign the result"):
        push(reader.result, reader.archive)
    reader.sign()
    second = reader.push()
    assert set(second) == OBJECTS
    assert reader.predecessor(second["sr.dcm"]) == first["sr.dcm"].SOPInstanceUID
    assert len(second["seg.dcm"].SegmentSequence) == len(first["seg.dcm"].SegmentSequence) + 1
    assert {one.SegmentAlgorithmType for one in second["seg.dcm"].SegmentSequence} == {"AUTOMATIC"}


def test_a_result_that_is_signed_as_it_is_needs_no_new_series(reader: Reader) -> None:
    reader.push()
    reader.sign()
    assert reader.push() == {}
