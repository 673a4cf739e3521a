"""What runs on other computers needs Dask."""

from __future__ import annotations

import sys

import pytest

from petct.cluster import run_on_cluster
from petct.errors import ParameterError


def test_a_cluster_without_dask_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ParameterError, match=r"--scheduler needs more .*\(distributed\).*\.\[cluster\]"):
        list(run_on_cluster([], "tcp://localhost:1"))
