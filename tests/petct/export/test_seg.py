from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from export_files import dciodvfy_errors, lesions, oblique, orientations, pet_source
from pydicom import dcmread

from petct.errors import ParameterError
from petct.export import Provenance, SourceSeries, write_seg
from petct.export.seg import write_probability_seg
from petct.export.source import source_images
from petct.rois.files import RoiTarget, read_rois

PROVENANCE = Provenance("41", "test network", "0.2.0")
DCMQI = Path(sys.executable).with_name("segimage2itkimage")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("orientation", [*orientations(), oblique()])
def test_every_orientation_comes_back_in_place(
    tmp_path: Path, orientation: tuple[float, ...], descending: bool
) -> None:
    source, image = pet_source(tmp_path / "pet", orientation, descending=descending)
    labels = lesions()
    write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    target = RoiTarget(image, source.first.SeriesInstanceUID, source.first.FrameOfReferenceUID)
    rois, warnings = read_rois(tmp_path / "seg.dcm", target)
    assert warnings == []
    for roi, label in zip(rois, (1, 2, 4, 5), strict=True):
        mask = np.zeros(labels.shape, bool)
        mask[roi.slices] = roi.mask
        assert np.array_equal(mask, labels == label)


@pytest.mark.skipif(not DCMQI.exists(), reason="dcmqi is not installed (pip install dcmqi)")
@pytest.mark.parametrize("orientation", [*orientations()[::5], oblique()])
def test_dcmqi_finds_the_same_places(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    source, _ = pet_source(tmp_path / "pet", orientation)
    labels = lesions()
    write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    (tmp_path / "out").mkdir()
    command = [
        DCMQI,
        "--inputDICOM",
        tmp_path / "seg.dcm",
        "--outputDirectory",
        tmp_path / "out",
        "-t",
        "nrrd",
    ]
    subprocess.run(command, check=True, capture_output=True)
    places = {}
    for path in (tmp_path / "out").glob("*.nrrd"):
        found = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(found)
        for value in np.unique(array[array > 0]):
            points = [
                found.TransformIndexToPhysicalPoint([int(v) for v in p[::-1]])
                for p in np.argwhere(array == value)
            ]
            places[int(value)] = sorted(map(tuple, np.round(points, 2)))
    for segment, label in enumerate((1, 2, 4, 5), start=1):
        wanted = source.geometry.to_world(np.argwhere(labels == label))
        assert np.allclose(places[segment], sorted(map(tuple, np.round(wanted, 2))), atol=0.02)


def test_highdicom_reads_each_lesion_and_its_sources(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    pixels = seg.get_pixels_by_source_instance(
        [h.SOPInstanceUID for h in source.headers],
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    for segment, label in enumerate((1, 2, 4, 5)):
        assert np.array_equal(pixels[..., segment].astype(bool), labels == label)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        assert len(frame.DerivationImageSequence[0].SourceImageSequence) == 1
    descriptions = [seg.get_segment_description(n) for n in (1, 2, 3, 4)]
    assert [d.segment_label for d in descriptions] == ["Lesion 1", "Lesion 2", "Lesion 4", "Lesion 5"]
    assert len({d.tracking_uid for d in descriptions}) == 4
    assert descriptions[0].algorithm_identification.name == "test network"


@pytest.mark.parametrize("descending", [False, True])
def test_the_frames_are_those_that_highdicom_packs(tmp_path: Path, descending: bool) -> None:
    """From the whole slices. They are of 21 x 27 pixels: a frame ends within a byte."""
    source, _ = pet_source(tmp_path / "pet", descending=descending)
    labels = np.pad(lesions(), ((0, 0), (0, 1), (0, 1)))
    for header in source.headers:
        header.Rows, header.Columns = labels.shape[1:]
    source = SourceSeries(source.headers, replace(source.geometry, shape=labels.shape))
    found = write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE)
    wanted = highdicom.seg.Segmentation(
        source_images=source_images(source),
        pixel_array=np.array([0, 1, 2, 0, 3, 4], np.uint8)[labels],
        segmentation_type="BINARY",
        segment_descriptions=[
            highdicom.seg.SegmentDescription.from_dataset(d) for d in found.SegmentSequence
        ],
        series_instance_uid="1.2.3",
        series_number=1,
        sop_instance_uid="1.2.4",
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="x",
        device_serial_number="0",
    )
    bits = int(wanted.NumberOfFrames) * labels[0].size
    assert found.NumberOfFrames == wanted.NumberOfFrames
    assert len(found.PixelData) == len(wanted.PixelData)
    assert found.PixelData[: bits // 8] == wanted.PixelData[: bits // 8]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed (make test-tools)")
def test_dciodvfy_has_no_error(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    write_seg(tmp_path / "seg.dcm", lesions(), source, PROVENANCE)
    write_probability_seg(tmp_path / "p.dcm", (lesions() > 0) * 0.7, source, PROVENANCE)
    assert dciodvfy_errors(tmp_path / "seg.dcm") == []
    assert dciodvfy_errors(tmp_path / "p.dcm") == []


def test_a_label_map_holds_the_same_lesions(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    write_seg(tmp_path / "seg.dcm", labels, source, PROVENANCE, kind="LABELMAP")
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    pixels = seg.get_pixels_by_source_instance(
        [h.SOPInstanceUID for h in source.headers],
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
        combine_segments=True,
    )
    assert np.array_equal(pixels, np.array([0, 1, 2, 0, 3, 4])[labels])


def test_a_probability_keeps_its_steps(tmp_path: Path) -> None:
    source, image = pet_source(tmp_path / "pet")
    probability = np.random.default_rng(1).random(image.array.shape)
    write_probability_seg(tmp_path / "p.dcm", probability, source, PROVENANCE)
    seg = highdicom.seg.segread(tmp_path / "p.dcm")
    pixels = seg.get_pixels_by_source_instance(
        [h.SOPInstanceUID for h in source.headers], ignore_spatial_locations=True
    )
    assert np.abs(pixels[..., 0] - probability).max() <= 0.5 / 255 + 1e-6


def test_uids_repeat_and_differ_with_content(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path / "pet")
    labels = lesions()
    first = write_seg(tmp_path / "a.dcm", labels, source, PROVENANCE)
    again = write_seg(tmp_path / "b.dcm", labels, source, PROVENANCE)
    reviewed = Provenance("41", "test network", "0.2.0", edited=True)
    other = write_seg(tmp_path / "c.dcm", labels, source, reviewed)
    assert first.SOPInstanceUID == again.SOPInstanceUID
    assert first.SeriesInstanceUID == again.SeriesInstanceUID
    assert (
        len({first.SOPInstanceUID, first.SeriesInstanceUID, other.SOPInstanceUID, other.SeriesInstanceUID})
        == 4
    )
    assert "reviewed" in dcmread(tmp_path / "c.dcm").SeriesDescription
    assert all(u.is_valid for u in (first.SOPInstanceUID, first.SeriesInstanceUID))
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1, 0.0])
def test_bad_probabilities_are_refused(tmp_path: Path, value: float) -> None:
    source, image = pet_source(tmp_path / "pet")
    with pytest.raises(ParameterError, match="probability"):
        write_probability_seg(tmp_path / "p.dcm", np.full(image.array.shape, value), source, PROVENANCE)


def test_no_lesion_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    source, image = pet_source(tmp_path / "pet")
    with pytest.raises(ParameterError, match="no lesion"):
        write_seg(tmp_path / "seg.dcm", np.zeros(image.array.shape, int), source, PROVENANCE)
    assert [p.name for p in tmp_path.iterdir()] == ["pet"], json.dumps("half-written files")
