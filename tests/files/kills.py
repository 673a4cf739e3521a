"""SIGKILL of `tmtv serve` in a chosen stage of a study, and what is wrong afterwards."""

from __future__ import annotations

import random
import time
from contextlib import nullcontext
from pathlib import Path

from orthanc import Orthanc, data_set
from serving import Serving, storescu, wait_until

from petct.files import locked

STAGES = ("receiving", "waiting", "running", "sending")
IMAGES = 32  # of `study_files.write_pet_ct`
# Up to so long after a stage was seen; the longest that a stage of so small a study lasts.
_MOMENT_S = {"receiving": 0.2, "waiting": 0.05, "running": 1.5, "sending": 0.05}
WAIT_S = 600.0


def kill_in(serving: Serving, stage: str, rng: random.Random, before: frozenset[str] = frozenset()) -> str:
    """Kill the service as soon as a new study is in this stage, and a random moment later.

    Nothing waits for long, so for that stage the results are locked, as by a reader who edits one.

    Parameters
    ----------
    before : case ids of the studies that were there

    Returns
    -------
    str
        The state in which it was seen last: `stage`, or "done" where this came too late.
    """
    end = time.monotonic() + WAIT_S
    with locked(serving.out, wait_s=WAIT_S) if stage == "waiting" else nullcontext():
        while time.monotonic() < end:
            state = next((one["state"] for one in serving.studies() if one["case_id"] not in before), "")
            if state in (stage, "done"):
                time.sleep(rng.uniform(0, _MOMENT_S[stage]))
                serving.kill()
                return state
    raise TimeoutError(f"never {stage}")


def goes_on(serving: Serving, source: Path, sent: bool) -> list[str]:
    """Start it again and wait until every study is done; what is wrong with the sender.

    sent : the sender was told that everything arrived; else it sends again, as senders do
    """
    serving.start()
    if not sent and storescu(serving.port, source).returncode:
        return ["the second sending failed"]
    wait_until(lambda: all(one["state"] == "done" for one in serving.studies()), WAIT_S, "done")
    return []


def wrong(serving: Serving, orthanc: Orthanc, before: frozenset[str] = frozenset()) -> list[str]:
    """What is lost, there twice, or not what it should be, once the new study is done; it alone is in the archive."""
    new = {one["case_id"] for one in serving.studies()} - before
    if len(new) != 1:
        return [f"{len(new)} new studies in the queue"]
    (case_id,) = new
    found = []
    results = {path.parent.name for path in serving.out.glob("*/source.json")}
    if results != before | new:
        found.append(f"results of {len(results)} studies for {len(before | new)}")
    mine = sorted(data_set(path.read_bytes()) for path in (serving.out / case_id).glob("*.dcm"))
    if not mine or sorted(map(data_set, orthanc.files().values())) != mine:
        found.append("the archive does not hold each object once, as it is here")
    images = len(list(serving.out.glob(f"serve/received/{case_id}/*.dcm")))
    if images != IMAGES:
        found.append(f"{images} images for {IMAGES}")
    return found
