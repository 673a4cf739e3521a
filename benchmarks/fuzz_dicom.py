"""Broken headers: each must give the right SUV or a named refusal. Never a traceback, never a changed number.

    python benchmarks/fuzz_dicom.py [--cases 6000] [--seed 1]

Whole files are changed and read back through `find_series`, `select_one_study` and `read_suv`, as every command does.
Outcomes per mutation:
    same       the SUV image of the unchanged series: the mutation does not matter
    refused    one sentence, which names a file or folder
    legal      another number, and the one that `expected_suv`, written apart from the library, finds for the changed
               header: it is a possible header of another examination, which nothing in the file contradicts
    cropped    a slice left the series, and a warning or the list of what is left out says so
    WRONG      anything else (the run then fails)
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import math
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

if sys.path[0] == str(Path(__file__).resolve().parent):
    del sys.path[0]  # benchmarks/postprocess.py would hide the package of the same name

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

from petct.dicom.headers import find_series
from petct.dicom.selection import select_one_study
from petct.errors import TmtvError
from petct.suv import read_suv

HALF_LIFE_S, FRAME_S, N = 6586.2, 150.0, 4
REFERENCE = datetime(2024, 3, 5, 11, 0, 0)
INJECTION = REFERENCE - timedelta(minutes=65)
STYLES = (
    "start",
    "start-1072",
    "ge",
    "admin",
    "none",
    "gml",
    "gml-lbm",
    "cm2ml",
    "philips-suv",
    "philips-bqml",
)
RATE = math.log(2) / HALF_LIFE_S
MEAN_S = math.log(RATE * FRAME_S / (1 - math.exp(-RATE * FRAME_S))) / RATE


def base_series(style: str) -> list[FileDataset]:
    """Four PET slices of one scanner's style; two beds of two slices each."""
    return [_slice(style, k) for k in range(N)]


def _slice(style: str, k: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[style, str(k)])
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = (
        generate_uid(entropy_srcs=["s"]),
        generate_uid(entropy_srcs=[style]),
    )
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=["f"])
    ds.PatientID, ds.PatientName, ds.Modality, ds.SeriesNumber = "FUZZ", "Fuzz^Fuzz", "PT", 1
    ds.ImageType, ds.SeriesType, ds.NumberOfSlices = ["ORIGINAL", "PRIMARY"], ["WHOLE BODY", "IMAGE"], N
    ds.Manufacturer = (
        "GE MEDICAL SYSTEMS" if style == "ge" else "Philips" if "philips" in style else "SIEMENS"
    )
    ds.PatientWeight, ds.PatientSize, ds.PatientSex = "72.5", "1.71", "F"
    ds.Units, ds.DecayCorrection, ds.CorrectedImage = "BQML", "START", ["NORM", "ATTN", "SCAT", "DECY"]
    bed = k // 2
    acquired = REFERENCE + timedelta(seconds=200 * bed)
    ds.SeriesDate = ds.StudyDate = REFERENCE.strftime("%Y%m%d")
    ds.SeriesTime = REFERENCE.strftime("%H%M%S")
    ds.AcquisitionDate, ds.AcquisitionTime = acquired.strftime("%Y%m%d"), acquired.strftime("%H%M%S.00")
    ds.FrameReferenceTime, ds.ActualFrameDuration = (
        f"{(200 * bed + MEAN_S) * 1000:.3f}",
        f"{FRAME_S * 1000:.0f}",
    )
    agent, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    agent.Radiopharmaceutical, agent.RadionuclideCodeSequence = "FDG", [code]
    agent.RadionuclideTotalDose, agent.RadionuclideHalfLife = "296000000", f"{HALF_LIFE_S}"
    agent.RadiopharmaceuticalStartTime = INJECTION.strftime("%H%M%S")
    if style != "start-1072":
        agent.RadiopharmaceuticalStartDateTime = INJECTION.strftime("%Y%m%d%H%M%S")
    ds.RadiopharmaceuticalInformationSequence = [agent]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10.0, -20.0, 3.0 * k], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SamplesPerPixel, ds.PhotometricInterpretation = [2.0, 2.5], 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = f"{0.5 + 0.25 * k}", "0"
    ds.Rows, ds.Columns = 3, 4
    ds.PixelData = (np.arange(12, dtype=np.uint16) * 37 + 1000 * k + 1).tobytes()
    _restyle(ds, style, acquired)
    return ds


