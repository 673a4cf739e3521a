"""Broken image files: each must give the right voxels in the right place, or a named refusal. Never a traceback.

    python benchmarks/fuzz_images.py [--cases 5000] [--seed 1]

NIfTI (one file and pairs), MetaImage, NRRD and npz files are changed in their headers and bytes and read by
`read_image` and `read_npz`. What is accepted is read again by programs that share no code with these readers. Outcomes:
    same      the unchanged image
    refused   one sentence, which names the file
    legal     another image, voxel for voxel the one that nibabel (NIfTI), SimpleITK (MetaImage, NRRD) or NumPy (npz)
              finds in the changed file, on the same grid; for NIfTI SimpleITK's grid must agree as well
    WRONG     anything else, and any file that was cut short and yet accepted (the run then fails)
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import shutil
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

if sys.path[0] == str(Path(__file__).resolve().parent):
    del sys.path[0]  # benchmarks/postprocess.py would hide the package of the same name

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from petct.errors import ImageError
from petct.geometry import Geometry, Image
from petct.image import image_files, read_image
from petct.npz import read_npz

SHAPE, SPACING_MM, ORIGIN_MM = (5, 6, 7), (3.0, 2.0, 2.5), (-10.0, 20.0, 333.25)
OBLIQUE = np.linalg.qr(np.array([[0.96, 0.1, 0.2], [-0.1, 0.99, 0.05], [0.0, 0.0, 1.0]]))[0]
NAMES = (
    "a.nii",
    "b.nii.gz",
    "c.hdr",
    "d.nii",
    "e.mha",
    "f.mha",
    "g.mhd",
    "h.nrrd",
    "i.nrrd",
    "j.nhdr",
    "k.npz",
)
PLACE_VOXELS = 0.02  # accepted corners lie within this share of a voxel of the other program's
FORMS_VOXELS = 0.52  # SimpleITK prefers qform, which may differ from sform by half a voxel
WEIRD = (0, -1, 1, 2, 3, 4, 5, 7, 42, 255, 32767, -32768, 0.5, 1e-30, 1e30, float("nan"), float("inf"))
WORDS = (
    "0", "-1", "1", "2", "3", "4", "7", "1e300", "nan", "1_0", "", "True", "False", "LOCAL", "LIST", "../..",
    "/etc/passwd", "raw", "gzip", "hex", "little", "big", "MET_SHORT", "MET_DOUBLE", "short", "double", "none",
    "(1,0,0)", "0 0 0", "left-posterior-superior", "right-anterior-superior", "scanner-xyz", "mm", "um",
    "%03d.raw 1 3 1",
)  # fmt: skip


def write_bases(folder: Path) -> dict[str, Image]:
    """One file (or pair) of every kind, written by SimpleITK, nibabel and NumPy; what each holds."""
    folder.mkdir(parents=True)
    values = (np.random.default_rng(0).random(SHAPE) * 100).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetOrigin(ORIGIN_MM)
    image.SetDirection(OBLIQUE.ravel())
    for name in NAMES:
        if name not in ("d.nii", "k.npz"):
            sitk.WriteImage(image, str(folder / name), useCompression=name[0] in "bfi")
    scaled = nib.Nifti1Image(
        (values.T * 100).astype(">i2"), np.diag([-2.5, -2, 3, 1]), nib.Nifti1Header(endianness=">")
    )
    scaled.header.set_slope_inter(0.01, -1)
    scaled.header.set_xyzt_units("mm", "sec")
    nib.save(scaled, folder / "d.nii")
    np.savez(folder / "k.npz", probabilities=values, other=np.arange(3))
    return {name: read(folder / name) for name in NAMES}


def read(path: Path) -> Image:
    if path.suffix == ".npz":
        values = read_npz(path, ("probabilities",))
        return Image(values.reshape(-1, 1, 1), Geometry((values.size, 1, 1), (1.0, 1.0, 1.0)))
    return read_image(path)


def mutate(path: Path, rng: random.Random) -> str:
    """Change one file of an image in place; returns what was done."""
    files = image_files(path)
    victim = rng.choice(files) if rng.random() < 0.2 else files[0]
    data = victim.read_bytes()
    inflate = victim.name.endswith(".nii.gz") and rng.random() < 0.8
    if inflate:
        data = gzip.decompress(data)
    choices: list[Callable] = [_cut, _append, _flip]
    if victim == files[0]:
        special = (
            _nifti_field if path.name[0] in "abcd" else _npz_header if path.suffix == ".npz" else _text_line
        )
        choices += [special] * 9
    operation = rng.choice(choices)
    data, said = operation(data, rng)
    victim.write_bytes(gzip.compress(data) if inflate else data)
    return f"{operation.__name__.strip('_')} {said}"


def _cut(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    n = rng.randrange(len(data)) if rng.random() < 0.5 else max(0, len(data) - rng.randint(1, 9))
    return data[:n], f"to {n} of {len(data)} bytes"


def _append(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    n = rng.choice([1, 2, 4, 100, 5000])
    return data + rng.randbytes(n), f"{n} bytes"


def _flip(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(min(len(data), rng.choice([352, len(data)])))] ^= 1 << rng.randrange(8)
    return bytes(changed), "bits"


def _nifti_field(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    order = "<" if data[:4] == struct.pack("<i", 348) else ">"
    header = nib.Nifti1Header(data[:348], endianness=order, check=False)
    said = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        name = rng.choice(list(header.keys()))
        field = header[name]
        value = rng.choice(WEIRD)
        with np.errstate(all="ignore"):
            if field.dtype.kind == "S":
                header[name] = rng.choice([b"", b"n+1", b"ni1", b"n+2", b"x"])
            elif field.ndim:
                i = rng.randrange(len(field))
                old = float(field[i])
                value = rng.choice([value, old * 2, -old, old + 1])
                field[i] = _fits(value, field.dtype)
            else:
                header[name] = _fits(rng.choice([value, float(field) + 1]), field.dtype)
        said.append(f"{name}={value}")
    return header.binaryblock + data[348:], ", ".join(said)


def _fits(value: float, dtype: np.dtype) -> float | int:
    if dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return int(np.clip(np.nan_to_num(value), limits.min, limits.max))


def _text_line(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    is_nrrd = data.startswith(b"NRRD")
    end = data.find(b"\n\n") if is_nrrd else data.find(b"ElementDataFile")
    end = data.find(b"\n", max(end, 0)) if not is_nrrd and end >= 0 else end
    end = len(data) if end < 0 else end
    lines = data[:end].decode("latin-1").split("\n")
    for _ in range(rng.choice([1, 1, 2])):
        i = rng.randrange(len(lines))
        separator = ": " if is_nrrd else " = "
        key, _, value = lines[i].partition(separator)
        operation = rng.choice(["delete", "double", "swap", "word", "number", "number", "key"])
        tokens = value.split(" ")
        if operation == "delete":
            del lines[i]
        elif operation == "double":
            lines.insert(i, f"{key}{separator}{rng.choice([value, rng.choice(WORDS)])}")
        elif operation == "swap":
            j = rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
        elif operation == "word":
            lines[i] = f"{key}{separator}{rng.choice(WORDS)}"
        elif operation == "number":
            tokens[rng.randrange(len(tokens))] = rng.choice(WORDS)
            lines[i] = f"{key}{separator}{' '.join(tokens)}"
        else:
            lines[i] = f"{key[:-1]}{separator}{value}"
        lines = lines or [""]
    return "\n".join(lines).encode("latin-1") + data[end:], f"{operation} {key!r}"


def _npz_header(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """The archive anew, with another array header, another name, or the array twice."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        array = archive.read("probabilities.npy")
    old = b"'shape': (5, 6, 7)"
    new = rng.choice(
        [b"'shape': (5, 6, 6)", b"'shape': (5, 6, 8)", b"'shape': (7, 6, 5)", b"'shape': (5, -6, 7)",
         b"'shape': (5, 6, 7", b"'shape': (99999999999, 6)", b"'shape': (5, 6, 'x')"]
    )  # fmt: skip
    changes = [
        array.replace(old, new.ljust(len(old))),
        array.replace(b"<f4", rng.choice([b"<i4", b"<f8", b"|O8", b"<M8", b">f4"])),
        array.replace(b"False", b"True "),
        array[: rng.randrange(len(array))],
        array + bytes(4),
        array[:6] + bytes([rng.randrange(5), 0]) + array[8:],
    ]
    names = rng.choice([["probabilities.npy"], ["probabilities.npy"] * 2, ["else.npy"], ["probabilities"]])
    buffer = io.BytesIO()
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", rng.choice([0, 8])) as archive:
        warnings.simplefilter("ignore")  # of the double name
        for name in names:
            archive.writestr(name, rng.choice(changes))
    return buffer.getvalue(), f"{names}"


