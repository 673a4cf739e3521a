"""Export from the page: what SEG, RTSTRUCT, SR and report say is what the page shows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from study_files import write_pet_ct

import tmtv_tf
from petct.errors import TmtvError
from petct.exam import read_exam
from petct.image import Image, read_image, write_image
from petct.rois import RoiTarget, read_rois
from tmtv_tf.pacs.push import result_objects
from tmtv_tf.review.cases import Review
from tmtv_tf.review.export import export_case
from tmtv_tf.review.session import Session
from tmtv_tf.review.shown import state_of
from tmtv_tf.review.worklist import Folders


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    """A DICOM folder, and the folder of results of `tmtv run` with a mask of two lesions."""
    dicom = write_pet_ct(tmp_path / "dicom")
    exam = read_exam(dicom)
    labels = np.where(exam.pet.array > 6, 1, np.where(exam.pet.array > 4, 2, 0)).astype(np.uint8)
    write_image(tmp_path / "mask.nii.gz", Image(labels, exam.pet.geometry))
    tmtv_tf.run(dicom, out=tmp_path / "results", mask=tmp_path / "mask.nii.gz", key_file=tmp_path / "key")
    return dicom, tmp_path / "results"


def opened(results: Path, series: Path | None) -> tuple[Review, Session]:
    review = Review(Folders(results, None, series), "anna")
    session = review.session(review.case_ids[0])
    assert session is not None
    return review, session


def other_patient(folder: Path) -> Path:
    """The same voxels, of another patient, study and series."""
    write_pet_ct(folder, patient="P2", study="S2")
    for path in folder.rglob("*"):
        if path.is_file():
            ds = dcmread(path)
            ds.SeriesInstanceUID = ds.SeriesInstanceUID[:-2] + ".9"
            ds.save_as(path)
    return folder


def ask(session: Session, **edit: Any) -> None:
    session.edit(len(session.log.entries), "41", edit)


def test_the_objects_hold_what_the_page_shows(study: tuple[Path, Path]) -> None:
    dicom, results = study
    review, session = opened(results, dicom)
    state = state_of(session)
    assert len(state["lesions"]) == 2
    ask(session, kind="exclude_lesion", label=2)
    session.sign(1)
    made = export_case(session, review.tree, "41")
    objects = ["seg.dcm", "rtstruct.dcm", "sr.dcm"]
    assert made["files"] == [*objects, "report.html", "report.pdf", "report.dcm"]
    version = session.case.folder / "review" / "1"
    assert sorted(result_objects(session.case.folder, ["seg", "sr", "pdf"], None)) == [
        version / name for name in ("report.dcm", "seg.dcm", "sr.dcm")
    ]
    report = dcmread(version / "report.dcm")
    assert report.EncapsulatedDocument.rstrip(b"\0") == (version / "report.pdf").read_bytes().rstrip(b"\0")
    assert "reviewed" in report.SeriesDescription
    shown = state_of(session)["totals"]["41"]["final"]["tmtv_ml"]
    assert made["tmtv_ml"] == pytest.approx(shown)
    expected = read_image(version / "lesions_41.nii.gz").array > 0
    exam = read_exam(dicom)
    for name in ("seg.dcm", "rtstruct.dcm"):
        series = exam.pet_series
        target = RoiTarget(exam.pet, series.series_uid, series.frame_of_reference_uid)
        [roi] = read_rois(version / name, target)[0]
        found = np.zeros(exam.pet.geometry.shape, bool)
        found[roi.slices] = roi.mask
        np.testing.assert_array_equal(found, expected)
    assert "reviewed" in dcmread(version / "seg.dcm").SeriesDescription
    page = (version / "report.html").read_text()
    assert "reviewed by a reader" in page
    assert f"{shown:,.1f}" in page
    assert "by anna" in page
    assert str(results) not in page


def test_a_second_export_replaces_the_first_and_another_version_has_its_own(study: tuple[Path, Path]) -> None:
    dicom, results = study
    review, session = opened(results, dicom)
    ask(session, kind="exclude_lesion", label=2)
    export_case(session, review.tree, "41")
    export_case(session, review.tree, "2.5")
    folder = session.case.folder / "review"
    assert "TMTV 2.5" in dcmread(folder / "1" / "seg.dcm").SeriesDescription
    ask(session, kind="exclude_lesion", label=1)
    made = export_case(session, review.tree, "41")
    assert made["tmtv_ml"] == 0
    assert not (folder / "2" / "seg.dcm").exists()  # no lesion: the SR says 0
    assert (folder / "2" / "sr.dcm").is_file()
    assert (folder / "1" / "seg.dcm").is_file()


def test_the_right_series_of_a_tree_is_taken(study: tuple[Path, Path], tmp_path: Path) -> None:
    dicom, results = study
    tree = tmp_path / "tree"
    shutil.copytree(dicom, tree / "mine")
    other_patient(tree / "other")
    review, session = opened(results, tree)
    ask(session, kind="exclude_lesion", label=2)
    assert export_case(session, review.tree, "41")["files"]
    own = dcmread(session.case.folder / "review" / "1" / "sr.dcm").StudyInstanceUID
    assert own == read_exam(tree / "mine").headers[0].StudyInstanceUID


def test_another_patients_dicom_is_refused_by_its_series(study: tuple[Path, Path], tmp_path: Path) -> None:
    _, results = study
    review, session = opened(results, other_patient(tmp_path / "other"))
    ask(session, kind="exclude_lesion", label=2)
    with pytest.raises(TmtvError, match="PET series of this case is not there"):
        export_case(session, review.tree, "41")
    assert not list((session.case.folder / "review" / "1").glob("*.dcm"))


def test_a_run_again_keeps_the_reader_s_version(study: tuple[Path, Path], tmp_path: Path) -> None:
    """`tmtv run` finds the page's version and changes no lesion of it."""
    dicom, results = study
    review, session = opened(results, dicom)
    ask(session, kind="exclude_lesion", label=2)
    session.sign(1)
    review.shutdown()
    version = session.case.folder / "review" / "1"
    before = {path.name: path.read_bytes() for path in version.iterdir()}
    again = tmtv_tf.run(dicom, out=results, mask=tmp_path / "mask.nii.gz", key_file=tmp_path / "key")
    [ran] = again.studies.values()
    assert ran.status == "kept"
    assert ran.edits == 1
    assert {path.name: path.read_bytes() for path in version.iterdir()} == before
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    assert json.loads(before["review.json"])["signed"] is True
    assert replace(session.case, folder=version).folder == version
