"""Liu et al.'s crop, against positions known beforehand; unequal spacing on each axis."""

import numpy as np
import pytest

from petct.errors import CaseError, ParameterError
from petct.files import write_json
from petct.image import Geometry, Image, write_image
from tmtv_tf.input.multitask_input import (
    MultitaskGrid,
    crop_geometry,
    crop_report,
    multitask_arrays,
    multitask_image,
    multitask_truth,
    probability_on_pet,
    read_truth,
    resized_geometry,
)

# A PET of 848 x 704 x 704 mm: as large as the paper's grid, with other voxels and another origin.
GEOMETRY = Geometry((160, 88, 64), (5.3, 8.0, 11.0), (-340.0, -300.0, -1000.0))
GRID = MultitaskGrid()


def world(geometry):
    index = np.indices(geometry.shape).reshape(3, -1).T
    return geometry.to_world(index).reshape(*geometry.shape, 3)


def body(centre_xy=(60.0, -40.0), half_xy=(150.0, 100.0)):
    """SUV 1 inside a box-shaped body, a far and smaller island, and a hot voxel column outside."""
    xyz = world(GEOMETRY)
    inside = np.all(np.abs(xyz[..., :2] - centre_xy) < half_xy, axis=-1)
    pet = inside.astype(np.float32)
    pet[:, :2, :2] = 5.0
    return Image(pet, GEOMETRY)


def test_crop_is_247_64_80_from_the_top_and_centred_on_the_body():
    crop = crop_geometry(body(), GRID)
    assert crop.shape == (247, 64, 80)
    top_edge = GEOMETRY.origin_mm[2] + (160 - 0.5) * 5.3
    assert crop.origin_mm[2] + (247 - 0.5) * 3.3 == pytest.approx(top_edge)
    x, y, _ = crop.to_world([[123, 31.5, 39.5]])[0]
    assert x == pytest.approx(60.0, abs=5.5)
    assert y == pytest.approx(-40.0, abs=5.5)


def test_crop_stays_inside_the_resampled_grid():
    crop = crop_geometry(body(centre_xy=(300.0, 300.0)), GRID)
    high = crop.to_world([[0, 63.5, 79.5]])[0]
    centre = GEOMETRY.to_world([[0, (88 - 1) / 2, (64 - 1) / 2]])[0]
    assert high[0] == pytest.approx(centre[0] + 352)
    assert high[1] == pytest.approx(centre[1] + 352)


def test_resized_grid_fills_the_same_box():
    crop = crop_geometry(body(), GRID)
    resized = resized_geometry(crop, GRID.size)
    np.testing.assert_allclose(resized.spacing_mm, (247 * 3.3 / 224, 5.5, 80 * 5.5 / 64))
    np.testing.assert_allclose(
        resized.to_world([[-0.5, -0.5, -0.5], [223.5, 63.5, 63.5]]),
        crop.to_world([[-0.5, -0.5, -0.5], [246.5, 63.5, 79.5]]),
    )


def test_image_holds_the_world_where_it_says():
    """A PET that is linear in x, y and z stays so under linear interpolation."""
    xyz = world(GEOMETRY)
    ramp = Image((10 + xyz @ [0.005, -0.004, 0.006]).astype(np.float32), GEOMETRY)
    crop = crop_geometry(body(), GRID)
    image = multitask_image(ramp, crop, GRID)
    assert image.array.shape == (224, 64, 64)
    assert image.array.dtype == np.float32
    expected = (10 + world(image.geometry) @ [0.005, -0.004, 0.006]) / 25
    np.testing.assert_allclose(image.array[5:-5], expected[5:-5], atol=1e-4)


def test_intensity_window_is_clipped():
    crop = crop_geometry(body(), GRID)
    hot = Image(np.full(GEOMETRY.shape, 12.5, np.float32), GEOMETRY)
    hot.array[:80] = 40.0
    values = multitask_image(hot, crop, GRID).array
    assert values.max() == 1.0
    assert values[-1].mean() == pytest.approx(0.5)


