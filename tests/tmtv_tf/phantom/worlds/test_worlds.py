"""The worlds: repeatable, a body that looks like one, truth by the rule of `cases.truth`, and no lesion in the air."""

import os
from pathlib import Path

import numpy as np
import pytest

from petct.errors import CaseError, ParameterError
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Anatomy, smooth_noise, spread
from tmtv_tf.phantom.worlds.lesions import draw_seeds
from tmtv_tf.phantom.worlds.pool import fill_pool, pool_files, read_sample
from tmtv_tf.phantom.worlds.sample import Sample, make_sample, outlines
from tmtv_tf.phantom.worlds.score import score, summary

SHARED = Path(os.environ.get("TMTV_SHARED_DATA", Path(__file__).parents[5] / "shared" / "data"))
ANATOMIES = SHARED / "hubmap_vh"
needs_anatomies = pytest.mark.skipif(not ANATOMIES.is_dir(), reason=f"{ANATOMIES} is not there")


@pytest.fixture(scope="module")
def drawn() -> Sample:
    return make_sample("primitives", (7, 3))


def test_a_sample_holds_a_body_with_lesions_inside(drawn):
    body_ml = np.count_nonzero(drawn.suv > 0.1) * VOXEL_MM**3 / 1000
    assert 20_000 < body_ml < 150_000
    assert set(np.unique(drawn.tmtvprob)) <= {0, 0.25, 0.5, 0.75, 1}
    assert drawn.lesions.any()
    assert drawn.hot.any()
    assert not (drawn.hot & (drawn.lesions > 0)).any()
    assert np.median(drawn.suv[drawn.lesions > 0]) > np.median(drawn.suv[drawn.suv > 0.1])


def test_the_same_seed_gives_the_same_image_and_another_seed_another(drawn):
    again, other = make_sample("primitives", (7, 3)), make_sample("primitives", (7, 4))
    np.testing.assert_array_equal(drawn.suv, again.suv)
    np.testing.assert_array_equal(drawn.hu, again.hu)
    np.testing.assert_array_equal(drawn.tmtvprob, again.tmtvprob)
    assert other.suv.shape != drawn.suv.shape or not np.array_equal(other.suv, drawn.suv)


@pytest.mark.parametrize("world", ["male", "female"])
@needs_anatomies
def test_an_adult_has_his_organs_and_stations_in_the_body(world):
    from tmtv_tf.phantom.worlds.segmented import segmented_adult
    from tmtv_tf.phantom.worlds.tissues import Tissue as T

    adult = segmented_adult(ANATOMIES, world)
    volume_ml = np.bincount(adult.labels.ravel(), minlength=60) * VOXEL_MM**3 / 1000
    # usual volumes of adults (ICRP Publication 89), with room for what is filled in by rule
    for tissue, low, high in (
        (T.BRAIN, 800, 1800),
        (T.LUNG, 2000, 8000),
        (T.LIVER, 1400, 2400),
        (T.SPLEEN, 130, 260),
        (T.STOMACH, 100, 600),
    ):
        assert low < volume_ml[tissue] < high, tissue.name
    outside = [
        name
        for name, line in adult.stations.items()
        if not any(
            adult.labels[tuple(np.clip((p / VOXEL_MM).astype(int), 0, np.array(adult.labels.shape) - 1))]
            for p in line
        )
    ]
    assert not outside


def test_three_patients_of_ten_have_a_mass_in_soft_tissue_far_from_all_nodes():
    from tmtv_tf.phantom.worlds.tissues import Tissue as T

    labels = np.full((60, 30, 30), T.LIVER, np.uint8)
    labels[:20] = T.FAT  # the limb: 0 to 80 mm
    node = np.array([[200.0, 60.0, 60.0]])
    anatomy = Anatomy(
        labels, labels.astype(np.float32), {"left neck": node}, (node[0],) * 2, node[0], (180, 110)
    )
    places = (np.indices(labels.shape) * VOXEL_MM).astype(np.float32)
    masses = [
        [s for s in draw_seeds(anatomy, labels, places, np.random.default_rng(k)) if s.bulky and not s.organ]
        for k in range(200)
    ]
    masses = [[s for s in found if s.voxel[0] < 25] for found in masses]
    assert 40 <= sum(bool(found) for found in masses) <= 75
    assert 50 < np.median([s.volume_ml for found in masses for s in found]) < 300


