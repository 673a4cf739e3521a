"""Speed and memory of `tmtv review`: `python -m benchmarks.review [--quick]`.

A large case (PET 400x400x350, CT 512x512x350, 60 lesions) is served by a process of its own, as a user starts it, and
asked over HTTP: first image, state, every kind of edit, versions, memory. Then the list of 1,000 small cases.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.postprocess import phantom
from petct.image import Geometry, Image, write_image
from postprocess.case import Job, run_case
from postprocess.inputs import MapFile

PET, CT = ((350, 400, 400), (3.0, 2.04, 2.04)), ((350, 512, 512), (3.0, 1.6, 1.6))
LESIONS_ML = np.geomspace(0.5, 120, 60)
CASES = 1000
SERVE = """
import sys
from pathlib import Path
import tmtv_tf.review.server as server
from tmtv_tf.review.worklist import Folders
server.STATIC = Path(sys.argv[1])
server.serve(Folders(Path(sys.argv[1]) / "results", Path(sys.argv[1]) / "cases"), "reader", browser=False)
"""


class Server:
    """A server on the folders `results` and `cases` of a root."""

    def __init__(self, root: Path) -> None:
        (root / "app.js").touch()
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.process.stdout is not None
        address = re.search(r"http://\S+", self.process.stdout.readline())
        assert address is not None
        self.start_s = time.perf_counter() - start
        base, token = address[0].split("/?token=")
        self.http = httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=120)

    def memory_mb(self) -> float:
        """The highest resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    def cpu_s(self) -> float:
        """CPU seconds so far; on a busy machine they say more than the clock."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def timed(self, job: Callable[[], Any]) -> tuple[dict[str, float], Any]:
        """Seconds by the clock and of the server's CPU, and what the job gave."""
        start, cpu_s = time.perf_counter(), self.cpu_s()
        found = job()
        return {"s": round(time.perf_counter() - start, 3), "cpu_s": round(self.cpu_s() - cpu_s, 3)}, found

    def end(self) -> float:
        """Ctrl-C; seconds until it has saved and ended."""
        start = time.perf_counter()
        self.http.close()
        self.process.terminate()
        self.process.wait(120)
        return time.perf_counter() - start


