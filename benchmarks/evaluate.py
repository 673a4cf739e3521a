"""`tmtv evaluate` on a large cohort: seconds, memory, size of the page, and how soon a browser has it.

    python -m benchmarks.evaluate --counts 100 400        cases at 4 mm, two workers
    python -m benchmarks.evaluate --page 2000             the page alone

A few phantoms with results of a simulated network (the reader's TMTVprob, blurred, with one place too many) stand
under many case ids. Speed, not quality. Seconds are wall time and, beside them, those that all processes computed: on
a machine with other work, half of the latter is what two free cores take.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from benchmarks.run import POSTPROCESS, TMTV, command
from petct.files import read_json, write_json
from petct.image import Image, read_image, write_image
from tmtv_tf.cases.cohort import read_cohort, write_cohort
from tmtv_tf.evaluation.cohort import Evaluation, evaluate_cohort, report_tables
from tmtv_tf.evaluation.report import write_report

PHANTOMS = 12
WORKERS = 2
COPIED = ("case.json", "tmtv.json")  # hold the case id; everything else is linked


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[100, 400])
    parser.add_argument("--page", type=int, default=0, help="write the page of so many cases, and open it")
    parser.add_argument("--few", type=Path, help="keep the phantoms and their results here, for another run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evaluate_bench_") as name:
        root = Path(name)
        few = options.few or root / "few"
        os.environ["XDG_CONFIG_HOME"] = str(root / "config")
        if not (few / "results").is_dir():
            make_results(few)
        if options.page:
            page(few, root / "many", options.page)
            return
        for count in options.counts:
            many(few, root / f"{count}", count)
            evaluate(root / f"{count}")
            shutil.rmtree(root / f"{count}")


def make_results(root: Path) -> None:
    """Phantoms of 4 mm, prepared, and results of a simulated network, in `root/cases`, `probability`, `results`."""
    command([*TMTV, "phantom", root / "phantom", "--cases", PHANTOMS, "--voxel-mm", 4, "--workers", WORKERS])
    command(
        [*TMTV, "prepare", root / "phantom" / "dicom", "--out", root / "cases", "--no-model-grid"]
        + ["--clinical", root / "phantom" / "cohort.csv", "--workers", WORKERS]
    )
    for folder in sorted(path.parent for path in (root / "cases").glob("*/pet.nii.gz")):
        truth = read_image(folder / "tmtvprob.nii.gz")
        probability = ndimage.gaussian_filter(truth.array.astype(np.float32), 1.0)
        place = tuple(n // 2 for n in probability.shape)
        probability[tuple(slice(n - 3, n + 3) for n in place)] = 0.9
        write_image(
            root / "probability" / folder.name / "probability.nii.gz", Image(probability, truth.geometry)
        )
    command(
        [*POSTPROCESS, "--probability", root / "probability", "--suv", root / "cases"]
        + ["--out", root / "results", "--workers", WORKERS]
    )


def many(few: Path, root: Path, count: int) -> None:
    """The few cases under `count` ids: links, but for the files that hold the id."""
    rows = {row["case_id"]: row for row in read_cohort(few / "cases")}
    known, cohort = sorted(rows), []
    for i in range(count):
        old, new = known[i % len(known)], f"case{i:05d}"
        for part in ("cases", "probability", "results"):
            for path in (few / part / old).rglob("*"):
                target = root / part / new / path.relative_to(few / part / old)
                if path.is_dir():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.name in COPIED:
                    write_json(target, read_json(path) | {"case_id": new})
                else:
                    link(path, target)
        split = "train" if i % 10 == 0 else "test"
        cohort.append({**rows[old], "case_id": new, "patient_key": f"{i:016x}", "split": split})
    write_cohort(root / "cases", cohort)


def link(path: Path, target: Path) -> None:
    """A hard link, or a copy to another file system."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def evaluate(root: Path) -> None:
    """Print wall and computed seconds, and the most memory of all processes together, of one evaluation."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work = [*TMTV, "evaluate", root / "results", "--cases", root / "cases", "--out", root / "report"]
    process = subprocess.Popen(
        [str(part) for part in [*work, "--workers", WORKERS]], stdout=subprocess.DEVNULL, cwd=root
    )
    peak = Peak(process.pid)
    if process.wait():
        sys.exit("tmtv evaluate failed.")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    page_mb = (root / "report" / "index.html").stat().st_size / 1e6
    pictures_mb = sum(path.stat().st_size for path in (root / "report").rglob("*.png")) / 1e6
    count = len(list((root / "results").iterdir()))
    print(
        f"{count} cases: {seconds:.0f} s with {WORKERS} workers, {computed:.0f} s computed, at most {peak.mb():.0f} MB "
        f"in all processes; page {page_mb:.1f} MB, pictures {pictures_mb:.1f} MB beside it",
        flush=True,
    )


class Peak(threading.Thread):
    """The most memory (proportional set size) that a process and its children held together, looked at each second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.highest = pid, 0
        self.start()

    def run(self) -> None:
        while Path(f"/proc/{self.pid}").exists():
            self.highest = max(self.highest, sum(map(_kilobytes, _family(self.pid))))
            time.sleep(1.0)

    def mb(self) -> float:
        return self.highest / 1000


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def page(few: Path, root: Path, count: int) -> None:
    """Size of the page of `count` cases, and milliseconds until a browser has it ready and fully loaded.

    The few phantoms are measured once, and written down under `count` ids.
    """
    from playwright.sync_api import sync_playwright

    evaluation, _ = evaluate_cohort(few / "results", few / "cases", out=root)
    start = time.perf_counter()
    path = write_report(multiplied(evaluation, root / "mips", count), root)
    seconds = time.perf_counter() - start
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri(), wait_until="load")
        times = tab.evaluate(
            "(() => { const t = performance.getEntriesByType('navigation')[0];"
            " return [t.domContentLoadedEventEnd, t.loadEventEnd]; })()"
        )
        browser.close()
    pictures = sum("/mips/" in url for url in asked)
    print(
        f"{count} cases: written in {seconds:.0f} s, page {path.stat().st_size / 1e6:.1f} MB; a browser has it ready "
        f"after {times[0]:.0f} ms and loaded after {times[1]:.0f} ms, {pictures} of its pictures asked for"
    )


def multiplied(evaluation: Evaluation, pictures: Path, count: int) -> Evaluation:
    """The same cases under `count` ids, their pictures linked."""
    found, cases, methods = [], [], []
    for i in range(count):
        case = evaluation.found[i % len(evaluation.found)]
        new = {"case_id": f"case{i:05d}"}
        found.append(replace(case, **new))
        cases.append(evaluation.cases[evaluation.cases["case_id"] == case.case_id].assign(**new))
        methods.append(evaluation.methods[evaluation.methods["case_id"] == case.case_id].assign(**new))
        link(pictures / f"{case.case_id}.png", pictures / f"{new['case_id']}.png")
    tables = {"cases": pd.concat(cases), "methods": pd.concat(methods)}
    many = replace(
        evaluation, split=None, found=found, tables={}, readers=evaluation.readers.iloc[:0], **tables
    )
    many.tables.update(report_tables(many))
    return many


if __name__ == "__main__":
    main()