def test_a_world_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="painter, male, female, primitives.*'moon'"):
        make_sample("moon", (1,))
    with pytest.raises(ParameterError, match="needs the folder of the label maps"):
        make_sample("male", (1,))
    with pytest.raises(CaseError, match="male_labels.nii.gz: no such file"):
        make_sample("male", (1,), tmp_path)


def test_a_pool_gives_back_what_was_put_in_and_is_filled_only_where_it_is_empty(tmp_path, drawn):
    assert fill_pool(tmp_path, ["primitives"], 4, 7, None, part=(3, 4)) == 1
    assert fill_pool(tmp_path, ["primitives"], 4, 7, None, part=(3, 4)) == 0
    (path,) = pool_files(tmp_path, ["primitives"])
    stored = read_sample(path)
    np.testing.assert_array_equal(stored.tmtvprob, drawn.tmtvprob)
    np.testing.assert_array_equal(stored.lesions, drawn.lesions)
    # one step of the square root in sixteen bits: 2 sqrt(SUV 64) / 65535
    assert np.all(np.abs(stored.suv - drawn.suv)[drawn.suv < 60] <= 2 * np.sqrt(60 * 64) / 65535)
    assert np.abs(stored.hu - np.clip(drawn.hu, -1024, 1016)).max() <= 4.01


def test_an_outline_keeps_off_hot_tissue_and_other_lesions():
    numbers = np.zeros((20, 20, 30), np.uint8)
    numbers[8:12, 8:12, 8:12], numbers[8:12, 8:12, 13:16] = 1, 2
    normal = np.ones(numbers.shape, np.float32)
    normal[:, :, 5:8] = 9.0
    first, second = outlines(numbers, normal, np.random.default_rng(0))
    region = np.zeros(numbers.shape, bool)
    region[first.slices] = first.mask
    assert region[numbers == 1].all()
    assert not region[numbers == 2].any()
    assert not (region & (normal > 2.4)).any()
    assert region.sum() > (numbers == 1).sum()
    assert second.voxels > (numbers == 2).sum()


def test_scores_by_hand():
    """Two lesions of 8 voxels (0.512 mL); one half found, 4 voxels of speck elsewhere, 2 of them in the heart."""
    shape = (12, 12, 12)
    truth, probability, hot = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    truth[1:3, 1:3, 1:3] = truth[8:10, 8:10, 8:10] = 1
    truth[5, 5, 5] = 0.5  # not more than half: no lesion
    lesions = truth.astype(np.uint8)
    lesions[8:] *= 2
    lesions[5, 5, 5] = 3
    probability[1:3, 1:3, 1] = 1
    probability[5, 1:3, 9:11] = 1
    hot[5, 1, 9:11] = True
    sample = Sample(truth, truth, truth, lesions, hot)
    result = score(probability, sample)
    assert result.dice == pytest.approx(2 * 4 / (8 + 16))
    assert (result.lesions, result.found) == (result.drawn, result.drawn_found) == (2, 1)
    two_parts = Sample(
        truth, truth, truth, (truth > 0.5).astype(np.uint8), hot
    )  # one lesion, half of it found
    assert (score(probability, two_parts).drawn, score(probability, two_parts).drawn_found) == (1, 1)
    assert result.false_ml == pytest.approx(4 * 0.064)
    assert result.hot_ml == pytest.approx(2 * 0.064)
    ignored = np.zeros(shape, bool)
    ignored[5] = True
    assert score(probability, sample, ignored).false_ml == 0
    table = summary([result, score(truth, sample)])
    assert table["median_dice"] == pytest.approx((1 / 3 + 1) / 2)
    assert table["lesions_found"] == table["drawn_found"] == pytest.approx(0.75)
    assert np.isnan(score(np.zeros(shape), Sample(truth, truth, 0 * truth, hot * np.uint8(0), hot)).dice)


def test_smooth_noise_has_unit_variance_and_its_mirror():
    field = smooth_noise((60, 60, 60), 40.0, np.random.default_rng(1), mirrored=True)
    assert 0.6 < field.std() < 1.4
    np.testing.assert_allclose(field, field[:, :, ::-1], atol=1e-4)
    flat = spread(np.full((4, 4, 4), 3.0, np.float32), (7, 8, 9))
    np.testing.assert_allclose(flat, 3.0, rtol=1e-5)
