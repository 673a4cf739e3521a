"""Meshes that the test makes: a box of known volume in a .glb file, moved by its node; and what is refused."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.voxelise_hubmap import fill_surface, label_map, read_glb
from petct.errors import CaseError
from petct.image import read_image

ROOT = Path(__file__).parents[2]


def _box(low, high):
    """Twelve triangles of a box; (8, 3) points, (12, 3) corners."""
    points = np.array([[(low, high)[i >> k & 1][k] for k in range(3)] for i in range(8)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    corners = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.uint16)
    return points, corners


def _glb(path, nodes):
    """A .glb file of boxes: name -> (low, high, translation), metres, y up."""
    binary, views, accessors, meshes, items = b"", [], [], [], []
    for name, (low, high, shift) in nodes.items():
        points, corners = _box(low, high)
        for array, kind, width, count in ((points, 5126, "VEC3", 8), (corners.ravel(), 5123, "SCALAR", 36)):
            views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
            accessors.append(
                {"bufferView": len(views) - 1, "componentType": kind, "type": width, "count": count}
            )
            binary += array.tobytes()
        meshes.append(
            {"primitives": [{"attributes": {"POSITION": len(views) - 2}, "indices": len(views) - 1}]}
        )
        items.append({"name": name, "mesh": len(meshes) - 1, "translation": shift})
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(items)))}],
        "nodes": items,
        "meshes": meshes,
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(binary), b"BIN\0")
        + binary
    )


def test_a_box_has_its_volume_and_place(tmp_path):
    _glb(tmp_path / "VH_M_Liver.glb", {"VH_M_liver": ((0, 0, 0), (0.1, 0.2, 0.05), (0.01, 0.02, 0.03))})
    ((name, triangles),) = read_glb(tmp_path / "VH_M_Liver.glb")
    assert name == "VH_M_liver"
    assert triangles.shape == (12, 3, 3)
    np.testing.assert_allclose(triangles.reshape(-1, 3).min(axis=0), (0.01, 0.02, 0.03), atol=1e-7)
    filled = fill_surface(triangles * 1000, (60, 60, 60), (0.3, 0.3, 0.3), 5.0)  # axes as they come: x, y, z
    found = np.argwhere(filled)
    # centres 0.3 + 5 k inside (10, 110), (20, 220), (30, 80): x 2..21, y 4..43, z 6..15
    np.testing.assert_array_equal(found.min(axis=0), (6, 4, 2))
    np.testing.assert_array_equal(found.max(axis=0), (15, 43, 21))
    assert filled.sum() == 10 * 40 * 20


def test_the_command_makes_maps_that_the_worlds_read(tmp_path):
    for sex in ("M", "F"):
        nodes = {
            f"VH_{sex}_skin": ((-0.15, -0.5, -0.1), (0.15, 0.8, 0.1), (0, 0, 0)),
            f"VH_{sex}_liver": ((-0.1, 0.3, -0.05), (0.0, 0.4, 0.05), (0, 0, 0)),
            f"VH_{sex}_hepatic_artery_of_liver": ((0.05, 0.3, -0.05), (0.1, 0.4, 0.05), (0, 0, 0)),
        }
        _glb(tmp_path / f"VH_{sex}_All.glb", nodes)
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "voxelise_hubmap.py"),
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    image = read_image(tmp_path / "out" / "male_labels.nii.gz")
    volume_ml = np.bincount(image.array.ravel(), minlength=30) * 2.5**3 / 1000
    assert volume_ml[5] == pytest.approx(1000, rel=0.06)
    assert volume_ml[1] + volume_ml[5] == pytest.approx(300 * 1300 * 200 / 1000, rel=0.03)
    z, y, x = np.argwhere(image.array == 5).mean(axis=0)
    world = image.geometry.to_world((z, y, x))[0]
    np.testing.assert_allclose(world, (-50, 0, 350), atol=2.5)  # LPS: the liver on the right is at negative x
    assert json.loads((tmp_path / "out" / "labels.json").read_text())["5"] == "liver"


def test_without_skin_or_glb_it_refuses(tmp_path):
    _glb(tmp_path / "VH_F_Liver.glb", {"VH_F_liver": ((0, 0, 0), (0.1, 0.1, 0.1), (0, 0, 0))})
    with pytest.raises(CaseError, match="No mesh of the skin of the female adult"):
        label_map([tmp_path / "VH_F_Liver.glb"], "female")
    (tmp_path / "VH_F_Bad.glb").write_bytes(b"nothing")
    with pytest.raises(CaseError, match="not a binary glTF file"):
        list(read_glb(tmp_path / "VH_F_Bad.glb"))