def _restyle(ds: Dataset, style: str, acquired: datetime) -> None:
    if style == "ge":
        block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", REFERENCE.strftime("%Y%m%d%H%M%S.00"))
        block.add_new(0x3B, "DT", INJECTION.strftime("%Y%m%d%H%M%S.00"))
    elif style == "admin":
        ds.DecayCorrection = "ADMIN"
    elif style == "none":
        ds.DecayCorrection, ds.CorrectedImage = "NONE", ["NORM", "ATTN", "SCAT"]
    elif style.startswith("gml"):
        ds.Units = "GML"
        if style == "gml-lbm":
            ds.SUVType = "LBMJAMES128"
    elif style == "cm2ml":
        ds.Units, ds.SUVType = "CM2ML", "BSA"
    elif style.startswith("philips"):
        ds.Units = "CNTS"
        block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.00043" if style == "philips-suv" else "0.0")
        block.add_new(0x09, "DS", "1.7")


# -- mutations -------------------------------------------------------------------------------------------------

NUMBERS = [
    "PatientWeight",
    "PatientSize",
    "RescaleSlope",
    "RescaleIntercept",
    "FrameReferenceTime",
    "ActualFrameDuration",
]
TIMES = ["SeriesTime", "AcquisitionTime"]
DATES = ["SeriesDate", "AcquisitionDate", "StudyDate"]
TEXTS = [
    "Units",
    "DecayCorrection",
    "CorrectedImage",
    "SUVType",
    "PatientSex",
    "Manufacturer",
    "Modality",
    "SeriesType",
    "ImageType",
]
GEOMETRY = [
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "NumberOfSlices",
]
UIDS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
]
INJECTED = ["RadionuclideTotalDose", "RadionuclideHalfLife"]
INJECTED_TIMES = ["RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"]
SEQUENCES = ["RadiopharmaceuticalInformationSequence", "RadionuclideCodeSequence"]
PRIVATE = (0x0009100D, 0x0009103B, 0x00090010, 0x70531000, 0x70531009, 0x70530010)
OTHER_TEXTS = [
    "BQML",
    "GML",
    "CM2ML",
    "CNTS",
    "PROPCNTS",
    "START",
    "ADMIN",
    "NONE",
    "BW",
    "LBM",
    "IBW",
    "BSA",
    "M",
    "F",
    "O",
    "ATTN",
    "DECY",
    "PT",
    "CT",
    "DYNAMIC",
    "MIP",
]
ODD = (
    "",
    "0",
    "-1",
    "abc",
    "1e400",
    "nan",
    "7O",
    "1,5",
    "99999999999",
    "0.0",
    " ",
    "\\",
    "1\\2",
    "\xb2",
    "1e-9",
    "1000",
)
WRONG_VRS = ("LO", "UN", "FD", "US", "OB", "SH", "DS", "IS", "UT", "SQ")
Change = tuple[str, str]


