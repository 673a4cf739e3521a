"""What a run may do to the service that started it. Importable by the worker process."""

from __future__ import annotations

import os
import signal
import time

from petct.files import write_json
from tmtv_tf.pacs.arrived import Ended, Job


def die_on_the_first(job: Job) -> Ended:
    """The first study kills its process; the others are done."""
    if job.case_id == (job.out / "first").read_text():
        os.kill(os.getpid(), signal.SIGKILL)
    return Ended()


def hang_on_the_first(job: Job) -> Ended:
    if job.case_id == (job.out / "first").read_text():
        time.sleep(3600)
    return Ended()


def disk_full_twice(job: Job) -> Ended:
    """The disk has room again at the third try."""
    tries = job.out / "tries"
    count = int(tries.read_text()) if tries.exists() else 0
    tries.write_text(str(count + 1))
    return Ended("The disk is full.", retry=True) if count < 2 else Ended()


def wait_for_a_word(job: Job) -> Ended:
    """Ends, with a result, once it is told to."""
    while not (job.out / "word").exists():
        time.sleep(0.01)
    write_json(job.out / job.case_id / "tmtv.json", {"methods": {}, "inputs": {}})
    return Ended()
