"""How fast `tmtv serve` receives, what it adds to a run, and whether many studies or kills make it lose anything.

    python -m benchmarks.pacs receive --slices 800 --senders 4 --out FOLDER
    python -m benchmarks.pacs study   --out FOLDER                       # 700 slices, beside `tmtv run` of them
    python -m benchmarks.pacs many    --studies 50 --senders 4 --out FOLDER
    python -m benchmarks.pacs kills   --kills 20 --out FOLDER

dcmtk's `storescu` sends; `study` and `kills` store in a real Orthanc, which gets a network of its own (root, or
`unshare -rn`), because it listens on every address. Exit status 1 if anything is lost, run twice, or wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "files"))

from dicom_files import add_pet_header, slice_dataset  # noqa: E402
from kills import STAGES, goes_on, kill_in, wrong  # noqa: E402
from orthanc import own_network, running_orthanc  # noqa: E402
from serving import DCMTK, Serving, threshold_openvino  # noqa: E402
from study_files import write_pet_ct  # noqa: E402


def main() -> int:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("XDG_CACHE_HOME", str(options.out / "cache"))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    return {"receive": receive, "study": study, "many": many, "kills": kills}[options.what](options)


def write_slices(folder: Path, modality: str, count: int, side: int) -> Path:
    """Slices of noise, as large as a scanner's; `count` of `side` x `side`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for k in range(count):
        ds = slice_dataset(modality, modality, k)
        if modality == "PT":
            add_pet_header(ds)
            ds.NumberOfSlices = count
        ds.Rows = ds.Columns = side
        ds.PixelData = rng.integers(0, 4000, (side, side), dtype=np.uint16).tobytes()
        ds.save_as(folder / f"{k:04d}", enforce_file_format=True)
    return folder


def send(port: int, folders: list[Path]) -> list[subprocess.Popen]:
    """One sender a folder, all at once."""
    line = [str(DCMTK / "storescu"), "-aec", "TMTV", "+sd", "+r", "127.0.0.1", str(port)]
    return [subprocess.Popen([*line, str(folder)], stdout=subprocess.DEVNULL) for folder in folders]


def receive(options: argparse.Namespace) -> int:
    """Slices a second, on disk and acknowledged."""
    for modality, side in (("PT", 200), ("CT", 512)):
        for senders in (1, options.senders):
            folder = options.out / f"{modality}{senders}"
            shutil.rmtree(folder, ignore_errors=True)
            source = write_slices(folder / "all", modality, options.slices, side)
            parts = [folder / f"part{n}" for n in range(senders)]
            for k, path in enumerate(sorted(source.iterdir())):
                parts[k % senders].mkdir(exist_ok=True)
                path.rename(parts[k % senders] / path.name)
            serving = Serving(folder / "out", ("--patience-s", "3600", "--quiet-s", "3600")).start()
            cpu = cpu_s(serving.process.pid)
            start = time.monotonic()
            statuses = [sender.wait() for sender in send(serving.port, parts)]
            took = time.monotonic() - start
            cpu = cpu_s(serving.process.pid) - cpu
            kept = len(list(serving.out.glob("serve/received/*/*.dcm")))
            serving.kill()
            print(
                f"{modality} {side} x {side}, {senders} sender(s): {options.slices / took:.0f} slices/s"
                f" ({1000 * cpu / options.slices:.1f} ms of CPU a slice), {kept} of {options.slices} on disk",
                flush=True,
            )
            shutil.rmtree(folder)
            if any(statuses) or kept != options.slices:
                return 1
    return 0


def study(options: argparse.Namespace) -> int:
    """A whole study from the first byte to its results in Orthanc, less what `tmtv run` needs for it."""
    source = phantom(options.out / "phantom")
    count = sum(1 for path in source.rglob("*") if path.is_file())
    start, cpu = time.monotonic(), children_s()
    subprocess.run(
        ["tmtv", "run", source, "--out", options.out / "run", "--pdf-dicom", "--overwrite"], check=True
    )
    run_s, run_cpu_s = time.monotonic() - start, children_s() - cpu
    shutil.rmtree(options.out / "run")
    with own_network(), running_orthanc(options.out / "orthanc") as orthanc:
        shutil.rmtree(options.out / "served", ignore_errors=True)
        serving = Serving(
            options.out / "served" / "out", ("--to-pacs", orthanc.web, "--quiet-s", "3")
        ).start()
        try:
            start, before = time.monotonic(), cpu_s(serving.process.pid)
            (sender,) = send(serving.port, [source])
            sender.wait()
            sent_s = time.monotonic() - start
            wait(lambda: serving.status()["counts"]["done"] == 1, 1800.0)
            total_s = time.monotonic() - start
            service_cpu_s = cpu_s(serving.process.pid) - before
            stored = sorted(len(data) for data in orthanc.files().values())
        finally:
            serving.kill()
    print(
        f"{count} slices: sent in {sent_s:.1f} s ({count / sent_s:.0f}/s), in Orthanc {total_s:.1f} s after the "
        f"first byte; tmtv run alone {run_s:.1f} s; above it {total_s - run_s:.1f} s; {len(stored)} objects; CPU of"
        f" the service without its worker {service_cpu_s:.1f} s, of tmtv run {run_cpu_s:.1f} s"
    )
    return 0 if len(stored) == 4 else 1


