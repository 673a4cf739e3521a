"""The test archive itself: without this, tests against it would prove nothing."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import export_files
import numpy as np
import pytest
from orthanc import Orthanc, data_set
from PIL import Image as Pillow
from study_files import SHAPE, write_pet_ct

from petct.export import Provenance, write_seg


def test_orthanc_is_alone_on_its_loopback_and_keeps_files(orthanc: Orthanc, tmp_path: Path) -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    study = write_pet_ct(tmp_path / "study")
    orthanc.upload(study)
    sent = sorted(data_set(path.read_bytes()) for path in study.rglob("*") if path.is_file())
    assert sorted(map(data_set, orthanc.files().values())) == sent
    assert len(orthanc.rest("/dicom-web/instances")) == len(sent) == 2 * SHAPE[0]
    orthanc.clear()
    assert orthanc.files() == {}


def test_orthanc_shows_every_voxel_of_a_seg(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame as Orthanc's own decoder gives it; it wants rows of whole bytes, so 32 columns."""
    monkeypatch.setattr(export_files, "SHAPE", (12, 20, 32))
    source, _ = export_files.pet_source(tmp_path / "pet")
    labels = export_files.lesions()
    seg = write_seg(tmp_path / "seg.dcm", labels, source, Provenance("41", "test network", "0.2.0"))
    orthanc.upload(tmp_path / "seg.dcm")
    (held,) = orthanc.rest("/instances")
    places = [header.ImagePositionPatient for header in source.headers]
    found = np.zeros_like(labels)
    for k, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        segment = seg.SegmentSequence[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1]
        picture = Pillow.open(io.BytesIO(orthanc.rest(f"/instances/{held}/frames/{k}/image-uint8")))
        inside = np.asarray(picture) > 0
        assert inside.any()
        z = places.index(frame.PlanePositionSequence[0].ImagePositionPatient)
        found[z][inside] = int(segment.SegmentLabel.removeprefix("Lesion "))
    np.testing.assert_array_equal(found, labels)
