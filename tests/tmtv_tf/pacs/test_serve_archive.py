"""`tmtv serve` with a real Orthanc as its archive: everything stored, once, also when the archive was away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from kills import STAGES, goes_on, kill_in, wrong
from orthanc import Orthanc, data_set, own_network, running_orthanc
from pydicom import dcmread
from serving import Serving, require_dcmtk, storescu, threshold_openvino, wait_until
from study_files import write_pet_ct

pytestmark = pytest.mark.slow
STORED = {"SEG", "RTSTRUCT", "SR", "DOC"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_dcmtk()
    return threshold_openvino(tmp_path_factory.mktemp("model"))


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    with own_network(), running_orthanc(tmp_path / "orthanc") as one:
        yield one


@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_any_stage_nothing_is_lost_and_nothing_twice(
    orthanc: Orthanc, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Once each; `python -m benchmarks.pacs kills` does it twenty times each, at other moments."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(model.parent / "cache"))
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(tmp_path / "out", ("--model", model, "--to-pacs", orthanc.web)).start()
    try:
        with ThreadPoolExecutor(1) as sender:
            sent = sender.submit(storescu, serving.port, study)
            kill_in(serving, stage, random.Random(stage))
        assert goes_on(serving, study, sent=sent.result().returncode == 0) == []
        assert wrong(serving, orthanc) == []
    finally:
        serving.kill()


def test_results_are_stored_once_beside_the_study_also_after_the_archive_was_away(
    orthanc: Orthanc, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(model.parent / "cache"))
    study = write_pet_ct(tmp_path / "dicom")
    serving = Serving(tmp_path / "out", ("--model", model, "--to-pacs", orthanc.dicom)).start()
    try:
        orthanc.stop()
        assert storescu(serving.port, study).returncode == 0
        serving.wait_for(sending=1)
        wait_until(lambda: serving.studies()[0]["failed_tries"] > 0, what="a failed try")
        assert serving.studies()[0]["reason"]
        serving.kill()  # while it waits for the archive
        orthanc.start()
        serving.start()
        serving.wait_for(done=1)
        stored = {uid: dcmread(BytesIO(file)) for uid, file in orthanc.files().items()}
        assert {ds.Modality for ds in stored.values()} == STORED
        source = dcmread(next((study / "pet").iterdir()), stop_before_pixels=True)
        for ds in stored.values():
            assert (ds.StudyInstanceUID, ds.PatientID) == (source.StudyInstanceUID, source.PatientID)
        mine = {path.name: path.read_bytes() for path in serving.out.glob("*/*.dcm")}
        assert {data_set(file) for file in orthanc.files().values()} == set(map(data_set, mine.values()))
        sent = [event for event in serving.audit() if event["event"] == "sent"]
        assert len([event for event in sent if event["state"] == "stored"]) == len(STORED)
    finally:
        serving.kill()
