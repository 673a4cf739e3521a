"""The test archive itself: without this, tests against it would prove nothing."""

from __future__ import annotations

import socket
from pathlib import Path

from orthanc import Orthanc, data_set
from study_files import SHAPE, write_pet_ct


def test_orthanc_is_alone_on_its_loopback_and_keeps_files(orthanc: Orthanc, tmp_path: Path) -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    study = write_pet_ct(tmp_path / "study")
    orthanc.upload(study)
    sent = sorted(data_set(path.read_bytes()) for path in study.rglob("*") if path.is_file())
    assert sorted(map(data_set, orthanc.files().values())) == sent
    assert len(orthanc.rest("/dicom-web/instances")) == len(sent) == 2 * SHAPE[0]
    orthanc.clear()
    assert orthanc.files() == {}
