"""What a coarse network found, outlined on the PET: tmtv_tf.inference.outlines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from petct.image import Geometry, Image
from petct.rois.roi import Roi
from tmtv_tf.cases.truth import tmtv_probability
from tmtv_tf.inference.outlines import outline
from tmtv_tf.models.file import Outlining

HOW = Outlining(margin_mm=8.0, certain=0.65)
SPACING = (3.0, 2.0, 2.0)


def sphere(shape, centre, radius_mm, spacing=SPACING):
    """Voxels whose centre is at most `radius_mm` from the voxel `centre`."""
    axes = np.ix_(*[(np.arange(n) - c) * s for n, c, s in zip(shape, centre, spacing)])
    return sum(a * a for a in axes) <= radius_mm**2


def images(suv, probability, spacing=SPACING):
    geometry = Geometry(suv.shape, spacing)
    return Image(probability.astype(np.float32), geometry), Image(suv.astype(np.float32), geometry)


def lesion(shape=(30, 40, 40), centre=(15, 20, 20), suv=10.0, core_mm=8.0, edge_mm=14.0, p=0.9):
    """A hot sphere of which the network marks the core alone."""
    pet = np.where(sphere(shape, centre, edge_mm), suv, 1.0)
    return images(pet, np.where(sphere(shape, centre, core_mm), p, 0.1)), sphere(shape, centre, edge_mm)


def test_the_lesion_ends_where_its_uptake_ends():
    (probability, pet), truth = lesion()
    outline(probability, pet, HOW)
    np.testing.assert_array_equal(probability.array > 0.5, truth)
    assert set(np.unique(probability.array[truth])) == {1.0}


def test_the_map_is_tmtvprob_of_the_grown_component():
    rng = np.random.default_rng(3)
    pet = ndimage.gaussian_filter(rng.gamma(1.0, 4.0, (24, 30, 30)), 1.5).astype(np.float32)
    core = sphere(pet.shape, (12, 15, 15), 7.0)
    probability, image = images(pet, np.where(core, 0.8, 0.2))
    outline(probability, image, HOW)
    roi = ndimage.distance_transform_edt(~core, sampling=SPACING) <= HOW.margin_mm
    np.testing.assert_array_equal(
        probability.array[roi], tmtv_probability(pet, [Roi.from_mask("", roi)])[roi]
    )
    np.testing.assert_array_equal(probability.array[~roi], np.float32(0.2))


@pytest.mark.parametrize(("p", "kept"), [(0.6, False), (0.65, False), (0.66, True)])
def test_a_component_that_is_nowhere_certain_is_no_lesion(p, kept):
    (probability, pet), _ = lesion(p=p)
    outline(probability, pet, HOW)
    assert (probability.array > 0.5).any() == kept
    if not kept:
        assert probability.array.max() == 0.5


def test_one_certain_voxel_is_enough():
    (probability, pet), truth = lesion(p=0.55)
    probability.array[15, 20, 20] = 0.7
    outline(probability, pet, HOW)
    np.testing.assert_array_equal(probability.array > 0.5, truth)


def test_a_lesion_below_three_thresholds_is_no_tumour_in_tmtvprob():
    (probability, pet), _ = lesion(suv=2.4)  # above 41 % of its SUVmax and above Otsu's threshold alone
    outline(probability, pet, HOW)
    assert probability.array.max() == 0.5


def test_neighbours_keep_their_own_voxels():
    """A faint lesion beside a hot one is not lost to the 41 % of the hot one."""
    shape = (20, 40, 60)
    faint, hot = sphere(shape, (10, 20, 15), 9), sphere(shape, (10, 20, 29), 9)
    probability, pet = images(np.where(hot, 30.0, np.where(faint, 6.0, 1.0)), np.where(faint | hot, 0.9, 0.0))
    assert ndimage.label(faint | hot)[1] == 2
    outline(probability, pet, HOW)
    np.testing.assert_array_equal(probability.array > 0.5, faint | hot)


def test_at_the_border_of_the_image():
    (probability, pet), truth = lesion(shape=(16, 18, 18), centre=(0, 17, 0))
    outline(probability, pet, HOW)
    np.testing.assert_array_equal(probability.array > 0.5, truth)


def test_nothing_found_changes_nothing():
    probability, pet = images(np.ones((6, 7, 8)), np.full((6, 7, 8), 0.5))
    outline(probability, pet, HOW)
    np.testing.assert_array_equal(probability.array, 0.5)


def test_without_a_margin_only_the_component_is_a_roi():
    (probability, pet), _ = lesion()
    outline(probability, pet, Outlining(margin_mm=0, certain=0.5))
    np.testing.assert_array_equal(probability.array > 0.5, sphere(pet.array.shape, (15, 20, 20), 8.0))


@given(seed=st.integers(0, 2**32 - 1), margin=st.floats(0, 15))
def test_only_uptake_near_what_was_found_is_tumour(seed, margin):
    rng = np.random.default_rng(seed)
    shape, spacing = (10, 11, 12), tuple(rng.uniform(1, 6, 3))
    found = rng.random(shape).astype(np.float32) ** 2
    probability, pet = images(rng.gamma(1.0, 4.0, shape), found, spacing)
    outline(probability, pet, Outlining(margin, 0.8))
    tumour = probability.array > 0.5
    near = ndimage.distance_transform_edt(found <= 0.5, sampling=spacing) <= margin
    assert not tumour[~near].any()
    assert np.all(pet.array[tumour] > 2.5)
    assert probability.array.min() >= 0
    assert probability.array.max() <= 1
    untouched = ~near & (found <= 0.5)
    np.testing.assert_array_equal(probability.array[untouched], found[untouched])
