"""Organ label maps of the two HuBMAP adults from their meshes: python -m benchmarks.voxelise_hubmap MESHES --out DIR.

MESHES is a clone of hubmapconsortium/ccf-3d-reference-object-library (commit
f1a3a63f110e27ff0736047d52d04dba5d3087f9; CC BY 4.0, credit "HuBMAP Consortium, CCF 3D Reference Object Library"), or
any folder with `.glb` files whose names hold VH_M_ or VH_F_. Writes male_labels.nii.gz, female_labels.nii.gz and
labels.json: uint8 on cubes of 2.5 mm, LPS, from 560 mm below the origin up, as `tmtv_tf.phantom.worlds` reads them.
Each surface is filled by the even-odd rule, plane by plane, and closed over gaps of a voxel; parts of one organ are
joined; what comes later in ORGANS lies over what comes before.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from petct.errors import CaseError
from petct.image import Geometry, Image, write_image

VOXEL_MM = 2.5
SHAPE, ORIGIN_MM = (608, 184, 232), (-290.0, -200.0, -560.0)
# Label: name, and the meshes (by node or file name, without VH_M_ or VH_F_) that make it.
ORGANS = {
    1: ("body", r"^skin"),
    2: ("pelvis bones", r"(ilium|ischium|pubis|pelvis|sacrum|coccyx|hip_bone)"),
    4: ("spinal cord", r"spinal_cord"),
    5: ("liver", r"(liver|lobe_of_liver|hepatic_segment|capsule_of_the_liver)"),
    6: ("gallbladder", r"gall_?bladder"),
    7: ("spleen", r"spleen"),
    8: ("pancreas", r"pancreas"),
    9: ("kidney left", r"kidney.*(_l|left)(_|$)"),
    10: ("kidney right", r"kidney.*(_r|right)(_|$)"),
    11: ("renal calyces and ureter left", r"(ureter|renal_pelvis|caly).*(_l|left)(_|$)"),
    12: ("renal calyces and ureter right", r"(ureter|renal_pelvis|caly).*(_r|right)(_|$)"),
    13: ("urinary bladder", r"urinary_bladder"),
    14: ("duodenum", r"duoden"),
    15: ("jejunum and ileum", r"(jejunum|ileum)"),
    16: ("caecum and ascending colon", r"(ca?ecum|ascending_colon|appendix)"),
    17: ("transverse colon", r"(transverse_colon|hepatic_flexure|splenic_flexure)"),
    18: ("descending and sigmoid colon", r"((?<!a)descending_colon|sigmoid)"),
    19: ("rectum", r"(rectum|anal_canal)"),
    20: ("heart", r"(cardiac_atrium|right_ventricle|heart_right|heart$)"),
    21: ("left ventricle and septum", r"(left_ventricle|interventricular_septum)"),
    22: ("thymus", r"thymus"),
    23: ("prostate", r"prostate"),
    24: ("uterus", r"uterus"),
    25: ("ovaries", r"ovary"),
}
EXCLUDED = re.compile(
    r"(vasculature|artery|vein|duct|ligament|nerve|landmark|extraction|valve|muscle|tube)", re.I
)
BODIES = {"male": re.compile(r"VH_?M_", re.I), "female": re.compile(r"(VH_?F_|SBU_F_)", re.I)}


def read_glb(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, triangles (N, 3, 3) in the file's units) of every node with a mesh, moved as the scene says."""
    data = path.read_bytes()
    if data[:4] != b"glTF" or len(data) < 20:
        raise CaseError(f"{path}: not a binary glTF file.")
    length = struct.unpack_from("<I", data, 12)[0]
    scene = json.loads(data[20 : 20 + length])
    binary = data[20 + length + 8 :]

    def accessor(index: int) -> np.ndarray:
        item = scene["accessors"][index]
        view = scene["bufferViews"][item["bufferView"]]
        kind = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[item["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3}[item["type"]]
        start = view.get("byteOffset", 0) + item.get("byteOffset", 0)
        stride = view.get("byteStride", width * np.dtype(kind).itemsize)
        return np.ndarray(
            (item["count"], width), kind, binary, start, (stride, np.dtype(kind).itemsize)
        ).copy()

    def walk(index: int, above: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        node = scene["nodes"][index]
        matrix = above @ _local(node)
        if "mesh" in node:
            for part in scene["meshes"][node["mesh"]]["primitives"]:
                points = accessor(part["attributes"]["POSITION"]).astype(float)
                points = points @ matrix[:3, :3].T + matrix[:3, 3]
                order = (
                    accessor(part["indices"])[:, 0].astype(int)
                    if "indices" in part
                    else np.arange(len(points))
                )
                yield node.get("name", path.stem), points[order].reshape(-1, 3, 3)
        for child in node.get("children", []):
            yield from walk(child, matrix)

    roots = (
        scene["scenes"][scene.get("scene", 0)]["nodes"] if "scenes" in scene else range(len(scene["nodes"]))
    )
    for root in roots:
        yield from walk(root, np.eye(4))


def _local(node: dict) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    matrix = np.eye(4)
    rotation = Rotation.from_quat(node["rotation"]).as_matrix() if "rotation" in node else np.eye(3)
    matrix[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def to_lps_mm(triangles: np.ndarray) -> np.ndarray:
    """glTF (x to the viewer's right of a figure that faces him, y up, z to the viewer; metres) to LPS mm (x, y, z)."""
    return np.stack([triangles[..., 0], -triangles[..., 2], triangles[..., 1]], axis=-1) * 1000.0


def fill_surface(
    triangles: np.ndarray, shape=SHAPE, origin_mm=ORIGIN_MM, voxel_mm: float = VOXEL_MM
) -> np.ndarray:
    """(Z, Y, X) voxels whose centre a closed surface encloses: an odd number of crossings from -x, in each row."""
    places = (triangles - np.asarray(origin_mm)) / voxel_mm + np.array([0.0, 1e-4, 1.7e-4])
    crossed = np.zeros((shape[0], shape[1], shape[2] + 1), np.int32)
    for corner in places:  # each triangle: the rows (y, z) that run through it
        (y0, z0), (y1, z1) = corner[:, 1:].min(axis=0), corner[:, 1:].max(axis=0)
        ys, zs = (
            np.arange(max(np.ceil(y0), 0), min(y1 + 1e-9, shape[1] - 1) + 1),
            np.arange(max(np.ceil(z0), 0), min(z1 + 1e-9, shape[0] - 1) + 1),
        )
        if not len(ys) or not len(zs):
            continue
        edges = np.array([corner[1, 1:] - corner[0, 1:], corner[2, 1:] - corner[0, 1:]]).T
        area = edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]
        if area == 0:
            continue
        z, y = np.meshgrid(zs, ys, indexing="ij")
        dy, dz = y - corner[0, 1], z - corner[0, 2]
        u = (dy * edges[1, 1] - dz * edges[0, 1]) / area
        v = (dz * edges[0, 0] - dy * edges[1, 0]) / area
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        x = corner[0, 0] + u * (corner[1, 0] - corner[0, 0]) + v * (corner[2, 0] - corner[0, 0])
        column = np.clip(np.ceil(x[hit]), 0, shape[2]).astype(int)
        np.add.at(crossed, (z[hit].astype(int), y[hit].astype(int), column), 1)
    return np.cumsum(crossed[..., : shape[2]], axis=2) % 2 == 1


def label_map(files: list[Path], body: str) -> np.ndarray:
    """The organs (uint8) of one adult.

    Raises
    ------
    CaseError
        No mesh of the skin: nothing would say where the body is.
    """
    masks: dict[int, np.ndarray] = {}
    for path in files:
        if not BODIES[body].search(path.name):
            continue
        for node, triangles in read_glb(path):
            name = BODIES[body].sub("", node)
            label = next((k for k, (_, pattern) in ORGANS.items() if re.search(pattern, name, re.I)), None)
            if label is None or EXCLUDED.search(name):
                continue
            filled = fill_surface(to_lps_mm(triangles))
            masks[label] = masks[label] | filled if label in masks else filled
    if 1 not in masks:
        raise CaseError(
            f"No mesh of the skin of the {body} adult (VH_{body[0].upper()}_Skin) among {len(files)} files."
        )
    out = np.zeros(SHAPE, np.uint8)
    for label in ORGANS:
        if label in masks:
            out[ndimage.binary_closing(masks[label]) | masks[label]] = label
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("meshes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    files = sorted(arguments.meshes.rglob("*.glb"))
    if not files:
        raise SystemExit(f"{arguments.meshes}: holds no .glb file.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for body in BODIES:
        labels = label_map(files, body)
        write_image(
            arguments.out / f"{body}_labels.nii.gz",
            Image(labels, Geometry(SHAPE, (VOXEL_MM,) * 3, ORIGIN_MM)),
        )
        print(
            body,
            {
                ORGANS[k][0]: int(np.count_nonzero(labels == k) * VOXEL_MM**3 / 1000)
                for k in ORGANS
                if (labels == k).any()
            },
        )
    names = {str(k): name for k, (name, _) in ORGANS.items()}
    (arguments.out / "labels.json").write_text(json.dumps(names, indent=1))


if __name__ == "__main__":
    main()
