"""Amounts of augmentation."""

from __future__ import annotations

import pytest

from petct.errors import ParameterError
from tmtv_tf.input.augmentation import Augmentation


def test_wrong_amounts_are_refused():
    with pytest.raises(ParameterError):
        Augmentation(scaling=(1.1, 0.9))
    with pytest.raises(ParameterError):
        Augmentation(probability=1.5)
    with pytest.raises(ParameterError, match="0 or more"):
        Augmentation(rotation_degrees=(3.0, -6.0, 3.0))