def mutate(series: list[FileDataset], rng: random.Random) -> Change:
    """Change one attribute of one slice or of all, in place; returns (attribute, operation)."""
    slices = series if rng.random() < 0.7 else [rng.choice(series)]
    often = NUMBERS * 2 + INJECTED * 4 + INJECTED_TIMES * 4 + TIMES * 3 + DATES * 2 + SEQUENCES * 2
    keyword = rng.choice(often + TEXTS + GEOMETRY + UIDS + [f"{tag:08X}" for tag in PRIVATE])
    operation = rng.choice(
        [
            "remove",
            "empty",
            "zero",
            "odd",
            "scale",
            "swap",
            "vr",
            "cut",
            "shift",
            "duplicate",
            "digit",
            "other",
        ]
    )
    seed = rng.random()
    done = False
    for ds in slices:  # the same change in each of them
        with contextlib.suppress(TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
            done = _change(ds, keyword, operation, random.Random(seed)) or done
    return keyword, operation if done else f"{operation} (nothing to change)"


def _owner(ds: Dataset, keyword: str) -> Dataset:
    agent = ds.RadiopharmaceuticalInformationSequence[0]
    return agent if keyword in INJECTED + INJECTED_TIMES + ["RadionuclideCodeSequence"] else ds


def _change(ds: FileDataset, keyword: str, operation: str, rng: random.Random) -> bool:
    tag = (
        int(keyword, 16)
        if keyword[0] in "07" and len(keyword) == 8
        else pydicom.datadict.tag_for_keyword(keyword)
    )
    owner = _owner(ds, keyword)
    if tag not in owner:
        return False
    element = owner[tag]
    text = str(element.value)
    replacement: object = None
    if operation == "remove":
        del owner[tag]
        return True
    if operation == "empty":
        replacement = ""
    elif operation == "zero":
        replacement = "0"
    elif operation == "odd":
        replacement = rng.choice(ODD)
    elif operation == "scale":
        replacement = f"{float(text) * rng.choice([1e-6, 1e-3, 0.01, 0.5, 1.01, 2, 100, 1e3, 1e6, -1]):.10g}"
    elif operation == "swap":
        other = rng.choice([k for k in NUMBERS + INJECTED + TIMES + DATES + INJECTED_TIMES if k != keyword])
        holder = _owner(ds, other)
        value = str(holder[other].value)
        _set(holder, pydicom.datadict.tag_for_keyword(other), text)
        replacement = value
    elif operation == "vr":
        vr = rng.choice(WRONG_VRS)
        owner[tag] = DataElement(tag, vr, _as_vr(text, vr))
        return True
    elif operation == "cut":
        replacement = text[: rng.randrange(len(text))]
    elif operation == "shift":
        return _shift(
            owner, tag, text, rng.choice([-4000, -365, -1, 1, 30, 365]), rng.choice([0, 0, -3600, 3600])
        )
    elif operation == "duplicate":
        sequence = ds.RadiopharmaceuticalInformationSequence
        sequence.append(copy.deepcopy(sequence[0]))
        return True
    elif operation == "digit":
        where = rng.randrange(len(text))
        replacement = text[:where] + rng.choice("0123456789.-E ") + text[where + 1 :]
    elif operation == "other":
        replacement = rng.choice(OTHER_TEXTS)
    _set(owner, tag, replacement)
    return True


def _set(owner: Dataset, tag: int, value: object) -> None:
    """Write bytes past every check, as a careless program would."""
    vr = owner[tag].VR
    if vr in ("US", "SQ"):
        owner[tag].value = [] if vr == "SQ" else int(float(str(value) or 0)) % 65536
    else:
        owner[tag] = DataElement(tag, vr, str(value), already_converted=True)


def _as_vr(text: str, vr: str) -> object:
    if vr == "SQ":
        return []
    if vr in ("UN", "OB"):
        return text.encode() + b" " * (len(text) % 2)
    return float(text) if vr == "FD" else int(float(text)) % 65536 if vr in ("US", "IS") else text


def _shift(owner: Dataset, tag: int, text: str, days: int, seconds: int) -> bool:
    for layout in ("%Y%m%d%H%M%S", "%Y%m%d%H%M%S.%f", "%Y%m%d", "%H%M%S", "%H%M%S.%f"):
        with contextlib.suppress(ValueError):
            moment = datetime.strptime(text, layout) + timedelta(days=days, seconds=seconds or 600)
            _set(owner, tag, moment.strftime(layout).split(".")[0])
            return True
    return False


def write(
    series: list[FileDataset], unchanged: list[FileDataset], folder: Path, rng: random.Random
) -> Change | None:
    """Write the files; now and then cut one short or change one byte of its header."""
    damage = rng.choice(["none"] * 12 + ["cut", "byte", "byte"])
    victim = rng.randrange(N)
    for k, ds in enumerate(series):
        buffer = io.BytesIO()
        try:
            ds.save_as(buffer, enforce_file_format=False)
        except Exception:  # noqa: BLE001 - a value that pydicom cannot write: this slice stays as it was
            unchanged[k].save_as(buffer, enforce_file_format=False)
        data = bytearray(buffer.getvalue())
        if damage == "cut" and k == victim:
            data = data[: rng.randrange(132, len(data))]
        elif damage == "byte" and k == victim:
            data[rng.randrange(132, len(data) - 24)] = rng.randrange(256)
        (folder / f"{k}.dcm").write_bytes(data)
    return None if damage == "none" else ("file", damage)


# -- truth -----------------------------------------------------------------------------------------------------


def expected_suv(files: Sequence[Path]) -> np.ndarray | None:
    """SUV by the plain formulas, read with pydicom alone; None where this simple reader finds no answer."""
    try:
        slices = [pydicom.dcmread(path, force=True) for path in files]
        images = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices]
        factors = [_expected_factor(d, slices) for d in slices]
    except Exception:  # noqa: BLE001 - whatever this simple reader stumbles over, it has no opinion
        return None
    return np.sort(np.concatenate([(image * f).ravel() for image, f in zip(images, factors, strict=True)]))


