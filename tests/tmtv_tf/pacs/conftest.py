"""One network namespace for the tests that talk to an archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from orthanc import Orthanc, own_network, running_orthanc
from study_files import suv_image, write_pet_ct

import petct
import tmtv_tf
from petct.image import Image, write_image


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


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, audit log and credentials of nobody."""
    for name in ("TMTV_PACS_TOKEN", "TMTV_PACS_USER", "TMTV_PACS_PASSWORD", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A PET/CT study with two hot boxes."""
    return write_pet_ct(tmp_path / "dicom")


@pytest.fixture
def mask(study: Path, tmp_path: Path) -> Path:
    """Its lesions, from elsewhere."""
    exam = petct.read_exam(study)
    write_image(tmp_path / "mask.nii.gz", Image(suv_image() > 4, exam.pet.geometry))
    return tmp_path / "mask.nii.gz"


@pytest.fixture
def result(own_home: None, study: Path, mask: Path, tmp_path: Path) -> Path:
    """What `tmtv run` made of it: SEG, RTSTRUCT, SR, PDF."""
    options = tmtv_tf.RunOptions(pdf_dicom=True)
    (case_id,) = tmtv_tf.run(study, mask=mask, out=tmp_path / "out", options=options).studies
    return tmp_path / "out" / case_id


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither names, passwords nor certificates of whoever runs the tests."""
    for name in ("TMTV_PACS_TOKEN", "TMTV_PACS_USER", "TMTV_PACS_PASSWORD", "NETRC", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
