"""The DICOM objects: valid, and every scanner's header gives back the SUV that was painted."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from phantom_cohort import CASES, SEED, scan_of

from petct.dicom.headers import find_series
from petct.dicom.selection import select_studies
from petct.dicom.volume import read_volume
from petct.rois.rtstruct import read_rtstruct
from petct.suv import read_suv
from tmtv_tf.phantom.dicom import Study
from tmtv_tf.phantom.scanners import scanner_of

numbers = pytest.mark.parametrize("number", range(1, CASES + 1), ids=lambda n: scanner_of(n).name)


@numbers
def test_read_back_equals_what_was_scanned(phantoms, number):
    scan = scan_of(number)
    series, skipped = find_series(phantoms / "dicom" / scan.patient.patient_id)
    assert not skipped
    (selection,) = select_studies(series)
    pet, factor = read_suv(selection.pet)
    assert pet.geometry.same_grid(scan.pet.geometry)
    # half a stored step of the slice, and what nine decimal digits in the header leave
    step = scan.pet.array.max(axis=(1, 2), keepdims=True) / 32767
    assert np.all(np.abs(pet.array - scan.pet.array) <= 0.51 * step + 2e-6 * scan.pet.array)
    assert not factor.warnings
    ct, warnings = read_volume(selection.ct)
    assert not warnings
    np.testing.assert_array_equal(ct.array, np.maximum(scan.ct.array, -1024))
    assert selection.ct.frame_of_reference_uid == selection.pet.frame_of_reference_uid


@numbers
def test_outlines_read_back_hold_the_lesions(phantoms, number):
    """Every ROI is found again, and together they hold nearly every voxel of the true lesions, generously."""
    scan = scan_of(number)
    path = phantoms / "dicom" / scan.patient.patient_id / "RTSTRUCT" / "rtstruct.dcm"
    frame = Study(SEED, scan.patient, scan.scanner).uid("frame of reference")
    rois, warnings = read_rtstruct(path, scan.pet.geometry, frame_of_reference_uid=frame)
    assert not warnings
    assert len(rois) == len(scan.outlines)
    inside = np.zeros(scan.labels.shape, bool)
    for roi in rois:
        inside[roi.slices] |= roi.mask
    lesion = scan.labels > 0
    assert (inside & lesion).sum() >= 0.97 * lesion.sum()
    assert inside.sum() >= 1.2 * lesion.sum()


@numbers
@pytest.mark.parametrize("part", ["PT", "CT", "RTSTRUCT"])
def test_dciodvfy_finds_no_error(phantoms, number, part):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    files = sorted((phantoms / "dicom" / f"PHANTOM-{number:04d}" / part).glob("*.dcm"))
    for path in {files[0], files[-1]}:
        report = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        errors = [line for line in (report.stdout + report.stderr).splitlines() if line.startswith("Error")]
        assert errors == []
        assert report.returncode == 0


def test_every_pet_slice_has_its_own_slope(phantoms):
    folder = phantoms / "dicom" / "PHANTOM-0001" / "PT"
    slopes = {str(pydicom.dcmread(p, stop_before_pixels=True).RescaleSlope) for p in folder.glob("*.dcm")}
    assert len(slopes) > 0.9 * len(list(folder.glob("*.dcm")))


def test_one_study_one_frame_of_reference_unique_instances(phantoms):
    uids = []
    for number in range(1, CASES + 1):
        frames, studies = set(), set()
        for path in (phantoms / "dicom" / f"PHANTOM-{number:04d}").rglob("*.dcm"):
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            frames.add(dataset.FrameOfReferenceUID)
            studies.add(dataset.StudyInstanceUID)
            uids.append(dataset.SOPInstanceUID)
        assert len(frames) == len(studies) == 1
    assert len(set(uids)) == len(uids)


def test_a_phantom_is_known_as_one_under_every_scanner(phantoms, tmp_path):
    """case.json says so, whatever the case is called; an old case.json is judged by its id and vendor."""
    from tmtv_tf.cases.case import is_phantom
    from tmtv_tf.cases.sources import made_by_phantom

    for number in range(1, CASES + 1):
        file = next((phantoms / "dicom" / f"PHANTOM-{number:04d}").rglob("*.dcm"))
        assert made_by_phantom(pydicom.dcmread(file, stop_before_pixels=True))
    assert not made_by_phantom(pydicom.Dataset())
    assert is_phantom({"phantom": True, "vendor": "SIEMENS"}, "3f2a")
    assert not is_phantom({"phantom": False, "vendor": "SIEMENS"}, "phantom_study_3")
    assert not is_phantom({"phantom": None, "vendor": None}, "3f2a")
    assert is_phantom({"vendor": "TMTV PHANTOM"}, "3f2a")
    assert is_phantom({}, "phantom_0001")
