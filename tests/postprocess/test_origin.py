"""What a result was made from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from petct.errors import TmtvError
from petct.files import sha256, write_json
from postprocess.case import Job, run_case
from postprocess.origin import Origin, changed_roles


def test_the_model_of_a_map_is_an_input_of_its_result(job: Job) -> None:
    beside = job.map_file.path.with_name("prediction.json")
    assert "model" not in run_case(job)["inputs"]
    for digest in ("1" * 64, "2" * 64):
        write_json(beside, {"model": "best.keras", "inputs": {"model": digest, "pet": sha256(job.suv_path)}})
        assert run_case(job)["inputs"]["model"] == {"file": "best.keras", "sha256": digest}
        assert run_case(job)["skipped"]
    beside.write_text("[]")
    with pytest.raises(TmtvError, match=r"prediction\.json: not written by tmtv predict"):
        run_case(job)


def test_other_voxels_beside_the_same_header_are_another_input(job: Job, tmp_path: Path) -> None:
    """An .mhd holds no voxel: its own SHA-256 would keep the result of the old ones."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(job.suv_path))
    sitk.WriteImage(image, str(tmp_path / "in" / "pet.mhd"))
    job = replace(job, suv_path=tmp_path / "in" / "pet.mhd")
    run_case(job)
    assert run_case(job)["skipped"]
    sitk.WriteImage(image * 2, str(tmp_path / "in" / "pet.mhd"))
    with pytest.raises(TmtvError, match="--overwrite"):
        run_case(job)


def test_names_and_edits_make_no_other_input() -> None:
    earlier = {
        "suv": {"file": "a.nii.gz", "sha256": "1"},
        "probability": {"file": "p", "sha256": "2"},
        "model": "m",
    }
    renamed = {"suv": {"file": "b.nii.gz", "sha256": "1"}, "probability": {"file": "p", "sha256": "2"}}
    assert changed_roles(earlier, renamed) == []
    other = {"suv": {"file": "a.nii.gz", "sha256": "3"}, "mask": {"file": "p", "sha256": "2"}}
    assert changed_roles(earlier, other) == ["suv", "probability", "mask"]


def test_the_users_own_values_are_part_of_an_input(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).write_bytes(name.encode())
    files = (tmp_path / "1", tmp_path / "2")
    plain = Origin("series", files)
    assert plain.sha256() == plain.files_sha256() == hashlib.sha256(b"12").hexdigest()
    heavier = Origin("series", files, values="weight 80 kg")
    assert heavier.files_sha256() == plain.sha256()
    assert heavier.sha256() == hashlib.sha256(b"12weight 80 kg").hexdigest()
