"""Arrays in `.npz` files: whole and as promised, or refused in one sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from petct.errors import ImageError
from petct.npz import read_npz

VALUES = np.random.default_rng(0).random((2, 4, 5, 6)).astype(np.float32)


def npy(array: np.ndarray = VALUES) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def archive(path: Path, *members: tuple[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", [VALUES, np.asfortranarray(VALUES), VALUES.astype(">f8"), VALUES > 0.5])
def test_as_numpy_reads_it(tmp_path: Path, array: np.ndarray, save) -> None:
    save(tmp_path / "a.npz", other=np.arange(3), softmax=array)
    found = read_npz(tmp_path / "a.npz", ("probabilities", "softmax"))
    np.testing.assert_array_equal(found, array)
    assert found.dtype.isnative


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("p.npy", npy()[:-4])], "less than its header"),
        ([("p.npy", npy() + bytes(4))], "more than its header"),
        ([("p.npy", npy()), ("p.npy", npy())], "2 times"),
        ([("q.npy", npy())], "no array `p`"),
        ([("p.npy", npy(np.array([{}], object)))], "must hold numbers"),
        ([("p.npy", npy()[:6])], "not a readable .npz file"),
        ([("p.npy", npy().replace(b"(2, 4, 5, 6)", b"(2, 4, 5, 6 "))], "not a readable .npz file"),
        ([("p.npy", npy().replace(b"(2, 4, 5, 6)", b"(9999999999,)"))], "promises .* GiB"),
        ([("p.npy", b"")], "not a readable .npz file"),
    ],
)
def test_broken_members(tmp_path: Path, members: list, says: str) -> None:
    archive(tmp_path / "a.npz", *members)
    with pytest.raises(ImageError, match=says) as error:
        read_npz(tmp_path / "a.npz", ("p",))
    assert "a.npz" in str(error.value)


def test_broken_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    archive(path, ("p.npy", npy()))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    encrypted = bytearray(whole)
    encrypted[whole.rindex(b"PK\1\2") + 8] |= 1
    for data in (b"", b"PK nothing", whole[:-30], npy(), bytes(flipped), bytes(encrypted)):
        path.write_bytes(data)
        with pytest.raises(ImageError, match="not a readable .npz file|more than|less than"):
            read_npz(path, ("p",))
