"""A pool of samples on disk."""

import numpy as np

from tmtv_tf.phantom.worlds.pool import fill_pool, pool_files, read_sample


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
