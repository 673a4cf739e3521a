"""The folder of one of several readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tmtv_tf.review.readers import mirror


@pytest.fixture
def automatic(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "p"
    folder.mkdir(parents=True)
    for name in ("tmtv.json", "lesions_41.nii.gz", "lesions_41.csv", "edits.json"):
        (folder / name).write_text(name)
    (tmp_path / "pet.nii.gz").write_text("pet")
    return folder


def test_a_reader_gets_the_automatic_result_and_keeps_his_own_edits(automatic: Path, tmp_path: Path) -> None:
    own = tmp_path / "anna" / "p"
    mirror(automatic, own, tmp_path / "pet.nii.gz")
    assert {path.name for path in own.iterdir()} == {
        "tmtv.json",
        "lesions_41.nii.gz",
        "lesions_41.csv",
        "pet.nii.gz",
    }
    (own / "edits.json").write_text("anna's")
    (automatic / "tmtv.json").write_text("another result")
    mirror(automatic, own, tmp_path / "pet.nii.gz")
    assert (own / "tmtv.json").read_text() == "another result"
    assert (own / "edits.json").read_text() == "anna's"


def test_what_is_there_already_is_left_alone(automatic: Path, tmp_path: Path) -> None:
    own = tmp_path / "anna" / "p"
    mirror(automatic, own, tmp_path / "pet.nii.gz")
    (own / "lesions_41.csv").unlink()
    mirror(automatic, own, tmp_path / "pet.nii.gz")  # the same result
    assert not (own / "lesions_41.csv").exists()
    mirror(automatic, automatic, tmp_path / "pet.nii.gz")
    assert not (automatic / "pet.nii.gz").exists()