def _expected_factor(d: Dataset, slices: list[Dataset]) -> float:
    units = str(d.Units).strip().upper()
    weight = _weight(slices)
    height = 0.0
    if units in ("GML", "CM2ML") and d.get("PatientSize"):
        height = float(d.PatientSize) * (100 if float(d.PatientSize) <= 3 else 1)
    if units == "CM2ML":
        return weight * 1000 / (0.007184 * weight**0.425 * height**0.725 * 1e4)
    if units == "GML":
        kind = str(d.get("SUVType") or "BW").strip()
        if kind == "BW":
            return 1.0
        masses = {
            "M": {"LBM": 1.1 * weight - 120 * (weight / height) ** 2, "IBW": 48 + 1.06 * (height - 152),
                  "LBMJAMES128": 1.1 * weight - 128 * (weight / height) ** 2},
            "F": {"LBM": 1.07 * weight - 148 * (weight / height) ** 2, "IBW": 45.5 + 0.91 * (height - 152),
                  "LBMJAMES128": 1.07 * weight - 148 * (weight / height) ** 2},
        }  # fmt: skip
        sexes = {"O": "MF"}.get(d.PatientSex.strip(), d.PatientSex.strip())
        return weight / (sum(masses[sex][kind] for sex in sexes) / len(sexes))
    scale = 1.0
    if units == "CNTS":
        if (0x7053, 0x1000) in d and float(_plain(d[0x7053, 0x1000].value)) != 0:
            return float(_plain(d[0x7053, 0x1000].value))
        scale = float(_plain(d[0x7053, 0x1009].value))
    elif units != "BQML":
        raise ValueError(units)
    agent = d.RadiopharmaceuticalInformationSequence[0]
    dose = float(_plain(agent.RadionuclideTotalDose))
    dose *= 1e6 if dose < 1e5 else 1
    per_dose = scale * weight * 1000 / dose
    if d.DecayCorrection.strip() == "ADMIN":
        return per_dose
    rate = math.log(2) / float(_plain(agent.RadionuclideHalfLife))
    if d.DecayCorrection.strip() == "NONE":
        frame = rate * float(d.ActualFrameDuration) / 1000
        acquired = _moment(d.AcquisitionDate + d.AcquisitionTime)
        return (
            per_dose * frame / (1 - math.exp(-frame)) * math.exp(rate * _since_injection(d, slices, acquired))
        )
    return per_dose * math.exp(rate * _since_injection(d, slices, _expected_reference(slices, rate)))


def _expected_reference(slices: list[Dataset], rate: float) -> datetime:
    first = slices[0]
    if (0x0009, 0x0010) in first and (0x0009, 0x100D) in first and first[0x0009, 0x100D].value:
        return _moment(_plain(first[0x0009, 0x100D].value))
    acquired = [_moment(d.AcquisitionDate + d.AcquisitionTime) for d in slices if d.get("AcquisitionDate")]
    with contextlib.suppress(Exception):
        back = []
        for d, moment in zip(slices, acquired, strict=True):
            frame_s = float(d.ActualFrameDuration) / 1000
            mean_s = math.log(rate * frame_s / (1 - math.exp(-rate * frame_s))) / rate
            back.append(moment + timedelta(seconds=mean_s - float(d.FrameReferenceTime) / 1000))
        middle = min(back) + timedelta(
            seconds=statistics.median((b - min(back)).total_seconds() for b in back)
        )
        if (max(back) - min(back)).total_seconds() <= 10 and (middle - min(acquired)).total_seconds() <= 10:
            return middle
    series = (
        _moment(first.SeriesDate + first.SeriesTime)
        if first.get("SeriesDate") and first.get("SeriesTime")
        else None
    )
    return series if series is not None and series <= min(acquired) else min(acquired)


def _since_injection(d: Dataset, slices: list[Dataset], reference: datetime) -> float:
    agent = d.RadiopharmaceuticalInformationSequence[0]
    if agent.get("RadiopharmaceuticalStartDateTime"):
        injected = _moment(_plain(agent.RadiopharmaceuticalStartDateTime))
    elif agent.get("RadiopharmaceuticalStartTime"):
        first = min(_moment(s.AcquisitionDate + s.AcquisitionTime) for s in slices)
        injected = _moment(f"{first:%Y%m%d}{_plain(agent.RadiopharmaceuticalStartTime)}")
        injected -= timedelta(days=injected > first)
    else:
        injected = _moment(_plain(d[0x0009, 0x103B].value))
    seconds = (reference - injected).total_seconds()
    if not 0 <= seconds <= 6 * 3600 and (0x0009, 0x103B) in d:
        reference = _moment(_plain(d[0x0009, 0x100D].value))
        seconds = (reference - _moment(_plain(d[0x0009, 0x103B].value))).total_seconds()
    return seconds


