"""What is kept of what arrives, and when a study is complete. Time is the tests' own."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from arriving import encoded, images
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from petct.errors import TmtvError
from tmtv_tf.pacs.incoming import (
    CHANGED,
    NOT_UNDERSTOOD,
    OTHER_PATIENT,
    OUT_OF_RESOURCES,
    SUCCESS,
    WRONG_CLASS,
    Incoming,
    Limits,
)
from tmtv_tf.pacs.queue import Queue

KEY = bytes(range(32))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Network:
    """Incoming objects without a network."""

    def __init__(self, folder: Path, **limits) -> None:
        self.folder, self.clock = folder, Clock()
        self.late: list[str] = []  # studies that were run, and more images came
        self.limits = Limits(**{"quiet_s": 5.0, "patience_s": 60.0, "min_free_bytes": 0, **limits})
        self.start()

    def start(self) -> None:
        """As a service does, also after a power loss."""
        self.queue = Queue(self.folder / "queue.sqlite")
        self.queue.recover()
        self.incoming = Incoming(
            self.folder / "received", self.queue, KEY, self.limits, self.clock, self.late.append
        )
        self.incoming.recover()

    def send(
        self, *objects: Dataset, association: str | None = None, end: str = "released", explicit=True
    ) -> list[int]:
        name = association or secrets.token_hex(4)
        self.incoming.begin(name)
        statuses = [self.one(ds, name, explicit=explicit) for ds in objects]
        if end:
            self.incoming.end(name, released=end == "released")
        return statuses

    def one(
        self, ds: Dataset, association: str, *, explicit: bool = True, class_uid: str = "", data=b""
    ) -> int:
        syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
        return self.incoming.store(
            data or encoded(ds, explicit), class_uid or ds.SOPClassUID, ds.SOPInstanceUID, syntax,
            association=association,
        ).status  # fmt: skip

    def after(self, seconds: float) -> list[str]:
        self.clock.now += seconds
        self.incoming.complete()
        return [row.state for row in self.queue.studies()]

    @property
    def files(self) -> int:
        return len(list((self.folder / "received").glob("*/*.dcm")))


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def test_a_whole_study_is_complete_after_the_quiet_time(network: Network) -> None:
    assert network.send(*images("PT"), *images("CT")) == [SUCCESS] * 6
    assert network.after(4.9) == ["receiving"]
    assert network.after(0.2) == ["waiting"]
    assert network.files == 6


@pytest.mark.parametrize("modality", ["PT", "CT"])
def test_without_a_ct_or_a_pet_it_waits_longer(network: Network, modality: str) -> None:
    network.send(*images(modality))
    assert network.after(59.0) == ["receiving"]
    assert network.after(2.0) == ["waiting"]


def test_an_open_association_holds_its_study(network: Network) -> None:
    network.send(*images("PT"), *images("CT"), association="a", end="")
    assert network.after(1000.0) == ["receiving"]
    network.incoming.end("a", released=True)
    assert network.after(1.0) == ["receiving"]
    assert network.after(5.0) == ["waiting"]


def test_the_announced_count_ends_the_waiting(network: Network) -> None:
    objects = [*images("PT"), *images("CT")]
    for ds in objects:
        ds.NumberOfStudyRelatedInstances = 6
    network.send(*objects[:4])
    assert network.after(6.0) == ["receiving"]  # four of six
    network.send(*objects[4:])
    assert network.after(0.0) == ["waiting"]


def test_a_count_that_is_announced_and_never_comes_does_not_wait_for_ever(network: Network) -> None:
    objects = [*images("PT"), *images("CT")]
    for ds, count in zip(objects, (6, 2**31 - 1, 1, 0, 6, 7), strict=True):
        ds.NumberOfStudyRelatedInstances = count
    network.send(*objects)
    assert network.after(59.0) == ["receiving"]
    assert network.after(2.0) == ["waiting"]


def test_a_pet_with_fewer_images_than_it_announces_is_refused(network: Network) -> None:
    objects = images("PT", 5)
    for ds in objects:
        ds.NumberOfSlices = 5
    network.send(*objects[:3], *images("CT"))
    assert network.after(6.0) == ["receiving"]
    assert network.after(60.0) == ["refused"]
    assert "The PET has 3 of the 5 images" in network.queue.studies()[0].reason
    network.send(*objects[3:])  # the rest comes late
    assert network.after(6.0) == ["waiting"]


def test_a_broken_connection_is_made_good_by_sending_again(network: Network) -> None:
    network.send(*images("CT"))
    network.send(*images("PT", 5)[:2], end="broken")
    assert network.after(6.0) == ["receiving"]
    network.send(*images("PT", 5))
    assert network.after(6.0) == ["waiting"]
    assert network.files == 8


def test_a_broken_connection_that_nobody_mends_is_refused(network: Network) -> None:
    network.send(*images("CT"))
    network.send(*images("PT", 5)[:2], end="broken")
    assert network.after(61.0) == ["refused"]
    reason = network.queue.studies()[0].reason
    assert "The connection broke while a series (PT) was sent: 2 images arrived." in reason
    network.send(*images("PT", 5)[:2])  # the same two: now they are all
    assert network.after(6.0) == ["waiting"]


def test_a_power_loss_cuts_what_was_being_sent(network: Network) -> None:
    network.send(*images("CT"), *images("PT", 5)[:2], association="a", end="")
    network.start()
    assert network.after(6.0) == ["receiving"]
    network.send(*images("PT", 5))
    network.send(*images("CT"))
    assert network.after(6.0) == ["waiting"]
    assert network.files == 8


def test_a_file_that_the_power_loss_left_torn_is_dropped(network: Network) -> None:
    network.send(*images("PT"), *images("CT"))
    torn = sorted((network.folder / "received").glob("*/*.dcm"))[2]
    torn.write_bytes(torn.read_bytes()[:200])
    network.start()
    assert network.files == 5
    assert network.send(*images("PT"), *images("CT")) == [SUCCESS] * 6
    assert network.files == 6


def test_a_study_that_is_done_is_not_run_again_for_duplicates(network: Network) -> None:
    network.send(*images("PT"), *images("CT"))
    network.after(6.0)
    case_id = network.queue.studies()[0].case_id
    network.queue.move(case_id, "waiting", "running")
    network.queue.move(case_id, "running", "done", ran=True)
    assert network.send(*images("PT"), *images("CT")) == [SUCCESS] * 6
    assert network.after(100.0) == ["done"]
    assert network.send(*images("PT"), explicit=False) == [SUCCESS] * 3  # the same values, written otherwise
    assert network.after(100.0) == ["done"]
    assert network.late == []
    network.send(*images("PT", 4), association="a", end="")  # one more slice
    assert network.late == [case_id]
    network.send(*images("PT", 5), association="a")  # told once
    assert network.late == [case_id]
    assert network.after(6.0) == ["waiting"]


def test_images_that_come_while_a_study_is_run_are_late(network: Network) -> None:
    """Also where the connection was there before, and had sent nothing new since the study was complete."""
    network.send(*images("PT"), *images("CT"))
    network.after(6.0)
    (case_id,) = [row.case_id for row in network.queue.studies()]
    network.send(*images("PT"), association="a", end="")
    network.queue.move(case_id, "waiting", "running", ran=True)
    assert network.late == []
    network.one(images("PT", 4)[3], "a")
    assert network.late == [case_id]
    assert not network.queue.move(case_id, "running", "done")


def test_changed_content_is_refused_while_a_result_may_depend_on_the_first(network: Network) -> None:
    objects = images("PT")
    network.send(*objects, *images("CT"))
    objects[1].PatientWeight = "80"
    assert network.send(objects[1]) == [CHANGED]
    assert network.after(6.0) == ["waiting"]
    assert network.files == 6
    assert network.send(objects[1]) == [CHANGED]


def test_changed_content_while_the_study_is_run(network: Network) -> None:
    """Neither the images nor the state of the study are touched; also by the one that has it half sent."""
    objects = images("PT")
    network.send(*objects, *images("CT"))
    network.after(6.0)
    (case_id,) = [row.case_id for row in network.queue.studies()]
    network.queue.move(case_id, "waiting", "running", ran=True)
    files = {path: path.read_bytes() for path in (network.folder / "received").glob("*/*.dcm")}
    objects[1].PatientWeight = "80"
    assert network.send(objects[0], objects[1], objects[2]) == [SUCCESS, CHANGED, SUCCESS]
    assert {path: path.read_bytes() for path in (network.folder / "received").glob("*/*.dcm")} == files
    assert network.late == []
    assert network.after(100.0) == ["running"]
    assert network.queue.move(case_id, "running", "done")


def test_a_disk_that_is_full_in_the_middle_of_the_queue(network: Network) -> None:
    """SQLite's own answer; what was refused leaves nothing, and comes when there is room."""
    network.send(*images("PT"), *images("CT"))
    db = network.queue._db
    db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
    statuses: dict[str, int] = {}
    for number in range(100):
        name = f"P{number}"
        statuses[name] = network.send(images("PT", 1, patient=name, study=name)[0], end="")[0]
        if statuses[name]:
            break
    assert statuses[name] == OUT_OF_RESOURCES
    held = {row.case_id for row in network.queue.studies()}
    assert {path.name for path in (network.folder / "received").iterdir()} <= held
    assert network.files == 6 + len(statuses) - 1
    db.execute("PRAGMA max_page_count=100000")
    assert network.send(images("PT", 1, patient=name, study=name)[0]) == [SUCCESS]
    assert network.files == 6 + len(statuses)