def large_case(root: Path, scale: int) -> None:
    """Write and post-process it; `scale` divides every side."""
    shapes = [(tuple(n // scale for n in shape), tuple(s * scale for s in mm)) for shape, mm in (PET, CT)]
    (shape, spacing_mm), (ct_shape, ct_mm) = shapes
    probability, suv = phantom(shape, spacing_mm, LESIONS_ML)
    folder = root / "cases" / "large"
    write_image(folder / "probability.nii.gz", Image(probability, Geometry(shape, spacing_mm)))
    write_image(folder / "pet.nii.gz", Image(suv, Geometry(shape, spacing_mm)))
    noise = np.random.default_rng(0).normal(0, 20, ct_shape).astype(np.int16)
    write_image(folder / "ct.nii.gz", Image(noise, Geometry(ct_shape, ct_mm)))
    run_case(job(root, "large"))


def job(root: Path, case_id: str) -> Job:
    """The post-processing of one case."""
    folder = root / "cases" / case_id
    map_file = MapFile(folder / "probability.nii.gz")
    return Job(
        case_id=case_id, map_file=map_file, suv_path=folder / "pet.nii.gz", folder=root / "results" / case_id
    )


def measure_large(root: Path, repeats: int) -> dict[str, Any]:
    """Seconds of what a reader waits for."""
    server = Server(root)
    one = "/api/cases/large"
    found: dict[str, Any] = {"start_s": server.start_s}
    found["first_image"], pet = server.timed(lambda: server.http.get(f"{one}/pet"))
    found["pet_mb"] = len(pet.content) / 1e6
    found["state"], answer = server.timed(lambda: server.http.get(f"{one}?method=41"))
    state = answer.json()
    found["ct"], _ = server.timed(lambda: server.http.get(f"{one}/ct"))
    found["labels"], _ = server.timed(lambda: server.http.get(f"{one}/labels/41"))
    found["mip"] = [server.timed(lambda a=a: server.http.get(f"{one}/mip/{a}"))[0] for a in range(0, 360, 90)]
    clicks: dict[str, list[dict[str, float]]] = {}
    lesions = state["lesions"]
    width, height = state["mip"]["width"], state["mip"]["height"]
    half = [[0, 0], [width / 2, 0], [width / 2, height / 2], [0, height / 2]]
    for n in range(repeats):
        large, other, third = (lesions[(n + k) % len(lesions)] for k in (0, 3, 30))
        edits: list[dict[str, Any]] = [
            {"kind": "exclude_lesion", "label": large["label"]},
            {"kind": "undo"},
            {"kind": "redo"},
            {"kind": "restore_lesion", "label": large["label"]},
            {"kind": "split_lesion", "label": large["label"]},
            {"kind": "merge_lesions", "labels": [large["label"], other["label"]]},
            {"kind": "exclude_lesion", "label": large["label"]},
            {"kind": "add_point", "point_mm": large["hottest_mm"]},
            {"kind": "brush", "add": False, "radius_mm": 6.0, "points_mm": [third["hottest_mm"]]},
            {"kind": "brush", "add": True, "radius_mm": 6.0, "points_mm": [third["hottest_mm"]]},
            {"kind": "exclude_region", "angle": 30, "polygon": half},
            {"kind": "clear"},
        ]
        for edit in edits:
            body = {"revision": state["revision"], "method": "41", "edit": edit}
            if edit["kind"] == "add_point":  # the one edit that the page previews
                seconds, _ = server.timed(lambda body=body: server.http.post(f"{one}/preview", json=body))
                clicks.setdefault("preview", []).append(seconds)
            seconds, answer = server.timed(lambda body=body: server.http.post(f"{one}/edits", json=body))
            if answer.status_code == 200:
                clicks.setdefault(edit["kind"], []).append(seconds)
                state = answer.json()
            else:
                found.setdefault("refused", []).append([edit["kind"], answer.json().get("error")])
    found["click_ms"] = {
        kind: {
            f"{name} {key}": round(1000 * summary([one[key] for one in taken]))
            for key in ("s", "cpu_s")
            for name, summary in (("median", statistics.median), ("worst", max))
        }
        for kind, taken in clicks.items()
    }
    server.http.post(
        f"{one}/edits",
        json={"revision": state["revision"], "method": "41", "edit": {"kind": "exclude_lesion", "label": 1}},
    )
    found["sign"], _ = server.timed(
        lambda: server.http.post(f"{one}/sign", json={"revision": state["revision"] + 1})
    )
    found["memory_mb"] = round(server.memory_mb())
    found["end_s"] = server.end()
    return found


def measure_list(root: Path) -> dict[str, Any]:
    """Seconds of the work list of `CASES` cases, a tenth of them with edits."""
    probability, suv = phantom((32, 32, 32), (4.0, 4.0, 4.0), np.array([5.0, 9.0]))
    for name, array in (("probability", probability), ("pet", suv)):
        write_image(
            root / "cases" / "c0000" / f"{name}.nii.gz", Image(array, Geometry((32, 32, 32), (4.0,) * 3))
        )
    from dataclasses import replace

    from postprocess.requests import Request

    run_case(job(root, "c0000"))
    shutil.copytree(root / "results" / "c0000", root / "edited")
    run_case(replace(job(root, "c0000"), folder=root / "edited", request=Request(exclude=(("41", 1),))))
    for n in range(1, CASES):
        name = f"c{n:04d}"
        shutil.copytree(root / ("edited" if n % 10 == 0 else "results/c0000"), root / "results" / name)
    server = Server(root)
    first, answer = server.timed(lambda: server.http.get("/api/cases"))
    assert len(answer.json()["cases"]) == CASES
    again = [server.timed(lambda: server.http.get("/api/cases"))[0] for _ in range(3)]
    server.end()
    return {"start_s": server.start_s, "first": first, "again": again}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="sides a quarter as long, few repeats")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        large_case(root / "large", 4 if quick else 1)
        load = [round(v, 1) for v in os.getloadavg()]
        found = {"load": load, "large": measure_large(root / "large", 2 if quick else 8)}
        found["list"] = measure_list(root / "list")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
