"""Readers' regions as masks: the numbers are those of `tmtv prepare`, whatever file the contours come in."""

from __future__ import annotations

import csv
import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from cohort_files import GEOMETRY, SHAPE, SUV, roi_mask, write_study
from region_files import two_masks
from roi_files import pet_datasets, write_rtstruct, write_seg

from petct.console import run_app
from petct.errors import ImageError, RoiError
from petct.image import Geometry, Image, write_image
from petct.orientation import to_canonical
from petct.rois import Roi
from postprocess.cli import app
from postprocess.inputs import CaseImages, MapFile, read_case, read_mask
from postprocess.segmentation import Segmentation
from tmtv_tf.cases.truth import make_truth


def mask_ml(images: CaseImages, method: str = "41") -> float:
    work = Segmentation(
        images.probability.array, images.suv.array, images.suv.spacing_mm, instances=images.instances
    )
    return work.lesions(method).index.size * images.suv.geometry.voxel_ml


@pytest.mark.parametrize("suv", ["study", "study/PT", "case/pet.nii.gz"])
@pytest.mark.parametrize("file", ["two.dcm", "two_rs.dcm", "rois.nii.gz", "labels.nii.gz"])
@pytest.mark.parametrize("method", ["41", "2.5", "4.0", "otsu"])
def test_the_same_contours_give_one_tmtv_by_every_way(
    study: Path, tmp_path: Path, suv: str, file: str, method: str
) -> None:
    """Raw 6.53 mL for 626.04 with a SEG read as an image; 80.31 mL per ROI, 72.01 as one mask (items 1 and 5)."""
    truth = make_truth(SUV, [Roi.from_mask("", m) for m in two_masks()], GEOMETRY.voxel_ml)
    images = read_case(MapFile(tmp_path / file, is_mask=True), tmp_path / suv)
    np.testing.assert_allclose(images.suv.array, SUV, rtol=1e-6)
    assert mask_ml(images, method) == pytest.approx(np.count_nonzero(truth.mask(method)) * GEOMETRY.voxel_ml)
    assert mask_ml(images, "raw") == pytest.approx(
        np.count_nonzero(np.any(two_masks(), axis=0)) * GEOMETRY.voxel_ml
    )
    assert any("2 regions are one lesion each" in text for text in images.warnings)


@pytest.mark.parametrize("file", ["two.dcm", "labels.nii.gz", "two_rs.dcm"])
def test_without_instances_they_are_one_mask(study: Path, tmp_path: Path, file: str) -> None:
    found = read_case(MapFile(tmp_path / file, is_mask=True, instances=False), study)
    single = read_case(MapFile(tmp_path / "one.dcm", is_mask=True), study)
    assert found.instances is single.instances is None
    assert (
        mask_ml(found) == mask_ml(single) != mask_ml(read_case(MapFile(tmp_path / file, is_mask=True), study))
    )
    assert any("one segment" in text for text in single.warnings)
    whole = read_case(MapFile(tmp_path / "one.dcm", is_mask=True, instances=True), study)
    assert whole.instances is not None


def test_a_mask_of_one_label_is_split_as_published_but_rois_are_not(study: Path, tmp_path: Path) -> None:
    for name in ("mask", "rois"):
        write_image(tmp_path / "b" / f"{name}.nii.gz", Image(roi_mask().astype(np.uint8), GEOMETRY))
    assert read_case(MapFile(tmp_path / "b" / "mask.nii.gz", is_mask=True), study).instances is None
    assert read_case(MapFile(tmp_path / "b" / "rois.nii.gz", is_mask=True), study).instances is not None
    one = MapFile(tmp_path / "labels.nii.gz", is_mask=True, mask_labels=(2,))
    assert read_case(one, study).instances is None


def test_overlapping_rois_go_on_in_further_files(study: Path, tmp_path: Path) -> None:
    masks = two_masks()
    masks[1][2:5] |= masks[0][2:5]
    truth = make_truth(SUV, [Roi.from_mask("", m) for m in masks], GEOMETRY.voxel_ml)
    for number, name in enumerate(("rois", "rois_2")):
        write_image(tmp_path / "r" / f"{name}.nii.gz", Image(masks[number] * np.uint16(number + 1), GEOMETRY))
    images = read_case(MapFile(tmp_path / "r" / "rois.nii.gz", is_mask=True), study)
    assert mask_ml(images) == pytest.approx(np.count_nonzero(truth.mask("41")) * GEOMETRY.voxel_ml)
    write_image(tmp_path / "r" / "rois_3.nii.gz", Image(masks[0] * np.uint16(2), GEOMETRY))
    with pytest.raises(ImageError, match="label 2 stands in several of its 3 files"):
        read_case(MapFile(tmp_path / "r" / "rois.nii.gz", is_mask=True), study)


