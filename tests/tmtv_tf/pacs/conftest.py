"""One network namespace for the tests that talk to an archive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from orthanc import Orthanc, own_network, running_orthanc


@pytest.fixture(scope="package")
def network() -> Iterator[None]:
    """A loopback of our own; every thread and process started from here on is in it."""
    with own_network():
        yield


@pytest.fixture(scope="package")
def _orthanc(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture
def orthanc(_orthanc: Orthanc) -> Orthanc:
    """An empty, running Orthanc."""
    _orthanc.clear()
    return _orthanc
