import pytest

from tmtv_tf.phantom.worlds.sample import Sample, make_sample


@pytest.fixture(scope="session")
def drawn() -> Sample:
    return make_sample("primitives", (7, 3))
