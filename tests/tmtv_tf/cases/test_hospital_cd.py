"""A disc as a hospital burns it: DICOMDIR, coded file names, several patients, a viewer and other things beside.

Truth: the files that were put on it, read here slice by slice with pydicom alone.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from dicom_files import uid, write_series
from prepare_files import call, table
from pydicom.fileset import FileSet
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage

from petct.image import read_image
from tmtv_tf.cases.case import METHODS, Case, find_cases, load_case

PHANTOMS = 2  # one with Siemens headers, one with GE's private block


class Disc(NamedTuple):
    root: Path  # read by `tmtv prepare`
    sources: dict[str, Path]  # PET SeriesInstanceUID -> folder its slices came from
    cases: dict[str, Case]  # the same key
    prepared: list[dict[str, str]]  # prepare.csv
    left_out: list[dict[str, str]]
    printed: str


def left_out(path: Path, path_list: Path, root: Path) -> list[dict[str, str]]:
    """The rows of left_out.csv with paths, as the list on request gives them, in place of numbers."""
    paths = {row["number"]: row["path"] for row in table(path_list) if row["where"] == path.name}
    return [
        {**row, "name": os.path.relpath(paths[row["name"]], root) if row["name"] in paths else row["name"]}
        for row in table(path)
    ]


def images_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in ("", ".dcm"))


def pet_uid(folder: Path) -> str:
    """The series of the PET under a folder of one examination."""
    headers = (pydicom.dcmread(path, stop_before_pixels=True) for path in images_of(folder))
    return next(h.SeriesInstanceUID for h in headers if h.Modality == "PT")


def without_attenuation(ds: pydicom.Dataset, k: int) -> None:
    ds.CorrectedImage = ["DECY", "SCAT"]


def stored_as(sop_class: str, modality: str):
    def edit(ds: pydicom.Dataset, k: int) -> None:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
        ds.Modality = modality

    return edit


def write_others(folder: Path) -> None:
    """Series that are no case: NAC alone, CT alone, MR, a secondary capture."""
    write_series(folder / "nac", patient="NAC1", edit=without_attenuation)
    write_series(folder / "ct", "CT", patient="CT1")
    write_series(folder / "mr", patient="MR1", edit=stored_as(MRImageStorage, "MR"))
    write_series(folder / "sc", n=1, patient="SC1", edit=stored_as(SecondaryCaptureImageStorage, "OT"))


def burn(root: Path, examinations: list[Path]) -> None:
    """Write the file-set: root/DICOMDIR and root/PT000000/ST000000/SE000000/IM000000."""
    disc = FileSet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # STS has a StudyID of more than 16 characters
        for folder in examinations:
            for path in images_of(folder):
                ds = pydicom.dcmread(path)
                for keyword, value in (("StudyID", "1"), ("StudyTime", "100000"), ("StudyDate", "20240131")):
                    if not ds.get(keyword):  # type 1 in a directory record
                        setattr(ds, keyword, value)
                if "InstanceNumber" not in ds:
                    ds.InstanceNumber = 1
                disc.add(ds)
        disc.write(root)


def add_junk(root: Path) -> None:
    (root / "AUTORUN.INF").write_text("[autorun]\nopen=VIEWER.EXE\n")
    (root / "VIEWER.EXE").write_bytes(b"MZ" + bytes(400))
    (root / "REPORT.PDF").write_bytes(b"%PDF-1.4 of somebody")
    (root / "HELP").mkdir()
    (root / "HELP" / "INDEX.HTM").write_text("<html></html>")
    (root / "HELP" / "LOGO.JPG").write_bytes(b"\xff\xd8\xff\xe0" + bytes(300))
    (root / "EMPTY").touch()


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Disc:
    tmp = tmp_path_factory.mktemp("disc")
    call("phantom", tmp / "phantom", "--cases", PHANTOMS, "--seed", 5, "--voxel-mm", 8)
    write_others(tmp / "others")
    good = sorted((tmp / "phantom" / "dicom").iterdir())
    good += [shared_data / "suv_dro" / "DRO_1_0", shared_data / "sts" / "STS_010"]
    burn(tmp / "cd", [*good, tmp / "others"])
    add_junk(tmp / "cd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp / "config"))
        # 1: the study whose only PET is not attenuation-corrected is a failed case.
        paths = ["--path-list", tmp / "paths.csv"]
        call("prepare", tmp / "cd", "--out", tmp / "cases", "--no-model-grid", *paths, status=1)
    cases = [load_case(folder) for folder in find_cases(tmp / "cases")]
    outputs = [path for path in (tmp / "cases").rglob("*") if path.suffix in (".csv", ".json")]
    return Disc(
        tmp / "cd",
        {pet_uid(folder): folder for folder in good},
        {case.info["pet_series_uid"]: case for case in cases},
        table(tmp / "cases" / "prepare.csv"),
        left_out(tmp / "cases" / "left_out.csv", tmp / "paths.csv", tmp / "cd"),
        "".join(path.read_text() for path in outputs),
    )


def stacked(folder: Path, series_uid: str) -> np.ndarray:
    """Stored values times the slope of each slice, feet to head as on disk (all these series are axial)."""
    slices = [pydicom.dcmread(path) for path in images_of(folder)]
    slices = [ds for ds in slices if ds.SeriesInstanceUID == series_uid]
    slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return np.stack([ds.pixel_array * float(ds.RescaleSlope) for ds in slices])


def test_it_is_a_disc(disc: Disc) -> None:
    assert (disc.root / "DICOMDIR").is_file()
    assert len(FileSet(disc.root / "DICOMDIR").find_values("PatientID")) == PHANTOMS + 2 + 4


def test_exactly_the_right_cases_come_out(disc: Disc) -> None:
    assert set(disc.cases) == set(disc.sources)
    failed = [row["reason"] for row in disc.prepared if row["status"] == "failed"]
    assert len(failed) == 1
    assert "CorrectedImage (0028,0051) has no ATTN" in failed[0]


def test_values_are_those_of_the_files(disc: Disc) -> None:
    for series_uid, case in disc.cases.items():
        expected = stacked(disc.sources[series_uid], series_uid) * case.info["suv"]["factor"]
        assert np.allclose(read_image(case.pet).array, expected, rtol=1e-6, atol=1e-9)


def test_each_case_has_its_own_ct_and_outlines(disc: Disc) -> None:
    for series_uid, folder in disc.sources.items():
        case = disc.cases[series_uid]
        assert (case.ct is not None) == (folder.name != "DRO_1_0")
        assert set(case.references) == set(METHODS)


def test_reference_object(disc: Disc) -> None:
    """Its manual: SUV 4.00 in the hot sphere, 1.00 in the background, to two decimals."""
    (series_uid,) = (key for key, folder in disc.sources.items() if folder.name == "DRO_1_0")
    suv = read_image(disc.cases[series_uid].pet).array
    assert suv.max() == pytest.approx(4.0, abs=0.006)
    assert np.median(suv[suv > 0.1]) == pytest.approx(1.0, abs=0.006)


def test_what_was_left_out_is_listed_with_its_reason(disc: Disc) -> None:
    reasons = {row["name"]: row["reason"] for row in disc.left_out}
    assert all(reasons.values())
    for name in ("AUTORUN.INF", "VIEWER.EXE", "REPORT.PDF", "HELP/INDEX.HTM", "HELP/LOGO.JPG"):
        assert "not a DICOM file" in reasons[name]
    assert "empty" in reasons["EMPTY"]
    assert "DICOMDIR" in reasons
    assert "ATTN" in reasons[uid("NAC1", "S1", "1")]
    assert "no PET" in reasons[uid("CT1", "S1", "1")]
    assert "MR: its study has no PET" in reasons[uid("MR1", "S1", "1")]
    assert "OT: its study has no PET" in reasons[uid("SC1", "S1", "1")]
    # STS holds two RTSTRUCT, one drawn on the PET and one on the CT.
    (roi_file,) = (row for row in disc.left_out if row["kind"] == "roi file")
    assert "drawn on another series" in roi_file["reason"]
    assert len(disc.left_out) == 7 + 4 + 1


def test_no_patient_is_named(disc: Disc) -> None:
    for planted in ("PHANTOM-000", "Hidden", "STS_010", "PETDRO", "OncoRay"):
        assert planted not in disc.printed
