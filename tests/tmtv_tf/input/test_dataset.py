"""The stream of batches: what is in it, its order, and that it can be entered anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.input.augment import Augmentation
from tmtv_tf.input.dataset import epoch_order, steps_per_epoch, training_dataset, validation_dataset
from tmtv_tf.input.grid import ModelArrays, ModelGrid, write_raw_arrays

GRID = ModelGrid((4, 6, 8), (4.0, 4.0, 4.0))


@pytest.fixture
def arrays(tmp_path):
    """Seven cases whose image is (k + 1) / 10 everywhere."""
    cases = []
    for k in range(7):
        case = ModelArrays(tmp_path / str(k) / "model_grid" / GRID.key, GRID)
        value = (k + 1) / 10
        write_raw_arrays(case, np.full(GRID.input_shape, value), np.full((4, 6, 8, 1), 1 - value), {})
        cases.append(case)
    return cases


def numbers(dataset) -> list[list[int]]:
    return [[round(float(v) * 10) - 1 for v in image[:, 0, 0, 0, 0]] for image, _ in dataset]


def test_every_epoch_is_a_permutation_in_whole_batches(arrays):
    batches = numbers(training_dataset(arrays, batch=2, seed=3, epochs=4))
    assert len(batches) == 4 * steps_per_epoch(7, 2) == 12
    epochs = [sum(batches[3 * e : 3 * e + 3], []) for e in range(4)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert set(sum(epochs, [])) == set(range(7))


def test_values_survive_the_storage(arrays):
    image, target = next(iter(training_dataset(arrays, batch=1, seed=0, epochs=1)))
    assert image.shape == (1, 4, 6, 8, 2)
    assert target.shape == (1, 4, 6, 8, 1)
    assert image.dtype == target.dtype == "float32"
    np.testing.assert_allclose(image[..., :1] + target, 1, atol=0.003)


def test_a_resumed_stream_goes_on_where_it_was(arrays):
    options = {"batch": 2, "seed": 3, "epochs": 5, "augmentation": Augmentation()}
    whole = [image.numpy() for image, _ in training_dataset(arrays, **options)]
    rest = [image.numpy() for image, _ in training_dataset(arrays, **options, first_epoch=2, first_step=1)]
    assert len(rest) == len(whole) - 7
    for a, b in zip(whole[7:], rest, strict=True):
        np.testing.assert_array_equal(a, b)


def test_online_augmentation_is_new_in_each_epoch(arrays):
    images = [
        i.numpy()
        for i, _ in training_dataset(arrays[:1], batch=1, seed=0, epochs=3, augmentation=Augmentation())
    ]
    assert not np.allclose(images[0], images[1])
    assert not np.allclose(images[1], images[2])


def test_validation_sees_every_case_once_in_order(arrays):
    data = validation_dataset(arrays, batch=3)
    assert numbers(data) == [[0, 1, 2], [3, 4, 5], [6]]
    assert numbers(data) == [[0, 1, 2], [3, 4, 5], [6]]


def test_each_worker_reads_its_share_of_each_batch(arrays):
    whole = numbers(training_dataset(arrays, batch=2, seed=3, epochs=2))
    shares = [
        sum(numbers(training_dataset(arrays, batch=2, seed=3, epochs=2, worker=(i, 2)).take(3)), [])
        for i in (0, 1)
    ]
    assert [list(pair) for pair in zip(*shares, strict=True)] == whole


def test_order_depends_on_seed_and_epoch_alone():
    first = epoch_order(10, 2, seed=1, first=0, last=3)
    np.testing.assert_array_equal(first[20:], epoch_order(10, 2, seed=1, first=2, last=3))
    assert not np.array_equal(first, epoch_order(10, 2, seed=2, first=0, last=3))


def test_too_few_cases_are_refused(arrays):
    with pytest.raises(ParameterError, match="A batch of 8 needs at least as many training cases"):
        training_dataset(arrays, batch=8, seed=0, epochs=1)


def test_storage_of_the_target_as_uint8_does_not_change_the_loss():
    """Noise in [0, 1] as target and as prediction: the soft Dice loss differs by less than 1e-4."""
    from tmtv_tf.models.losses import soft_dice_loss

    rng = np.random.default_rng(0)
    target = (rng.integers(0, 5, (1, 16, 16, 16, 1)) / 4 * rng.uniform(size=(1, 16, 16, 16, 1))).astype(
        np.float32
    )
    prediction = rng.uniform(size=target.shape).astype(np.float32)
    stored = (np.rint(target * 255) / 255).astype(np.float32)
    difference = float(soft_dice_loss(target, prediction)[0] - soft_dice_loss(stored, prediction)[0])
    assert abs(difference) < 1e-4