def test_a_queue_that_is_gone_takes_no_image_along(network: Network) -> None:
    network.send(*images("PT"), *images("CT"))
    network.queue.close()
    for path in network.folder.glob("queue.sqlite*"):
        path.unlink()
    with pytest.raises(TmtvError, match="it holds images, and the queue beside it is new"):
        network.start()
    assert network.files == 6
    (network.folder / "received").rename(network.folder / "away")
    network.start()


def test_a_refused_study_may_come_again_with_other_content(network: Network) -> None:
    objects = images("PT")
    network.send(*objects, *images("CT"))
    network.after(6.0)
    case_id = network.queue.studies()[0].case_id
    network.queue.move(case_id, "waiting", "running")
    network.queue.move(case_id, "running", "refused", reason="PatientWeight is missing.", ran=True)
    for ds in objects:
        ds.PatientWeight = "80"
    assert network.send(*objects) == [SUCCESS] * 3
    assert network.files == 6
    assert network.after(6.0) == ["waiting"]
    objects[0].PatientWeight = "90"
    assert network.send(objects[0]) == [CHANGED]


def test_a_replacement_that_the_power_loss_tore_leaves_the_first_content(network: Network) -> None:
    objects = images("PT")
    network.send(*objects)
    network.after(61.0)
    case_id = network.queue.studies()[0].case_id
    network.queue.move(case_id, "waiting", "refused", reason="x")
    network.queue.begin_series(case_id, objects[0].SeriesInstanceUID, "a")
    (first, *_) = sorted((network.folder / "received").glob("*/*.dcm"))
    name = first.name.split(".")
    first.with_name(f"{name[0]}.1.{'0' * 32}.dcm").write_bytes(b"torn")
    network.start()
    assert network.files == 3
    assert first.is_file()


