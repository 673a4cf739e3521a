"""One sample of a world: repeatable, a body that looks like one, truth by the rule of `cases.truth`."""

import numpy as np
import pytest

from petct.errors import CaseError, ParameterError
from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM
from tmtv_tf.phantom.worlds.sample import make_sample, outlines


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


def test_a_world_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="painter, male, female, primitives.*'moon'"):
        make_sample("moon", (1,))
    with pytest.raises(ParameterError, match="needs the folder of the label maps"):
        make_sample("male", (1,))
    with pytest.raises(CaseError, match="male_labels.nii.gz: no such file"):
        make_sample("male", (1,), tmp_path)


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
