"""Packages that only some commands need."""

from __future__ import annotations

import pytest

from petct.errors import ParameterError
from petct.extras import extra


def test_what_is_missing_is_named_with_what_brings_it() -> None:
    said = r"tmtv serve needs more .*\(no_such_package\): pip install '\.\[pacs\]'"
    with pytest.raises(ParameterError, match=said), extra("pacs", "tmtv serve"):
        import no_such_package  # noqa: F401


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), extra("pacs", "tmtv serve"):
        raise KeyError("x")
