"""Find, fetch and store against a real Orthanc, by DICOMweb, C-GET and C-MOVE alike; dcmtk as the other side."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from dicom_files import uid, write_series
from orthanc import Cutter, Orthanc, data_set, dcmtk, free_port, wait_for_port
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless
from study_files import SHAPE, write_pet_ct

from petct.errors import ArchiveError
from tmtv_tf.pacs.archive import Archive, StudyQuery, open_archive
from tmtv_tf.pacs.choose import choose
from tmtv_tf.pacs.credentials import Credentials

KINDS = ["dicomweb", "c-get", "c-move"]


def opened(orthanc: Orthanc, kind: str) -> Archive:
    if kind == "dicomweb":
        return open_archive(orthanc.web, credentials=Credentials())
    port = orthanc.receive_port if kind == "c-move" else None
    return open_archive(orthanc.dicom, credentials=Credentials(), receive_port=port)


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, orthanc: Orthanc) -> Archive:
    return opened(orthanc, request.param)


@pytest.fixture
def study(tmp_path: Path, orthanc: Orthanc) -> Path:
    """PET, CT, the PET without attenuation correction and a localizer, in Orthanc."""
    folder = write_pet_ct(tmp_path / "study")
    write_series(folder / "nac", series="9", edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    write_series(
        folder / "scout", "CT", 1, series="8", edit=lambda ds, k: setattr(ds, "ImageType", "LOCALIZER")
    )
    orthanc.upload(folder)
    return folder


def sets(*folders: Path) -> list[bytes]:
    return sorted(data_set(p.read_bytes()) for folder in folders for p in folder.rglob("*") if p.is_file())


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_studies_are_found_by_what_fits_exactly(archive: Archive, orthanc: Orthanc, tmp_path: Path) -> None:
    def dated(day: str):
        def edit(ds: pydicom.Dataset, k: int) -> None:
            ds.StudyDate, ds.AccessionNumber, ds.SpecificCharacterSet = day, f"A{day}", "ISO_IR 192"

        return edit

    for patient, day in (("P1", "20240131"), ("P10", "20240201"), ("Ä 1", "20240301"), ("A 1", "20240302"),
                         ("A/1&#", "20240303")):  # fmt: skip
        write_series(tmp_path / day, patient=patient, study=day, edit=dated(day))
    orthanc.upload(tmp_path)
    assert [s.patient_id for s in archive.find(StudyQuery(patient_id="P1"))] == ["P1"]
    assert [s.accession for s in archive.find(StudyQuery(accession="A20240201"))] == ["A20240201"]
    assert [s.date for s in archive.find(StudyQuery(dates=("20240131", "20240201")))] == [
        "20240131",
        "20240201",
    ]
    (found,) = archive.find(StudyQuery(study_uid=uid("P10", "20240201")))
    assert (found.patient_id, found.series[0].modality, found.series[0].images) == ("P10", "PT", 4)
    assert archive.find(StudyQuery(patient_id="P1", dates=("20240201", "20240201"))) == []
    assert archive.find(StudyQuery(patient_id="nobody")) == []
    for patient in ("Ä 1", "A 1", "A/1&#"):
        assert [s.patient_id for s in archive.find(StudyQuery(patient_id=patient))] == [patient]
    assert archive.find(StudyQuery(patient_id="p1")) == []


def test_only_what_is_needed_comes_and_byte_for_byte(archive: Archive, study: Path, tmp_path: Path) -> None:
    (found,) = archive.find(StudyQuery(patient_id="P1"))
    assert len(found.series) == 4
    choice = choose(archive, found)
    assert [one.modality for one in choice.series] == ["CT", "PT"]
    files = archive.fetch(found, choice.uids, tmp_path / "in")
    assert sorted(files) == sorted((tmp_path / "in").rglob("*.dcm"))
    assert sets(tmp_path / "in") == sets(study / "pet", study / "ct")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda one: one.name)
def test_compressed_objects_stay_as_the_sender_has_them(
    archive: Archive, orthanc: Orthanc, tmp_path: Path, syntax: pydicom.uid.UID
) -> None:
    for path in write_series(tmp_path / "pet", matrix=(64, 48)).iterdir():
        ds = pydicom.dcmread(path)
        ds.compress(syntax)
        ds.save_as(path)
    orthanc.upload(tmp_path / "pet")
    (found,) = archive.find(StudyQuery(patient_id="P1"))
    files = archive.fetch(found, [found.series[0].series_uid], tmp_path / "in")
    assert {pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in files} == {syntax}
    assert sets(tmp_path / "in") == sets(tmp_path / "pet")
    orthanc.clear()
    assert all(one.ok for one in archive.store(files))
    assert sorted(map(data_set, orthanc.files().values())) == sets(tmp_path / "pet")


def test_what_is_stored_is_there_byte_for_byte(archive: Archive, orthanc: Orthanc, tmp_path: Path) -> None:
    files = sorted(p for p in write_pet_ct(tmp_path / "study").rglob("*") if p.is_file())
    assert archive.has(files) == set()
    outcomes = archive.store(files)
    assert [(one.path, one.ok, one.reason) for one in outcomes] == [(path, True, "") for path in files]
    assert sorted(map(data_set, orthanc.files().values())) == sets(tmp_path / "study")
    assert archive.has(files) == {one.sop_instance_uid for one in outcomes}


def test_a_series_that_is_there_is_kept_and_a_changed_one_replaced(
    archive: Archive, orthanc: Orthanc, study: Path, tmp_path: Path
) -> None:
    (found,) = archive.find(StudyQuery(patient_id="P1"))
    series = [one.series_uid for one in found.series if one.images == SHAPE[0]]
    files = archive.fetch(found, series, tmp_path / "in")
    before = {path: path.stat().st_mtime_ns for path in files}
    again = archive.fetch(found, series, tmp_path / "in", keep=True)
    assert {path: path.stat().st_mtime_ns for path in again} == before
    files[0].unlink()
    assert sorted(archive.fetch(found, series, tmp_path / "in", keep=True)) == sorted(before)
    files[0].write_bytes(b"changed")
    archive.fetch(found, series, tmp_path / "in")
    assert sets(tmp_path / "in") == sets(study / "pet", study / "ct")


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_cut_after_half_a_series_leaves_nothing(
    kind: str, orthanc: Orthanc, study: Path, tmp_path: Path
) -> None:
    (found,) = opened(orthanc, kind).find(StudyQuery(patient_id="P1"))
    series = [one.series_uid for one in found.series if one.modality == "PT" and one.images == SHAPE[0]]
    half = SHAPE[0] * SHAPE[1] * SHAPE[2] * 2 // 2
    wire = Cutter(
        orthanc.http_port if kind == "dicomweb" else orthanc.dicom_port, None if kind == "c-move" else half
    )
    port = None
    if kind == "c-move":  # the archive's own connection to us is cut
        port = free_port()
        wire = Cutter(port, half, upwards=True)
        orthanc.rest("/modalities/tmtv", f'["TMTV", "127.0.0.1", {wire.port}]'.encode(), "PUT")
    address = {
        "dicomweb": f"http://localhost:{wire.port}/dicom-web",
        "c-get": f"dicom://ORTHANC@localhost:{wire.port}",
        "c-move": orthanc.dicom,
    }[kind]
    try:
        with pytest.raises(ArchiveError) as caught:
            open_archive(address, credentials=Credentials(), receive_port=port).fetch(
                found, series, tmp_path / "in"
            )
    finally:
        wire.close()
        orthanc.rest("/modalities/tmtv", f'["TMTV", "127.0.0.1", {orthanc.receive_port}]'.encode(), "PUT")
    assert caught.value.retry, one_sentence(caught.value)
    assert [p for p in (tmp_path / "in").rglob("*") if p.is_file()] == []
    assert list((tmp_path / "in").glob(".*")) == []
    assert len(opened(orthanc, kind).fetch(found, series, tmp_path / "in")) == SHAPE[0]


def test_two_patients_with_one_study_uid_are_refused(
    archive: Archive, orthanc: Orthanc, tmp_path: Path
) -> None:
    write_series(tmp_path / "a", patient="P1", study="same")

    def other(ds: pydicom.Dataset, k: int) -> None:
        ds.StudyInstanceUID = uid("P1", "same")

    write_series(tmp_path / "b", patient="P2", study="same", edit=other)
    orthanc.upload(tmp_path)
    for query in (StudyQuery(study_uid=uid("P1", "same")), StudyQuery(patient_id="P2")):
        with pytest.raises(ArchiveError, match="two patients") as caught:
            archive.find(query)
        assert not {"P1", "P2"} & set(one_sentence(caught.value).split())


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_gone(kind: str, orthanc: Orthanc, tmp_path: Path) -> None:
    files = sorted(write_series(tmp_path / "pet").iterdir())
    archive = opened(orthanc, kind)
    orthanc.stop(kill=True)
    try:
        with pytest.raises(ArchiveError, match="Connection refused") as caught:
            archive.find(StudyQuery(patient_id="P1"))
        assert caught.value.retry, one_sentence(caught.value)
        if kind == "dicomweb":
            assert all(not one.ok and one.retry for one in archive.store(files))
        else:
            with pytest.raises(ArchiveError, match="cannot be reached"):
                archive.store(files)
    finally:
        orthanc.start()
    assert all(one.ok for one in archive.store(files))


@pytest.mark.parametrize("kind", ["dicomweb", "c-get"])
def test_a_connection_cut_while_storing(kind: str, orthanc: Orthanc, tmp_path: Path) -> None:
    """What was not confirmed is not ok, may be sent again, and is then there once."""
    files = sorted(p for p in write_pet_ct(tmp_path / "study", ct=False).rglob("*") if p.is_file())
    wire = Cutter(orthanc.http_port if kind == "dicomweb" else orthanc.dicom_port, 20_000, upwards=True)
    web, dicom = f"http://localhost:{wire.port}/dicom-web", f"dicom://ORTHANC@localhost:{wire.port}"
    outcomes = open_archive(web if kind == "dicomweb" else dicom, credentials=Credentials()).store(files)
    wire.close()
    bad = [one for one in outcomes if not one.ok]
    assert bad
    assert [one.reason for one in bad if not (one.retry and one.reason.endswith("."))] == []
    archive = opened(orthanc, kind)
    there = archive.has(files)
    assert there >= {one.sop_instance_uid for one in outcomes if one.ok}
    assert all(one.ok for one in archive.store([p for p in files if p in {one.path for one in bad}]))
    assert len(orthanc.files()) == len(files)


# ------------------------------------------------------------------------------------------------ dcmtk


@pytest.fixture
def storescp(network: None, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """dcmtk's receiver: it stores, and answers no query."""
    port, folder = free_port(), tmp_path / "received"
    folder.mkdir()
    process = subprocess.Popen([dcmtk("storescp"), "-od", folder, "+B", "+xa", "-aet", "STORE", str(port)])
    wait_for_port(port, process)
    yield port, folder
    process.terminate()
    process.wait()


