"""The stream of batches: what is in it, its order, and that it can be entered anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from petct.errors import ParameterError
from tmtv_tf.input.arrays import ModelArrays, read_model_arrays, write_raw_arrays
from tmtv_tf.input.augment import Augmentation
from tmtv_tf.input.dataset import epoch_order, steps_per_epoch, training_dataset, validation_dataset
from tmtv_tf.input.grid import ModelGrid

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


def test_every_epoch_sees_every_case_in_whole_batches(arrays):
    """Seven cases in batches of two: the fourth batch is filled with the epoch's first case."""
    batches = numbers(training_dataset(arrays, batch=2, seed=3, epochs=4))
    assert len(batches) == 4 * steps_per_epoch(7, 2) == 16
    epochs = [sum(batches[4 * e : 4 * e + 4], []) for e in range(4)]
    for epoch in epochs:
        assert sorted(epoch[:7]) == list(range(7))
        assert epoch[7] == epoch[0]
    assert len({tuple(epoch) for epoch in epochs}) == 4


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
    assert len(rest) == len(whole) - 9
    for a, b in zip(whole[9:], rest, strict=True):
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
        sum(numbers(training_dataset(arrays, batch=2, seed=3, epochs=2, worker=(i, 2)).take(4)), [])
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


def stored_quarters(folder) -> tuple[ModelArrays, np.ndarray]:
    """One case whose target is whole slabs of TMTVprob's five values."""
    case = ModelArrays(folder / "quarters" / "model_grid" / GRID.key, GRID)
    target = np.zeros((4, 6, 8, 1), np.float32)
    target[:] = (np.arange(8) % 5 / 4)[None, None, :, None]
    write_raw_arrays(case, np.zeros(GRID.input_shape, np.float32), target, {})
    return case, target


def test_tmtvprob_comes_back_exactly_as_stored(tmp_path):
    case, target = stored_quarters(tmp_path)
    np.testing.assert_array_equal(read_model_arrays(case)[1], target)
    for dataset in (
        training_dataset([case], batch=1, seed=0, epochs=1),
        validation_dataset([case], batch=1),
    ):
        np.testing.assert_array_equal(next(iter(dataset))[1][0], target)


def test_interpolated_values_are_kept_to_a_thousandth(tmp_path):
    case = ModelArrays(tmp_path / "ramp" / "model_grid" / GRID.key, GRID)
    target = np.linspace(0, 1, 4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8, 1)
    write_raw_arrays(case, np.zeros(GRID.input_shape, np.float32), target, {})
    np.testing.assert_allclose(read_model_arrays(case)[1], target, atol=2e-5)


def test_a_perfect_answer_is_perfect_through_the_stored_form(tmp_path):
    """TMTVprob is 0.5 over whole shells, and 0.5 is not above 0.5: in metric and loss as in the tables."""
    from tmtv_tf.models.losses import SegmentationLoss
    from tmtv_tf.models.metrics import HardDice

    case, truth = stored_quarters(tmp_path)
    perfect = (truth > 0.5).astype(np.float32)[None]
    target = next(iter(validation_dataset([case], batch=1)))[1]
    dice = HardDice()
    dice.update_state(target, perfect)
    assert float(dice.result()) == 1.0
    assert float(SegmentationLoss(binarize_target=True)(target, perfect)) == pytest.approx(0, abs=1e-7)


def test_half_stays_half_where_an_image_is_moved(tmp_path):
    """Interpolation between equal neighbours: 0.5 everywhere but at the border, never 0.50000006."""
    case = ModelArrays(tmp_path / "half" / "model_grid" / GRID.key, GRID)
    write_raw_arrays(case, np.zeros(GRID.input_shape), np.full((4, 6, 8, 1), 0.5), {})
    augmentation = Augmentation(probability=1.0)
    for _, target in training_dataset([case], batch=1, seed=0, epochs=40, augmentation=augmentation):
        assert float(np.max(target)) == 0.5