@pytest.mark.parametrize(("order", "flips"), [((0, 1, 2), (0, 2)), ((0, 1, 2), (1,)), ((2, 0, 1), (1,))])
@pytest.mark.parametrize("file", ["two.dcm", "two_rs.dcm"])
def test_how_the_pet_is_stored_does_not_matter(
    study: Path, tmp_path: Path, file: str, order: tuple, flips: tuple
) -> None:
    from stored_images import stored

    expected = read_case(MapFile(tmp_path / file, is_mask=True), study)
    write_image(tmp_path / "other.nii.gz", stored(Image(SUV, GEOMETRY), order, flips))
    found = read_case(MapFile(tmp_path / file, is_mask=True), tmp_path / "other.nii.gz")
    np.testing.assert_array_equal(found.probability.array, to_canonical(expected.probability).array)
    assert mask_ml(found) == mask_ml(expected)
    assert any("nothing says the frame of reference of other.nii.gz" in text for text in found.warnings)


def test_a_seg_on_the_ct_is_read_at_the_pets_voxels(study: Path, tmp_path: Path) -> None:
    slices = pet_datasets(study / "CT")  # 16 slices of 1.5 mm: every second one lies in a PET slice
    mask = np.repeat(roi_mask(), 2, axis=0)
    write_seg(tmp_path / "ct.dcm", slices, mask[..., None])
    images = read_case(MapFile(tmp_path / "ct.dcm", is_mask=True), study)
    np.testing.assert_array_equal(images.probability.array, roi_mask())
    assert any("read at the centres of the PET voxels" in text for text in images.warnings)
    np.testing.assert_array_equal(read_mask(tmp_path / "ct.dcm", GEOMETRY), roi_mask())


def test_contours_on_the_ct_and_labels_on_a_finer_grid_say_so(study: Path, tmp_path: Path) -> None:
    """An RTSTRUCT of the CT's series in the PET's frame; a label image of twice the slices."""
    plane = [(0.5, 0.5), (0.5, 3.5), (4.5, 3.5), (4.5, 0.5)]
    contours = [GEOMETRY.to_world([(z / 2, y, x) for y, x in plane]) for z in range(6, 12)]
    write_rtstruct(tmp_path / "ct_rs.dcm", pet_datasets(study / "CT")[0], {"a": contours})
    images = read_case(MapFile(tmp_path / "ct_rs.dcm", is_mask=True), study)
    np.testing.assert_array_equal(images.probability.array, roi_mask())
    assert [text for text in images.warnings if "drawn on another series" in text]
    fine = Geometry((16, *SHAPE[1:]), (1.5, 2.0, 2.5), GEOMETRY.origin_mm)
    labels = two_masks()[0] * np.uint16(1) + two_masks()[1] * np.uint16(2)
    write_image(tmp_path / "fine.nii.gz", Image(np.repeat(labels, 2, axis=0), fine))
    images = read_case(MapFile(tmp_path / "fine.nii.gz", is_mask=True), study)
    np.testing.assert_array_equal(images.probability.array, np.any(two_masks(), axis=0))
    assert [text for text in images.warnings if "not on the grid of the PET" in text]
    on_pet = read_case(MapFile(tmp_path / "labels.nii.gz", is_mask=True), study)
    assert mask_ml(images) == mask_ml(on_pet)


def test_exclusion_masks_and_those_that_exclude_nothing(study: Path, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(tmp_path / "two.dcm", GEOMETRY), np.any(two_masks(), axis=0))
    np.testing.assert_array_equal(read_mask(tmp_path / "rois.nii.gz", GEOMETRY), np.any(two_masks(), axis=0))
    write_image(tmp_path / "none.nii.gz", Image(np.zeros(SHAPE, np.uint8), GEOMETRY))
    with pytest.raises(ImageError, match="would exclude nothing"):
        read_mask(tmp_path / "none.nii.gz", GEOMETRY)
    away = Geometry(SHAPE, GEOMETRY.spacing_mm, (500.0, 500.0, 0.0))
    with pytest.raises(RoiError, match="none of its 2 regions holds a voxel"):
        read_mask(tmp_path / "two.dcm", away)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def command(*arguments: object) -> tuple[int, str]:
    """The command line in this process: exit status, and stdout with stderr."""
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(text), pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    return int(left.value.code or 0), text.getvalue()