def phantom(folder: Path) -> Path:
    """A synthetic patient in twice as many slices of half the thickness: about 700 of PET and CT together."""
    if not folder.is_dir():
        subprocess.run(["tmtv", "phantom", folder, "--cases", "1", "--seed", "3"], check=True)
    (study,) = (folder / "dicom").iterdir()
    thin = folder / "thin"
    if not thin.is_dir():
        thin.mkdir()
        for number, path in enumerate(sorted(path for path in study.rglob("*") if path.is_file())):
            ds = dcmread(path)
            if "PixelData" in ds:
                write_halves(ds, thin / f"{number:04d}")
    return thin


def write_halves(ds: Dataset, path: Path) -> None:
    """One slice as two of half its thickness, at its place and half a thickness above."""
    ds.SliceThickness = float(ds.SliceThickness) / 2
    if "NumberOfSlices" in ds:
        ds.NumberOfSlices *= 2
    x, y, z = map(float, ds.ImagePositionPatient)
    uid, instance = str(ds.SOPInstanceUID), int(ds.InstanceNumber)
    for half in (0, 1):
        ds.ImagePositionPatient = [x, y, z + half * float(ds.SliceThickness)]
        ds.InstanceNumber = 2 * instance - half  # they are numbered from above
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[uid, str(half)]
        )
        ds.save_as(f"{path}{half}")


def many(options: argparse.Namespace) -> int:
    """Studies by several senders at once: all done, none twice; memory of the service before, half-way, after."""
    model = threshold_openvino(options.out)
    shutil.rmtree(options.out / "many", ignore_errors=True)
    folders = [options.out / "many" / f"sender{n}" for n in range(options.senders)]
    for n in range(options.studies):
        write_pet_ct(folders[n % options.senders] / f"study{n}", patient=f"P{n}", study=f"S{n}")
    serving = Serving(options.out / "many" / "out", ("--model", model, "--keep", "none")).start()
    memory = [rss_mb(serving)]
    start = time.monotonic()
    senders = send(serving.port, folders)
    statuses = [sender.wait() for sender in senders]
    sent_s = time.monotonic() - start
    memory.append(rss_mb(serving))
    for done in (options.studies // 2, options.studies):
        wait(lambda done=done: serving.status()["counts"]["done"] >= done, 60.0 * options.studies)
        memory.append(rss_mb(serving))
    took = time.monotonic() - start
    counts = serving.status()["counts"]
    runs = [event["case_id"] for event in serving.audit() if event["event"] == "run"]
    whole = len(list(serving.out.glob("*/source.json")))
    status = serving.terminate()
    twice = len(runs) - len(set(runs))
    print(
        f"{options.studies} studies by {options.senders} senders: sent in {sent_s:.1f} s, done in {took:.1f} s;"
        f" {counts}; {whole} results, {twice} run twice; memory {', '.join(f'{mb:.0f}' for mb in memory)} MB;"
        f" ended with {status}"
    )
    return 0 if whole == options.studies and not twice and not any(statuses) and status == 0 else 1


def kills(options: argparse.Namespace) -> int:
    """SIGKILL in every stage so many times, with Orthanc as the archive; then the same command, in one folder."""
    model = threshold_openvino(options.out)
    rng = random.Random(options.seed)
    faults: list[str] = []
    folder = options.out / "kills"
    shutil.rmtree(folder, ignore_errors=True)
    known: frozenset[str] = frozenset()
    with own_network(), running_orthanc(options.out / "orthanc") as orthanc:
        serving = Serving(folder / "out", ("--model", model, "--to-pacs", orthanc.web)).start()
        try:
            for stage in STAGES:
                hits = tries = 0
                while hits < options.kills and tries < 3 * options.kills:
                    tries += 1
                    source = write_pet_ct(folder / "dicom", patient=f"P{tries}", study=f"{stage}{tries}")
                    orthanc.clear()
                    (sender,) = send(serving.port, [source])
                    hits += kill_in(serving, stage, rng, known) == stage
                    found = goes_on(serving, source, sent=sender.wait() == 0) or wrong(
                        serving, orthanc, known
                    )
                    faults += [f"{stage} {tries}: {what}" for what in found]
                    known = frozenset(one["case_id"] for one in serving.studies())
                    shutil.rmtree(folder / "dicom")
                    print(
                        f"{stage}: {hits} kills in time, {tries - hits} too late; {len(faults)} faults",
                        flush=True,
                    )
        finally:
            serving.kill()
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


def wait(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("it did not come about")
        time.sleep(0.2)


def rss_mb(serving: Serving) -> float:
    return (
        int(Path(f"/proc/{serving.process.pid}/statm").read_text().split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        / 1e6
    )


def children_s() -> float:
    """CPU of the processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("receive", "study", "many", "kills"))
    parser.add_argument("--slices", type=int, default=700)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20, help="in each stage")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
