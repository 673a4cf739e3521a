"""Files that promise more than they hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from image_files import GRID, VALUES, rewrite

from petct.errors import ImageError
from petct.image import Geometry, Image, read_image, write_image


def test_a_small_file_that_promises_much_is_refused_at_once(tmp_path: Path) -> None:
    """12.6 GB of zeros: refused on the header, before anything is inflated."""
    path = tmp_path / "a.nii.gz"
    write_image(path, Image(VALUES, GRID))
    header = nib.Nifti1Header(gzip.decompress(path.read_bytes())[:348])
    header["dim"][1:4] = 1466, 1466, 1466
    path.write_bytes(gzip.compress(header.binaryblock + bytes(5000)))
    with pytest.raises(ImageError, match=r"promises 11.7 GiB .* at most 8 GiB"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_stream_that_goes_on_is_not_inflated_further(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, Image(np.zeros((64, 64, 64), np.float32), Geometry((64, 64, 64), (1.0, 1.0, 1.0))))
    if suffix == ".nii.gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(10)))
    else:
        sizes = {".nrrd": b"sizes: 64 64 6", ".mha": b"DimSize = 64 64 6"}[suffix]
        rewrite(path, sizes + b"4", sizes + b"3")
    with pytest.raises(ImageError, match="holds more than"):
        read_image(path)


def test_not_enough_memory_is_said(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "a.nii.gz"
    write_image(path, Image(np.zeros((512, 512, 512), np.uint8), Geometry((512, 512, 512), (1.0, 1.0, 1.0))))
    code = (
        "import resource, sys\n"
        "from petct.image import read_image\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, -1))\n"
        "try: read_image(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "not enough memory for its 128 MiB" in done.stdout
    assert "not a readable image" not in done.stdout