def test_two_patients_with_one_study_uid_do_not_mix(network: Network) -> None:
    network.send(*images("PT"))
    other = images("PT")
    for ds in other:
        ds.PatientID = "P2"
    assert network.send(*other) == [OTHER_PATIENT] * 3
    assert network.files == 3
    assert network.after(61.0) == ["waiting"]


def test_what_cannot_be_read_gets_a_status_and_nothing_is_kept(network: Network) -> None:
    ds = images("PT", 1)[0]
    network.incoming.begin("a")
    assert network.one(ds, "a", data=b"no data set at all, but bytes") == NOT_UNDERSTOOD
    assert network.one(ds, "a", class_uid="1.2.840.10008.5.1.4.1.1.2") == WRONG_CLASS
    other = images("PT", 2)[1]
    assert network.one(ds, "a", data=encoded(other)) == NOT_UNDERSTOOD
    del ds.StudyInstanceUID
    assert network.one(ds, "a") == NOT_UNDERSTOOD
    assert network.files == 0
    assert network.queue.studies() == []


def test_a_full_store_says_so_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    network = Network(tmp_path, max_bytes=3000)
    statuses = network.send(*images("PT", 5))
    assert set(statuses) == {SUCCESS, OUT_OF_RESOURCES}
    kept = statuses.count(SUCCESS)
    assert network.files == kept
    network.incoming.limits = Limits(quiet_s=5.0, patience_s=60.0, min_free_bytes=0)
    assert network.send(*images("PT", 5)) == [SUCCESS] * 5


def test_a_disk_that_cannot_be_written_is_out_of_resources(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert network.send(*images("PT", 1)) == [OUT_OF_RESOURCES]
    monkeypatch.undo()
    assert network.files == 0
    assert network.send(*images("PT", 1)) == [SUCCESS]


def test_the_clock_does_not_matter(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turned back by a year between the images and the quiet time: only the monotonic clock counts."""
    import time

    network.send(*images("PT"), *images("CT"))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert network.after(6.0) == ["waiting"]