def test_storescp_gets_the_bytes_of_the_files(storescp: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = storescp
    files = sorted(p for p in write_pet_ct(tmp_path / "study").rglob("*") if p.is_file())
    archive = open_archive(f"dicom://STORE@localhost:{port}", credentials=Credentials())
    assert all(one.ok for one in archive.store(files))
    assert sets(folder) == sets(tmp_path / "study")
    with pytest.raises(ArchiveError, match="does not offer") as caught:
        archive.find(StudyQuery(patient_id="P1"))
    assert not caught.value.retry, one_sentence(caught.value)


@pytest.fixture
def dcmqrscp(network: None, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """dcmtk's little archive with a phantom study: its port, and the port to which it sends what TMTV moves."""
    port, ours = free_port(), free_port()
    (tmp_path / "db").mkdir()
    (tmp_path / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\n"
        f"tmtv = (TMTV, localhost, {ours})\nHostTable END\nVendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
        f"QR {tmp_path / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    process = subprocess.Popen([dcmtk("dcmqrscp"), "-c", tmp_path / "dcmqrscp.cfg"])
    wait_for_port(port, process)
    time.sleep(0.2)
    yield port, ours
    process.terminate()
    process.wait()


@pytest.mark.parametrize("move", [False, True], ids=["c-get", "c-move"])
def test_dcmtk_as_the_archive(dcmqrscp: tuple[int, int], tmp_path: Path, move: bool) -> None:
    port, ours = dcmqrscp
    study = write_pet_ct(tmp_path / "study")
    archive = open_archive(
        f"dicom://QR@localhost:{port}", credentials=Credentials(), receive_port=ours if move else None
    )
    files = sorted(p for p in study.rglob("*") if p.is_file())
    assert all(one.ok for one in archive.store(files))
    assert len(archive.has(files)) == len(files)
    (found,) = archive.find(StudyQuery(patient_id="P1"))
    choice = choose(archive, found)
    assert [one.modality for one in choice.series] == ["CT", "PT"]
    archive.fetch(found, choice.uids, tmp_path / "in")
    assert sorted(pydicom.dcmread(p).PixelData for p in (tmp_path / "in").rglob("*.dcm")) == sorted(
        pydicom.dcmread(p).PixelData for p in files
    )
