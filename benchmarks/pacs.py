"""How fast `tmtv serve` receives, what it adds to a run, and whether many studies or kills make it lose anything.

    python -m benchmarks.pacs receive --slices 800 --senders 4 --out FOLDER
    python -m benchmarks.pacs study   --slices 700 --out FOLDER          # beside `tmtv run` of the same study
    python -m benchmarks.pacs many    --studies 50 --senders 4 --out FOLDER
    python -m benchmarks.pacs kills   --kills 20 --out FOLDER

dcmtk's `storescu` sends; `study` and `kills` store in a real Orthanc, which gets a network of its own (root, or
`unshare -rn`), because it listens on every address. Exit status 1 if anything is lost, run twice, or wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "files"))

from dicom_files import add_pet_header, slice_dataset  # noqa: E402
from orthanc import own_network, running_orthanc  # noqa: E402
from serving import DCMTK, Serving, threshold_openvino  # noqa: E402
from study_files import write_pet_ct  # noqa: E402

STAGES = ("receiving", "waiting", "running", "sending")


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
    source = phantom(options.out / "phantom", options.slices)
    count = sum(1 for path in source.rglob("*") if path.is_file())
    start = time.monotonic()
    subprocess.run(
        ["tmtv", "run", source, "--out", options.out / "run", "--pdf-dicom", "--overwrite"], check=True
    )
    run_s = time.monotonic() - start
    shutil.rmtree(options.out / "run")
    with own_network(), running_orthanc(options.out / "orthanc") as orthanc:
        shutil.rmtree(options.out / "served", ignore_errors=True)
        serving = Serving(
            options.out / "served" / "out", ("--to-pacs", orthanc.web, "--quiet-s", "3")
        ).start()
        try:
            start = time.monotonic()
            (sender,) = send(serving.port, [source])
            sender.wait()
            sent_s = time.monotonic() - start
            serving.wait_for(done=1)
            total_s = time.monotonic() - start
            stored = sorted(len(data) for data in orthanc.files().values())
        finally:
            serving.kill()
    print(
        f"{count} slices: sent in {sent_s:.1f} s ({count / sent_s:.0f}/s), stored in Orthanc {total_s:.1f} s after the "
        f"first byte; tmtv run alone {run_s:.1f} s; above the run {total_s - run_s:.1f} s; {len(stored)} objects"
    )
    return 0 if len(stored) == 4 else 1


def phantom(folder: Path, slices: int) -> Path:
    """A synthetic patient with about so many slices of PET and CT together."""
    if not folder.is_dir():
        subprocess.run(["tmtv", "phantom", folder, "--cases", "1", "--seed", "3"], check=True)
    (study,) = (folder / "dicom").iterdir()
    return study


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
    """SIGKILL in every stage in turn, with Orthanc as the archive; then the same command, and the same objects."""
    model = threshold_openvino(options.out)
    rng = random.Random(options.seed)
    faults: list[str] = []
    seen = dict.fromkeys(STAGES, 0)
    with own_network(), running_orthanc(options.out / "orthanc") as orthanc:
        for kill in range(options.kills):
            stage = STAGES[kill % len(STAGES)]
            folder = options.out / f"kill{kill}"
            shutil.rmtree(folder, ignore_errors=True)
            source = write_pet_ct(folder / "dicom", patient=f"P{kill}", study=f"S{kill}")
            serving = Serving(folder / "out", ("--model", model, "--to-pacs", orthanc.web)).start()
            orthanc.clear()
            (sender,) = send(serving.port, [source])
            hit = kill_in(serving, stage, rng)
            seen[stage] += hit
            sender.wait()
            serving.start()
            if (
                sender.returncode or stage == "receiving"
            ):  # the sender was told that it failed, and sends again
                (again,) = send(serving.port, [source])
                if again.wait():
                    faults.append(f"kill {kill} ({stage}): the second sending failed")
            wait(lambda serving=serving: serving.status()["counts"]["done"] == 1, 300.0)
            faults += [f"kill {kill} ({stage}): {what}" for what in wrong(serving, orthanc)]
            serving.kill()
            shutil.rmtree(folder)
            print(f"kill {kill + 1}: {stage}{'' if hit else ' (missed: it was over)'}", flush=True)
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{options.kills} kills, in time: {seen}; {len(faults)} faults.")
    return 1 if faults else 0


def kill_in(serving: Serving, stage: str, rng: random.Random) -> bool:
    """Kill the service as soon as its study is in this stage, and a random moment later."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        studies = serving.studies()
        state = studies[0]["state"] if studies else ""
        if state == stage or state == "done":
            time.sleep(rng.uniform(0, {"running": 1.5, "receiving": 0.2}.get(stage, 0.05)))
            serving.kill()
            return state == stage
    raise TimeoutError(f"never {stage}")


def wrong(serving: Serving, orthanc) -> list[str]:
    """What is not as it should be at the end."""
    found = []
    results = [path.parent for path in serving.out.glob("*/source.json")]
    if len(results) != 1:
        return [f"{len(results)} results"]
    stored = orthanc.files()
    mine = {path.name: path for path in results[0].glob("*.dcm")}
    if len(stored) != len(mine):
        found.append(f"{len(stored)} objects in the archive for {len(mine)} here")
    if len(list(serving.out.glob("serve/received/*/*.dcm"))) != 32:
        found.append("images are missing")
    return found


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
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