def test_prepare_and_the_command_agree_on_every_roi(tmp_path: Path) -> None:
    """DICOM to case folder to `tmtv-postprocess`: rois.csv, its label image, and the SEG it came from."""
    from tmtv_tf.cli import app as tmtv

    study = write_study(tmp_path / "dicom", roi=False)
    write_seg(study / "SEG" / "two.dcm", pet_datasets(study / "PT"), np.stack(two_masks(), axis=-1))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), pytest.raises(SystemExit) as left:
        run_app(tmtv, ["prepare", str(study), "--out", str(tmp_path / "cases"), "--no-model-grid"])
    assert not left.value.code
    (rois,) = (tmp_path / "cases").glob("*/rois.nii.gz")
    expected = rows_of(rois.with_name("rois.csv"))
    assert len(expected) == 2
    wholes = {"rois": (rois, rois.with_name("pet.nii.gz")), "seg": (study / "SEG" / "two.dcm", study)}
    for case_id, (mask, suv) in wholes.items():
        methods = [part for method in ("raw", "41", "2.5", "4.0", "otsu") for part in ("-m", method)]
        out = ("--out", tmp_path / "out", "--case-id", case_id)
        status, text = command("--mask", mask, "--suv", suv, *out, *methods)
        assert status == 0, text
        folder = tmp_path / "out" / case_id
        for method in ("41", "2.5", "4.0", "otsu"):
            rows = {
                row["label"]: float(row["volume_ml"]) for row in rows_of(folder / f"lesions_{method}.csv")
            }
            held = {row["roi"]: float(row[f"volume_{method}_ml"]) for row in expected}
            assert rows == pytest.approx({roi: ml for roi, ml in held.items() if ml})
        raw = rows_of(folder / "lesions_raw.csv")
        assert [float(row["suv_max"]) for row in raw] == pytest.approx(
            [float(row["suv_max"]) for row in expected], rel=1e-5
        )
    result = json.loads((tmp_path / "out" / "seg" / "tmtv.json").read_text())
    assert result["inputs"]["suv"]["file"].startswith("DICOM series ")
    assert result["parameters"]["instances"] is None
    status, text = command(
        "--mask", wholes["seg"][0], "--suv", study, "--out", tmp_path / "out", "--case-id", "seg", *methods
    )
    assert "finished before" in text


def test_a_flat_cohort_of_dicom_and_images(study: Path, tmp_path: Path) -> None:
    """Every case under its own name, the PET of one as DICOM, of the other as an image."""
    maps, suvs = tmp_path / "maps", tmp_path / "suvs"
    maps.mkdir()
    for name in ("two.dcm", "one.dcm"):
        (maps / f"{name[:3]}.dcm").write_bytes((tmp_path / name).read_bytes())
    shutil.copytree(study, suvs / "two")
    shutil.copytree(tmp_path / "case", suvs / "one")
    status, text = command("--mask", maps, "--suv", suvs, "--out", tmp_path / "out", "-m", "41")
    assert status == 0, text
    table = {row["case_id"]: float(row["tmtv_ml_41"]) for row in rows_of(tmp_path / "out" / "tmtv.csv")}
    assert sorted(table) == ["one", "two"]
    single = read_case(MapFile(tmp_path / "two.dcm", is_mask=True), study)
    assert table["two"] == pytest.approx(mask_ml(single), rel=1e-5)


def test_points_in_ras_and_regions_to_exclude(study: Path, tmp_path: Path) -> None:
    x, y, z = GEOMETRY.to_world((6, 2, 3))[0]
    base = ("--mask", tmp_path / "one.dcm", "--suv", study, "-m", "41")
    for name, point, flags in (("lps", (x, y, z), ()), ("ras", (-x, -y, z), ("--ras",))):
        seed = ("--include-seed", ",".join(f"{v:g}" for v in point), *flags)
        status, text = command(*base, "--out", tmp_path / name, "--case-id", "a", *seed)
        assert status == 0, text
        assert "SUV " in text
    one, other = ((tmp_path / name / "a").rglob("review/*/tmtv.json") for name in ("lps", "ras"))
    assert json.loads(next(one).read_text())["methods"] == json.loads(next(other).read_text())["methods"]
    status, text = command(
        *base, "--out", tmp_path / "x", "--case-id", "a", "--exclude-mask", tmp_path / "two.dcm"
    )
    assert status == 0, text
    assert "Final" in text
    (final,) = (tmp_path / "x" / "a").rglob("review/*/tmtv.json")
    assert json.loads(final.read_text())["methods"]["41"]["tmtv_ml"] == 0