def test_sphere_comes_back_to_the_pet_grid():
    xyz = world(GEOMETRY)
    sphere = np.linalg.norm(xyz - (60.0, -40.0, -500.0), axis=-1) < 60
    crop = crop_geometry(body(), GRID)
    truth = multitask_truth(Image(sphere, GEOMETRY), crop, GRID)
    resized = resized_geometry(crop, GRID.size)
    centre = resized.to_world([np.argwhere(truth).mean(axis=0)])[0]
    np.testing.assert_allclose(centre, (60, -40, -500), atol=3)
    back = probability_on_pet(truth.astype(np.float32), crop, GEOMETRY) > 0.5
    assert 2 * (back & sphere).sum() / (back.sum() + sphere.sum()) > 0.95
    assert back.sum() == pytest.approx(sphere.sum(), rel=0.05)


def test_lesions_cut_by_the_crop_are_counted():
    crop = crop_geometry(body(), GRID)
    truth = np.zeros(GEOMETRY.shape, bool)
    truth[100, 40, 34] = 1  # inside
    truth[100, 40, 0:2] = 1  # at x = -340, -329: far outside
    inside_x = round(crop.to_world([[0, 0, 0]])[0][0] + 340) // 11
    truth[120, 40, inside_x - 2 : inside_x + 3] = 1  # straddles the border
    report = crop_report(Image(truth, GEOMETRY), crop)
    assert (report.lesions, report.lesions_cut) == (3, 2)
    voxel_ml = 5.3 * 8 * 11 / 1000
    assert report.volume_ml == pytest.approx(8 * voxel_ml)
    assert 4 * voxel_ml <= report.volume_outside_ml + 1e-9
    assert "2 of 3 lesions" in report.warning
    empty = crop_report(Image(np.zeros_like(truth), GEOMETRY), crop)
    assert (empty.lesions, empty.warning) == (0, None)


def test_strong_reduction_keeps_the_mean():
    grid = MultitaskGrid(size=(32, 16, 16))
    rng = np.random.default_rng(0)
    pet = Image(rng.random(GEOMETRY.shape, np.float32) * 5, GEOMETRY)
    crop = crop_geometry(body(), grid)
    full = multitask_image(pet, crop, MultitaskGrid(size=grid.crop)).array
    assert multitask_image(pet, crop, grid).array.mean() == pytest.approx(full.mean(), rel=1e-3)


def test_refusals():
    with pytest.raises(CaseError, match="above SUV 0.2"):
        crop_geometry(Image(np.full(GEOMETRY.shape, 0.2, np.float32), GEOMETRY), GRID)
    with pytest.raises(ParameterError, match="larger than the grid"):
        MultitaskGrid(crop=(300, 64, 80))
    with pytest.raises(ParameterError, match="three positive"):
        MultitaskGrid(size=(0, 64, 64))


def write_case(folder, pet, truth=None):
    write_image(folder / "pet.nii.gz", pet)
    if truth is not None:
        write_image(folder / "tmtvprob.nii.gz", truth)
        write_image(folder / "reference_outlines.nii.gz", truth.with_array(truth.array > 0))
        for method in ("41", "2.5", "4.0", "otsu"):
            write_image(folder / f"reference_{method}.nii.gz", truth.with_array(truth.array > 0.5))
    write_json(folder / "case.json", {"case_id": folder.name})
    return folder


def test_arrays_are_kept_and_made_again_when_the_case_changes(tmp_path):
    grid = MultitaskGrid(size=(32, 16, 16))
    truth = Image((body().array == 1).astype(np.float32), GEOMETRY)
    case = write_case(tmp_path / "a", body(), truth)
    first = multitask_arrays(case, grid)
    image = first.read_image()
    assert image.shape == (32, 16, 16, 1)
    assert first.read_truth().any()
    written = first.image.stat().st_mtime_ns
    assert multitask_arrays(case, grid) == first
    assert first.image.stat().st_mtime_ns == written
    write_image(case / "pet.nii.gz", Image(body().array * 2, GEOMETRY))
    assert multitask_arrays(case, grid).read_image().max() > image.max()


def test_case_without_contours_has_no_truth(tmp_path):
    arrays = multitask_arrays(write_case(tmp_path / "b", body()), MultitaskGrid(size=(32, 16, 16)))
    assert not arrays.has_truth
    assert not arrays.read_truth().any()


