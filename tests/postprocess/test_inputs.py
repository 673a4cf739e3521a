"""Every kind of input file, and every kind of bad one."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from map_files import GRID, pair, run
from stored_images import stored

from petct.errors import ImageError, TmtvError
from petct.image import Geometry, Image, read_image, resample, write_image

ORIENTATIONS = [
    ((0, 1, 2), (1, 2)),  # RAS in place of LPS, as nibabel writes
    ((0, 1, 2), (2,)),  # LAS
    ((0, 1, 2), (0,)),
    ((2, 1, 0), ()),
    ((1, 0, 2), (0, 1)),
    ((1, 2, 0), (0, 1, 2)),
    ((2, 0, 1), (1,)),
]


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS)
def test_how_a_file_stores_its_axes_does_not_matter(tmp_path: Path, order: tuple, flips: tuple) -> None:
    probability, suv = pair()
    expected = run(tmp_path / "a", probability, suv)
    found = run(tmp_path / "b", stored(probability, order, flips), stored(suv, order, flips))
    other = run(tmp_path / "c", probability, stored(suv, order, flips))  # the two files need not agree
    assert expected["methods"]["41"]["lesion_count"] > 3
    for result, name in ((found, "b"), (other, "c")):
        for method in expected["methods"]:
            assert result["methods"][method] == pytest.approx(expected["methods"][method], rel=1e-5)
            labels = read_image(tmp_path / name / "out" / f"lesions_{method}.nii.gz")
            straight = read_image(tmp_path / "a" / "out" / f"lesions_{method}.nii.gz")
            assert labels.geometry.same_grid(stored(suv, order, flips).geometry)
            np.testing.assert_array_equal(labels.array, stored(straight, order, flips).array)
            tables = [(tmp_path / n / "out" / f"lesions_{method}.csv").read_text() for n in ("a", name)]
            rows = [np.loadtxt(t.splitlines(), delimiter=",", skiprows=1, ndmin=2) for t in tables]
            np.testing.assert_allclose(rows[1], rows[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = tmp_path / f"x{suffix}"
    noise = np.random.default_rng(0).integers(0, 250, GRID.shape).astype(dtype)
    write_image(path, Image(noise, GRID))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match="not a readable image"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".nii.gz"])
def test_file_formats_agree(tmp_path: Path, suffix: str) -> None:
    probability, suv = pair()
    expected = run(tmp_path / "a", probability, suv, ".nii.gz")
    assert run(tmp_path / "b", probability, suv, suffix)["methods"] == expected["methods"]


def write_nifti(path: Path, array: np.ndarray, slope: float, endian: str = "<", extra: int = 0) -> None:
    """A NIfTI-1 file byte by byte: LPS grid GRID, `slope`, either byte order, `extra` bytes before the voxels."""
    z, y, x = GRID.spacing_mm
    header = bytearray(352 + extra)
    code, bits = {"f4": (16, 32), "f8": (64, 64), "u1": (2, 8), "u2": (512, 16)}[array.dtype.str[1:]]
    struct.pack_into(endian + "i", header, 0, 348)
    struct.pack_into(endian + "8h", header, 40, 3, *array.shape[::-1], 1, 1, 1, 1)
    struct.pack_into(endian + "2h", header, 70, code, bits)
    struct.pack_into(endian + "8f", header, 76, 1, x, y, z, 0, 0, 0, 0)
    struct.pack_into(endian + "3f", header, 108, 352 + extra, slope, 0)
    struct.pack_into(endian + "2h", header, 252, 0, 1)
    ox, oy, oz = GRID.origin_mm
    struct.pack_into(endian + "12f", header, 280, -x, 0, 0, -ox, 0, -y, 0, -oy, 0, 0, z, oz)
    header[344:348] = b"n+1\0"
    data = bytes(header) + array.astype(array.dtype.newbyteorder(endian)).tobytes()
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "slope"), [("f4", 1), ("f8", 0), ("f4", 0.5), ("u1", 1 / 255), ("u2", 1 / 65535)]
)
def test_nifti_byte_by_byte(tmp_path: Path, suffix: str, endian: str, dtype: str, slope: float) -> None:
    probability, _ = pair()
    array = (probability.array / (slope or 1)).round(0 if dtype[0] == "u" else 9).astype(dtype)
    path = tmp_path / f"odd % name{suffix}"
    write_nifti(path, array, slope, endian, extra=16)
    found = read_image(path)
    assert found.geometry.same_grid(GRID)
    np.testing.assert_allclose(found.array, array * (slope or 1), rtol=1e-6)
    if dtype[0] == "f":
        array[0, 1, 2], array[3, 4, 5] = np.nan, np.inf
        write_nifti(path, array, slope, endian)
        found = read_image(path).array
        assert np.isnan(found[0, 1, 2])
        assert np.isposinf(found[3, 4, 5])
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(ImageError, match="not a readable image"):
        read_image(path)


def test_masks_and_label_images(tmp_path: Path) -> None:
    probability, suv = pair()
    expected = run(tmp_path / "a", probability, suv)["methods"]
    mask = Image(probability.array > 0.5, GRID)
    assert run(tmp_path / "b", mask, suv, is_mask=True)["methods"] == expected
    labels = Image(mask.array * 3 + (probability.array < 0.2) * 2, GRID)
    assert run(tmp_path / "c", labels, suv, is_mask=True, mask_labels=(3,))["methods"] == expected
    with pytest.raises(ImageError, match="--mask"):
        run(tmp_path / "d", labels, suv)
    scaled = Image(mask.array * np.float32(1 + 1e-6), GRID)  # a label stored with a scale factor
    assert run(tmp_path / "e", scaled, suv, is_mask=True, mask_labels=(1,))["methods"] == expected
    two_values = Image(mask.array * np.float32(1 / 255), GRID)
    assert run(tmp_path / "f", two_values, suv, is_mask=True)["methods"] == expected


@pytest.mark.parametrize(
    ("values", "says"),
    [(np.float32([0, 1, 0.37]), "0.37.*--probability"), (np.int16([0, 1, -1]), "negative.*-1")],
)
def test_masks_that_are_none(tmp_path: Path, values: np.ndarray, says: str) -> None:
    _, suv = pair()
    mask = Image(np.resize(values, GRID.shape), GRID)
    with pytest.raises(ImageError, match=says):
        run(tmp_path, mask, suv, is_mask=True)
    assert not (tmp_path / "out").exists()


def test_a_label_that_no_voxel_has_is_warned_of(tmp_path: Path) -> None:
    probability, suv = pair()
    labels = Image((probability.array > 0.5) * np.uint8(2), GRID)
    result = run(tmp_path / "a", labels, suv, is_mask=True, mask_labels=(5,))
    assert result["methods"]["raw"]["tmtv_ml"] == 0
    assert result["warnings"] == ["probability.nii.gz: no voxel has the label 5; the image holds 2."]
    empty = labels.with_array(labels.array * 0)
    assert run(tmp_path / "b", empty, suv, is_mask=True, mask_labels=(5,))["warnings"] == []


def test_a_coarser_map_is_resampled_linearly(tmp_path: Path) -> None:
    probability, suv = pair()
    coarse = Geometry((9, 16, 14), (8.0, 4.0, 4.0), (-31.0, 14.0, 199.0))
    on_coarse = resample(probability, coarse)
    found = run(tmp_path / "a", on_coarse, suv)
    expected = run(tmp_path / "b", resample(on_coarse, GRID), suv)
    assert found["methods"] == expected["methods"]
    assert found["methods"]["raw"]["lesion_count"] > 0


def shifted(image: Image, *, z_mm: float) -> Image:
    g = image.geometry
    return Image(
        image.array, Geometry(g.shape, g.spacing_mm, (*g.origin_mm[:2], g.origin_mm[2] + z_mm), g.direction)
    )


def test_grids_that_do_not_belong_together(tmp_path: Path) -> None:
    probability, suv = pair()
    with pytest.raises(ImageError, match="do not overlap"):
        run(tmp_path / "a", shifted(probability, z_mm=1000), suv)
    with pytest.raises(ImageError, match="overlap by only 29 %"):
        run(tmp_path / "b", shifted(probability, z_mm=50), suv)
    warned = run(tmp_path / "c", shifted(probability, z_mm=15), suv)["warnings"]
    assert any("79 %" in text for text in warned)
    assert any("lie outside the PET" in text for text in warned)
    assert run(tmp_path / "d", probability, suv)["warnings"] == []


@pytest.mark.parametrize(
    ("value", "says"), [(np.nan, "NaN"), (1.2, r"\[0, 1\]"), (-4.0, "logits"), (np.inf, "infinite")]
)
def test_maps_that_are_no_probabilities(tmp_path: Path, value: float, says: str) -> None:
    probability, suv = pair()
    probability.array[3, 4, 5] = value
    with pytest.raises(ImageError, match=says) as error:
        run(tmp_path, probability, suv)
    assert "probability.nii.gz" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_pet_that_is_hardly_suv(tmp_path: Path) -> None:
    probability, suv = pair()
    for highest in (273_860, 47_000):
        in_bqml = Image(suv.array * np.float32(highest / suv.array.max()), GRID)
        with pytest.raises(ImageError, match=f"pet.nii.gz: its maximum is {highest:g}, which no SUV is"):
            run(tmp_path / str(highest), probability, in_bqml)
    warm = Image(suv.array * np.float32(600 / suv.array.max()), GRID)
    assert "hardly SUV" in run(tmp_path / "a", probability, warm)["warnings"][0]
    whole = Image(np.round(suv.array).astype(np.int16), GRID)
    assert "whole numbers" in run(tmp_path / "b", probability, whole)["warnings"][0]
    suv.array[0, 0, 0] = np.nan
    with pytest.raises(ImageError, match=r"pet.nii.gz: the SUV image holds NaN"):
        run(tmp_path / "c", probability, suv)


def test_zero_spacing_shear_and_other_dimensions_are_refused(tmp_path: Path) -> None:
    header = "NRRD0004\ntype: float\ndimension: {n}\nsizes: {sizes}\n{space}encoding: raw\nendian: little\n\n"
    data = np.zeros(64, np.float32).tobytes()

    def refuse(name: str, says: str, **fields: object) -> None:
        (tmp_path / name).write_bytes(header.format(**fields).encode() + data)
        with pytest.raises(ImageError, match=says):
            read_image(tmp_path / name)

    space = "space: left-posterior-superior\nspace directions: {} {} {}\nspace origin: (0,0,0)\n"
    sheared = space.format("(1,0,0)", "(0.5,1,0)", "(0,0,1)")
    refuse("shear.nrrd", "sheared|not a readable", n=3, sizes="4 4 4", space=sheared)
    zero = space.format("(1,0,0)", "(0,0,0)", "(0,0,1)")
    refuse("zero.nrrd", "not positive|sheared|not a readable", n=3, sizes="4 4 4", space=zero)
    refuse("flat.nrrd", "expected one 3-D image", n=2, sizes="8 8", space="")
    (tmp_path / "text.nii.gz").write_text("no image")
    with pytest.raises(ImageError, match="not a readable image"):
        read_image(tmp_path / "text.nii.gz")


def test_an_empty_mask_is_a_valid_result(tmp_path: Path) -> None:
    _, suv = pair()
    result = run(tmp_path, Image(np.zeros(GRID.shape, np.float32), GRID), suv)
    assert result["methods"]["41"]["tmtv_ml"] == 0
    text = (tmp_path / "out" / "tmtv.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["methods"]["raw"] == {
        "tmtv_ml": 0.0,
        "tlg": 0.0,
        "lesion_count": 0,
        "suv_max": None,
        "suv_peak": None,
        "dmax_mm": None,
        "dmax_voxel_mm": None,
        "dmax_bulk_mm": None,
    }
    assert len((tmp_path / "out" / "lesions_41.csv").read_text().splitlines()) == 1
    assert not read_image(tmp_path / "out" / "lesions_41.nii.gz").array.any()


def test_more_lesions_than_a_label_image_holds(tmp_path: Path) -> None:
    grid = Geometry((83, 83, 83), (2.0, 2.0, 2.0))
    mask = np.zeros(grid.shape, bool)
    mask[::2, ::2, ::2] = True
    with pytest.raises(TmtvError, match="74088 lesions under raw"):
        run(tmp_path, Image(mask, grid), Image(np.ones(grid.shape, np.float32), grid), is_mask=True)
    assert not (tmp_path / "out").exists()
