from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import highdicom.sr
import pytest
from export_files import dciodvfy_errors, lesions, pet_source
from pydicom import dcmread

from petct.export import Provenance, write_pdf, write_seg, write_sr

PROVENANCE = Provenance("41", "test network", "0.2.0")
PATIENT = {"tmtv_ml": 12.345678, "tlg": 40.5, "suv_max": 9.5, "suv_peak": 8.25, "lesion_count": 2,
           "dmax_mm": 33.5, "dmax_voxel_mm": 40.25, "dmax_bulk_mm": None}  # fmt: skip


EMPTY = {"tmtv_ml": 0.0, "tlg": 0.0, "lesion_count": 0, "suv_max": None, "suv_peak": None, "dmax_mm": None,
         "dmax_voxel_mm": None, "dmax_bulk_mm": None}  # fmt: skip


@dataclass(frozen=True)
class Row:
    label: int
    volume_ml: float = 2.5
    suv_max: float = 9.5
    suv_mean: float = 5.125
    suv_peak: float = 8.25
    tlg: float = 12.8125


def measurements(group) -> dict[tuple[str, str], tuple[float, str]]:  # noqa: ANN001
    found = {}
    for m in group.get_measurements():
        derivation = next((i.ConceptCodeSequence[0].CodeMeaning for i in m[0].get("ContentSequence", [])
                           if i.ConceptNameCodeSequence[0].CodeMeaning == "Derivation"), "")  # fmt: skip
        found[m.name.meaning, derivation] = (m.value, m.unit.value)
    return found


def test_every_number_is_found_at_its_segment(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    labels[labels > 2] = 0
    seg = write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    write_sr(tmp_path / "sr.dcm", [Row(1), Row(2, volume_ml=7.25)], PATIENT, source, PROVENANCE, seg)
    report = highdicom.sr.srread(tmp_path / "sr.dcm").content
    groups = report.get_volumetric_roi_measurement_groups()
    assert [g.tracking_identifier for g in groups] == ["Lesion 1", "Lesion 2"]
    for number, group in enumerate(groups, start=1):
        (segment,) = group.referenced_segment[0].ReferencedSOPSequence
        assert segment.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert segment.ReferencedSegmentNumber == number
        assert group.tracking_uid == seg.SegmentSequence[number - 1].TrackingUID
    assert measurements(groups[1]) == {
        ("Metabolic Volume", ""): (7.25, "ml"),
        ("SUVbw", "Maximum"): (9.5, "{SUVbw}g/ml"),
        ("SUVbw", "Peak Value Within ROI"): (8.25, "{SUVbw}g/ml"),
        ("SUVbw", "Mean"): (5.125, "{SUVbw}g/ml"),
        ("Total Lesion Glycolysis", ""): (12.8125, "g"),
    }
    (patient,) = report.get_image_measurement_groups()
    assert measurements(patient) == {
        ("Metabolic Volume", "Total"): (12.3457, "ml"),
        ("Total Lesion Glycolysis", "Total"): (40.5, "g"),
        ("Number of lesions", ""): (2.0, "{lesions}"),
        ("SUVbw", "Maximum"): (9.5, "{SUVbw}g/ml"),
        ("SUVbw", "Peak Value Within ROI"): (8.25, "{SUVbw}g/ml"),
        ("Largest distance between lesion centroids", ""): (33.5, "mm"),
        ("Largest distance between lesion voxels", ""): (40.25, "mm"),
    }


def test_no_lesion_is_a_report_of_zero(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    write_sr(tmp_path / "sr.dcm", [], EMPTY, source, PROVENANCE, None)
    report = highdicom.sr.srread(tmp_path / "sr.dcm").content
    assert report.get_volumetric_roi_measurement_groups() == []
    (patient,) = report.get_image_measurement_groups()
    assert {name: value for (name, _), (value, _) in measurements(patient).items()} == {
        "Metabolic Volume": 0.0, "Total Lesion Glycolysis": 0.0, "Number of lesions": 0.0}  # fmt: skip


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed (make test-tools)")
def test_dciodvfy_has_no_error(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    seg = write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    write_sr(tmp_path / "sr.dcm", [Row(n) for n in (1, 2, 4, 5)], PATIENT, source, PROVENANCE, seg)
    write_sr(tmp_path / "empty.dcm", [], EMPTY, source, PROVENANCE, None)
    write_pdf(tmp_path / "pdf.dcm", b"%PDF-1.4\n%%EOF", source, PROVENANCE)
    for name in ("sr.dcm", "empty.dcm", "pdf.dcm"):
        assert dciodvfy_errors(tmp_path / name) == []


def test_the_same_numbers_give_the_same_uid(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    uids = [
        write_sr(tmp_path / f"{n}.dcm", [], patient, source, PROVENANCE, None).SOPInstanceUID
        for n, patient in enumerate((EMPTY, EMPTY, {**EMPTY, "suv_max": 1.0}))
    ]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_a_report_names_the_one_that_it_replaces(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    first = write_sr(tmp_path / "first.dcm", [], EMPTY, source, PROVENANCE, None)
    second = write_sr(tmp_path / "second.dcm", [], EMPTY, source, PROVENANCE, None, replaces=first)
    (study,) = dcmread(tmp_path / "second.dcm").PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == first.StudyInstanceUID
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert dciodvfy_errors(tmp_path / "second.dcm") == []
