"""What every exported object is built from: the PET's slices, the lesions as a list of voxels, repeatable UIDs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from export_files import pet_source

from petct.errors import DicomError, ParameterError
from petct.export.source import LabelVoxels, Provenance, SourceSeries, content_key, content_uid, source_images

PROVENANCE = Provenance("41", "network", "0.2.0")


def test_boxes_of_lesions_that_lie_in_each_other() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1:4, 1] = labels[3, 2, 5] = 7
    labels[2, 2, 2] = 3
    found = LabelVoxels.of(labels)
    assert found.numbers == [3, 7]
    assert found.slices() == slice(1, 4)
    assert found.boxes() == {
        3: (slice(2, 3), slice(2, 3), slice(2, 3)),
        7: (slice(1, 4), slice(1, 4), slice(1, 6)),
    }
    assert found.key == LabelVoxels.of(labels.astype(np.int32)).key
    labels[2, 2, 2] = 4
    assert found.key != LabelVoxels.of(labels).key


def test_no_lesion_has_no_number() -> None:
    assert LabelVoxels.of(np.zeros((2, 2, 2), np.uint8)).numbers == []


def test_a_uid_changes_with_each_part_and_with_nothing_else(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path)
    key = content_key(source, PROVENANCE, b"labels")
    assert content_uid(key, "SEG") == content_uid(content_key(source, PROVENANCE, b"labels"), "SEG")
    later = replace(PROVENANCE, created=PROVENANCE.created.replace(year=2000))
    assert content_key(source, later, b"labels") == key
    assert content_key(source, PROVENANCE, b"other") != key
    for other in ({"edited": True}, {"note": "x"}, {"method": "2.5"}, {"algorithm": "x"}, {"version": "1"}):
        assert content_key(source, replace(PROVENANCE, **other), b"labels") != key  # type: ignore[arg-type]


def test_headers_that_do_not_name_each_slice_are_refused(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path)
    with pytest.raises(DicomError, match="headers were given"):
        SourceSeries(source.headers[1:], source.geometry)
    with pytest.raises(DicomError, match="missing or not unique"):
        SourceSeries((source.headers[1], *source.headers[1:]), source.geometry)
    with pytest.raises(ParameterError, match="is not that of the PET series"):
        source.require_grid("labels", np.zeros((2, 2, 2), np.uint8), "iu")


def test_a_slice_without_thickness_has_the_distance_of_the_slices(tmp_path: Path) -> None:
    source, _ = pet_source(tmp_path)
    for header in source.headers:
        header.SliceThickness = None
    image = source_images(source)[0]
    assert float(image.SliceThickness) == pytest.approx(source.geometry.spacing_mm[0], rel=1e-5)
    assert not source.headers[0].SliceThickness  # the header itself stays
