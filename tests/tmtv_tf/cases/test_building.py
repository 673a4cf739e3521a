"""Case folders that appear whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from petct.errors import CaseError
from tmtv_tf.cases.building import new_folder, remove_leftovers


def test_ids_that_start_alike_do_not_meet(tmp_path: Path) -> None:
    """P1 is begun and finished while P1.2 is being built."""
    with new_folder(tmp_path / "P1.2") as second:
        (second / "pet.nii.gz").touch()
        with new_folder(tmp_path / "P1") as first:
            (first / "pet.nii.gz").touch()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.gz")) == [
        "P1.2/pet.nii.gz",
        "P1/pet.nii.gz",
    ]
    assert not list(tmp_path.glob(".building*"))


def test_many_builds_at_once_do_not_meet(tmp_path: Path) -> None:
    """One that ends removes nothing that another, which begins, needs."""

    def build(number: int) -> None:
        for turn in range(100):
            with new_folder(tmp_path / f"P{number}.{turn}") as building:
                (building / "case.json").touch()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(8)))
    assert len(list(tmp_path.glob("P*/case.json"))) == 800
    assert not list(tmp_path.glob(".building*"))


def test_a_folder_cleared_while_it_is_built_takes_no_place(tmp_path: Path) -> None:
    def build() -> None:
        with new_folder(tmp_path / "P1") as building:
            (building / "pet.nii.gz").touch()
            remove_leftovers(tmp_path)
            building.mkdir(parents=True)  # as writing the next file does
            (building / "case.json").touch()

    with pytest.raises(CaseError, match="another run cleared this folder"):
        build()
    assert not (tmp_path / "P1").exists()