def gaussian_case(folder, suv_max):
    """A Gaussian lesion of SUVmax `suv_max` in a body of SUV 0.5, outlined in 28.0 mL, as `prepare` writes it."""
    from petct.rois import RoiTarget
    from tmtv_tf.cases.prepare import Settings
    from tmtv_tf.cases.reference import write_reference

    geometry = Geometry((80, 80, 80), (2.0, 2.0, 2.0), (-79.0, -79.0, -79.0))
    r = np.linalg.norm(world(geometry), axis=-1)
    outline = r <= (28.0 * 3000 / (4 * np.pi)) ** (1 / 3)
    suv = 0.5 + (suv_max - 0.5) * np.exp(-(r**2) / (2 * 9.0**2))
    folder.mkdir()
    write_image(folder / "pet.nii.gz", Image(suv.astype(np.float32), geometry))
    write_image(folder.parent / "roi.nii.gz", Image(outline, geometry))
    target = RoiTarget(Image(suv.astype(np.float32), geometry))
    write_reference(folder, [folder.parent / "roi.nii.gz"], target, Settings(grid=None))
    write_json(folder / "case.json", {"case_id": folder.name})
    return folder, geometry.voxel_ml


@pytest.mark.parametrize("suv_max", [2.4, 3.0, 6.0, 12.0])
def test_an_outlined_lesion_stays_whole_whatever_its_uptake(tmp_path, suv_max):
    """28.0 mL were outlined; on voxels of 0.14 mL that is 24.8. TMTVprob > 0.5 leaves 0 mL of it at SUVmax 2.4."""
    case, voxel_ml = gaussian_case(tmp_path / "c", suv_max)
    truth = read_truth(case, "outlines")
    assert truth.array.sum() * voxel_ml == pytest.approx(28.0, rel=0.02)
    arrays = multitask_arrays(case, MultitaskGrid())
    spacing = resized_geometry(arrays.crop, arrays.grid.size).spacing_mm
    assert arrays.read_truth().sum() * np.prod(spacing) / 1000 == pytest.approx(28.0, rel=0.13)
    assert arrays.report.volume_ml == pytest.approx(28.0, rel=0.02)
    inside = multitask_arrays(case, MultitaskGrid(), "tmtvprob").read_truth().sum() * np.prod(spacing) / 1000
    assert inside == 0 if suv_max == 2.4 else 0 < inside < 28


def test_the_truth_is_binary_before_it_is_resampled():
    """A core of 1 in a shell of 0.25, of which nothing is above 0.5: interpolated first, its edge would move out."""
    crop = crop_geometry(body(), GRID)
    r = np.linalg.norm(world(GEOMETRY) - (60.0, -40.0, -500.0), axis=-1)
    quarters = Image(np.where(r < 40, 1.0, np.where(r < 80, 0.25, 0.0)).astype(np.float32), GEOMETRY)
    with pytest.raises(ParameterError, match="before it is resampled"):
        multitask_truth(quarters, crop, GRID)
    binary = multitask_truth(quarters.with_array(quarters.array > 0.5), crop, GRID)
    expected = probability_on_pet(binary.astype(np.float32), crop, GEOMETRY) > 0.5
    assert expected.sum() == pytest.approx((quarters.array > 0.5).sum(), rel=0.1)


def test_a_case_of_an_earlier_version_is_sent_back_to_prepare(tmp_path):
    truth = Image((body().array == 1).astype(np.float32), GEOMETRY)
    case = write_case(tmp_path / "a", body(), truth)
    (case / "reference_outlines.nii.gz").unlink()
    grid = MultitaskGrid(size=(32, 16, 16))
    with pytest.raises(CaseError, match="reference_outlines.nii.gz: missing.*prepare it again"):
        multitask_arrays(case, grid)
    assert multitask_arrays(case, grid, "tmtvprob").has_truth
    with pytest.raises(ParameterError, match="truth must be one of"):
        multitask_arrays(case, grid, "masks")


def test_two_truths_have_arrays_of_their_own(tmp_path):
    truth = Image((body().array == 1) * np.float32(0.5), GEOMETRY)
    case, grid = write_case(tmp_path / "a", body(), truth), MultitaskGrid(size=(32, 16, 16))
    outlines, tmtvprob = multitask_arrays(case, grid), multitask_arrays(case, grid, "tmtvprob")
    assert outlines.read_truth().any()
    assert not tmtvprob.read_truth().any()  # 0.5 is not above 0.5
    assert multitask_arrays(case, grid).read_truth().any()
