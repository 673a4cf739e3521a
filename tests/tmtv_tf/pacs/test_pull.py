"""`tmtv pull` from a real Orthanc."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
from archive_calls import of_files, tmtv
from dicom_files import uid, write_series
from orthanc import Cutter, Orthanc, running_orthanc
from study_files import SHAPE, write_pet_ct

import petct

pytestmark = pytest.mark.usefixtures("own_home")


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
