"""Images that come after their study was run: the number that was made without them must not pass for the whole's."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import stand_in_runs
from arriving import encoded, images
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from serving import Serving, require_dcmtk, storescu, threshold_openvino, wait_until
from study_files import write_pet_ct

from petct.errors import TmtvError
from petct.files import write_json
from postprocess.cohort import write_table
from postprocess.results import LATE, LATE_FILE, SOURCE_FILE, read_result, refuse_late
from tmtv_tf.pacs import serve
from tmtv_tf.pacs.incoming import Limits
from tmtv_tf.pacs.options import ServeOptions
from tmtv_tf.pacs.push import result_objects
from tmtv_tf.pacs.serve import Service
from tmtv_tf.pipeline.export import export
from tmtv_tf.review.cases import Review
from tmtv_tf.review.shown import state_of
from tmtv_tf.review.worklist import Folders


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(serve, "run_arrived", stand_in_runs.wait_for_a_word)
    limits = Limits(0.05, 0.1, min_free_bytes=0)
    one = Service(
        ServeOptions(tmp_path / "out", port=0, page_port=None, key_file=tmp_path / "key", limits=limits)
    )
    yield one
    one.close()


def arrive(service: Service, count: int) -> None:
    """So many slices of a PET, and its CT."""
    service.incoming.begin(str(count))
    for ds in [*images("PT", count), *images("CT")]:
        answer = service.incoming.store(
            encoded(ds), ds.SOPClassUID, ds.SOPInstanceUID, ExplicitVRLittleEndian, association=str(count)
        )
        assert answer.status == 0
    service.incoming.end(str(count), released=True)


def state(service: Service) -> str:
    service._step()
    return service.queue.studies()[0].state


def test_while_a_study_is_run(service: Service) -> None:
    """The run ends well, of the images that it had; the mark stays until the run that has them all."""
    arrive(service, 3)
    wait_until(lambda: state(service) == "running", 60)
    folder = service.out / service.queue.studies()[0].case_id
    arrive(service, 4)
    assert state(service) in ("receiving", "waiting")  # on a slow computer it is complete by now
    (service.out / "word").write_text("go")
    wait_until(lambda: (folder / "tmtv.json").is_file(), 120)
    wait_until(lambda: state(service) == "running", 60)  # again
    assert (folder / LATE_FILE).exists()
    wait_until(lambda: state(service) == "done", 60)
    assert not (folder / LATE_FILE).exists()


@pytest.mark.parametrize("made", ["here", "here by a link", "by hand"])
def test_after_the_images_of_a_result_were_removed(service: Service, made: str, tmp_path: Path) -> None:
    """`source.json` says that the result was made here. One that `tmtv run` made of other files is none of ours."""
    (service.out / "word").write_text("go")
    arrive(service, 3)
    wait_until(lambda: state(service) == "done", 120)
    case_id = service.queue.studies()[0].case_id
    received, folder = service.incoming.folder / case_id, service.out / case_id
    (tmp_path / "link").symlink_to(service.incoming.folder)
    sources = {"here": received, "here by a link": tmp_path / "link" / case_id, "by hand": "/data/export"}
    write_json(folder / SOURCE_FILE, {"dicom_folder": str(sources[made])})
    object.__setattr__(service.options, "keep_days", -1.0)
    service._remove_old()
    assert service.queue.studies() == []
    assert not received.exists()
    assert not (folder / LATE_FILE).exists()
    arrive(service, 1)
    assert (folder / LATE_FILE).exists() == (made != "by hand")


def test_a_mark_that_is_made_while_the_table_is_written(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the next table; it was forgotten if no result came after it."""
    measures = dict.fromkeys(("tmtv_ml", "tlg", "suv_max", "suv_peak", "lesion_count"), 1) | {"dmax_mm": 0.0}
    write_json(service.out / "case" / "tmtv.json", {"methods": {"41": measures}, "inputs": {}})
    written: list[bool] = []

    def meanwhile(out: Path) -> list[str]:
        said = write_table(out)
        if not written:
            service._mark_late("case")
        written.append(True)
        return said

    monkeypatch.setattr(serve, "write_table", meanwhile)
    service._changes += 1
    for _ in range(3):
        service._write_table()
    (row,) = csv.DictReader((service.out / "tmtv.csv").open())
    assert row["outdated"] == LATE
    assert len(written) == 2


@pytest.mark.slow
def test_after_a_reader_has_edited_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused; seen in each place; the sentence's own command mends it and keeps the edits."""
    require_dcmtk()
    model = threshold_openvino(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = write_pet_ct(tmp_path / "dicom")
    for path in study.glob("*/*"):
        ds = dcmread(path)
        ds.NumberOfStudyRelatedInstances = 32
        ds.save_as(path)
    late = sorted((study / "pet").iterdir(), key=lambda path: dcmread(path).ImagePositionPatient[2])[12:]
    (tmp_path / "late").mkdir()
    for path in late:
        path.rename(tmp_path / "late" / path.name)
    serving = Serving(tmp_path / "out", ("--model", model)).start()
    try:
        storescu(serving.port, study)
        serving.wait_for(done=1)
        case_id = serving.studies()[0]["case_id"]
        folder = serving.out / case_id
        review = Review(Folders(serving.out, None, study), "anna")
        session = review.session(case_id)
        assert session is not None
        session.edit(0, "41", {"kind": "exclude_lesion", "label": 1})
        session.sign(1)
        half = read_result(folder)
        assert half is not None
        assert any(
            "announced 32 images of this study (0020,1208), and 28 came" in text for text in half["warnings"]
        )
        storescu(serving.port, tmp_path / "late")
        serving.wait_for(refused=1)
        reason = serving.studies()[0]["reason"]
        serving.terminate()

        (row,) = csv.DictReader((serving.out / "tmtv.csv").open())
        assert row["outdated"] == LATE
        assert review.as_json()["cases"][0]["reason"] == LATE
        assert LATE in state_of(session)["warnings"]
        for hand_on in (
            lambda: result_objects(folder, None, None),
            lambda: export(folder, study, tmp_path / "objects"),
        ):
            with pytest.raises(TmtvError, match="more images"):
                hand_on()
        assert read_result(folder) == half

        commands = [
            shlex.split(text.replace("OUT", str(serving.out))) for text in re.findall("`(.+?)`", reason)
        ]
        by_hand = [*commands[0], "--model", str(model), "--key-file", str(tmp_path / "key")]
        for command in (by_hand, commands[1]):
            assert command[0] == "tmtv"
            subprocess.run([sys.executable, "-m", "tmtv_tf.cli", *command[1:]], check=True)
        whole = read_result(folder)
        assert whole is not None
        assert not any("announced" in text for text in whole["warnings"])
        assert whole["methods"]["41"]["tmtv_ml"] > half["methods"]["41"]["tmtv_ml"]
        serving.start()
        serving.wait_for(done=1)
        serving.terminate()
        (row,) = csv.DictReader((serving.out / "tmtv.csv").open())
        assert "outdated" not in row
        assert 0 < float(row["tmtv_final_ml_41"]) < float(row["tmtv_ml_41"])  # the edit is in it
        refuse_late(folder)
    finally:
        serving.kill()