def _moment(text: str) -> datetime:
    digits = str(text).strip().split(".")
    fraction = float(f"0.{digits[1]}") if len(digits) > 1 and digits[1] else 0.0
    return datetime.strptime(digits[0].ljust(14, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=fraction)


def _plain(value: object) -> str:
    return value.decode().strip(" \0") if isinstance(value, bytes) else str(value).strip()


def _weight(slices: list[Dataset]) -> float:
    """In kg, of the first slice where it can be read."""
    for d in slices:
        with contextlib.suppress(Exception):
            weight = float(_plain(d.PatientWeight))
            return weight / 1000 if weight > 1000 else weight
    return 0.0


# -- the run ---------------------------------------------------------------------------------------------------


def read(folder: Path) -> tuple[np.ndarray, list[Path], bool]:
    """(SUV values in ascending order, files used, whether lost slices were told of), as the commands read them."""
    series, skipped = find_series(folder)
    selection = select_one_study(series, folder)
    image, suv = read_suv(selection.require_pet())
    told = bool(skipped or selection.passed_over or any("NumberOfSlices" in text for text in suv.warnings))
    return np.sort(image.array.ravel().astype(float)), selection.require_pet().files, told


def judge(folder: Path, truth: np.ndarray) -> tuple[str, str]:
    """(outcome, what to say of it)."""
    try:
        values, files, told = read(folder)
    except TmtvError as refused:
        text = str(refused)
        named = folder.name in text or "Series" in text
        return ("refused", text) if named and "\n" not in text else ("WRONG", f"unnamed refusal: {text}")
    except Exception as error:  # noqa: BLE001 - the very thing looked for
        return "WRONG", f"{type(error).__name__}: {error}"
    if values.shape == truth.shape and np.allclose(values, truth, rtol=1e-6, atol=0):
        return "same", ""
    expected = expected_suv(files)
    if (
        expected is None
        or values.shape != expected.shape
        or not np.allclose(values, expected, rtol=1e-6, atol=0)
    ):
        return (
            "WRONG",
            f"highest {values[-1]:.9g}, was {truth[-1]:.9g}, expected {None if expected is None else expected[-1]}",
        )
    if len(files) == N:
        return "legal", ""
    return ("cropped", "") if told else ("WRONG", "slices lost without a word")


def truths(folder: Path) -> dict[str, np.ndarray]:
    """The SUV image of every unchanged style, from `expected_suv`."""
    result = {}
    for style in STYLES:
        for ds, name in zip(base_series(style), range(N), strict=True):
            (folder / style).mkdir(parents=True, exist_ok=True)
            ds.save_as(folder / style / f"{name}.dcm", enforce_file_format=True)
        expected = expected_suv(sorted((folder / style).iterdir()))
        if expected is None:
            raise SystemExit(f"{style}: the truth could not be computed")
        result[style] = expected
    return result


def run(cases: int, seed: int, *, tell=None) -> tuple[Counter, list[str], Counter]:
    """(outcomes, descriptions of what was wrong, legal changes by attribute and operation)."""
    outcomes, wrong, legal = Counter(), [], Counter()
    with tempfile.TemporaryDirectory() as root:
        truth = truths(Path(root) / "base")
        bases = {style: base_series(style) for style in STYLES}
        for case in range(cases):
            rng = random.Random(f"{seed} {case}")
            style = rng.choice(STYLES)
            series = copy.deepcopy(bases[style])
            changes = [mutate(series, rng) for _ in range(rng.choice([1, 1, 1, 2]))]
            folder = Path(root) / "case"
            folder.mkdir(exist_ok=True)
            damage = write(series, bases[style], folder, rng)
            outcome, text = judge(folder, truth[style])
            outcomes[outcome] += 1
            changed = ", ".join(
                f"{keyword} {operation}" for keyword, operation in [*changes, *([damage] if damage else [])]
            )
            if outcome == "WRONG":
                wrong.append(f"case {case} ({style}; {changed}): {text}")
                if tell:
                    tell(wrong[-1])
            elif outcome == "legal":
                legal[changed] += 1
            if tell and case % 500 == 499:
                tell(f"{case + 1} of {cases}: {dict(outcomes)}")
    return outcomes, wrong, legal


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    outcomes, wrong, legal = run(
        arguments.cases, arguments.seed, tell=lambda text: print(text, file=sys.stderr)
    )
    print(f"{arguments.cases} changed headers in {time.perf_counter() - start:.0f} s: {dict(outcomes)}")
    for text in wrong:
        print(f"WRONG {text}")
    print("Legal other headers (nothing in the file contradicts them), most frequent:")
    for changed, count in legal.most_common(12):
        print(f"  {count:4d} x {changed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