def independent(path: Path) -> list[tuple[np.ndarray | None, np.ndarray, float]]:
    """What other programs find: values (or None), LPS corners (8, 3), and by how many voxels these may differ."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            values = archive["probabilities"].reshape(-1, 1, 1)
        return [(values, Geometry(values.shape, (1.0, 1.0, 1.0)).corners_mm(), PLACE_VOXELS)]
    image = sitk.ReadImage(str(path))
    if image.GetDimension() == 4:
        image = image[..., 0]
    size = image.GetSize()
    ends = [(x, y, z) for z in (0, size[2] - 1) for y in (0, size[1] - 1) for x in (0, size[0] - 1)]
    corners = np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])
    if path.name[0] not in "abcd":
        return [(sitk.GetArrayFromImage(image), corners, PLACE_VOXELS)]
    other = nib.load(path)
    affine = np.diag([-1, -1, 1, 1]) @ other.affine
    by_nibabel = np.array([(affine @ [*end, 1])[:3] for end in ends])
    values = np.asanyarray(other.dataobj)
    values = values.reshape(values.shape[:3]).T
    return [(values, by_nibabel, PLACE_VOXELS), (None, corners, FORMS_VOXELS)]


def judge(path: Path, truth: Image, was_cut: bool) -> tuple[str, str]:
    """(outcome, why) for a changed file."""
    try:
        found = read(path)
    except ImageError as error:
        said = str(error)
        return ("refused", said) if path.stem in said and "\n" not in said else ("WRONG", f"says {said!r}")
    except Exception as error:
        return "WRONG", f"traceback: {error!r}"
    same_values = found.array.shape == truth.array.shape and np.array_equal(
        found.array, truth.array, equal_nan=True
    )
    if same_values and found.geometry.same_grid(truth.geometry):
        return "same", ""
    if was_cut:
        return "WRONG", "cut short and accepted"
    try:
        others = independent(path)
    except Exception as error:
        return "WRONG", f"accepted, but another program says {error!r}"
    for values, corners, voxels in others:
        if values is not None and (
            values.shape != found.array.shape
            or not np.allclose(values, found.array, rtol=1e-5, atol=1e-6, equal_nan=True)
        ):
            return "WRONG", "other voxels than another program finds"
        ours = found.geometry.corners_mm()
        apart = np.linalg.norm(ours - corners, axis=1).max()
        if not apart <= voxels * min(found.spacing_mm):
            return "WRONG", f"corners {apart:.3g} mm from where another program finds them"
    return "legal", ""


def run(cases: int, seed: int, *, tell=None) -> tuple[Counter, list[str], Counter]:
    """(outcomes, descriptions of what was wrong, outcomes by kind of file)."""
    outcomes, wrong, by_kind = Counter(), [], Counter()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as root:
        truth = write_bases(Path(root, "base"))
        for case in range(cases):
            rng = random.Random(f"{seed} {case}")
            name = rng.choice(NAMES)
            folder = Path(root, "case")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in image_files(Path(root, "base", name)):
                shutil.copy(file, folder)
            done = mutate(folder / name, rng)
            outcome, why = judge(folder / name, truth[name], done.startswith("cut"))
            outcomes[outcome] += 1
            by_kind[f"{name[2:]} {outcome}"] += 1
            if outcome == "WRONG":
                wrong.append(f"case {case} ({name}; {done}): {why}")
                if tell:
                    tell(wrong[-1])
    return outcomes, wrong, by_kind


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    outcomes, wrong, by_kind = run(
        arguments.cases, arguments.seed, tell=lambda text: print(text, file=sys.stderr)
    )
    print(f"{arguments.cases} changed files in {time.perf_counter() - start:.0f} s: {dict(outcomes)}")
    for kind, count in sorted(by_kind.items()):
        print(f"  {count:5d}  {kind}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
