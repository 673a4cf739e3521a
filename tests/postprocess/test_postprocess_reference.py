"""The grid of an array that has none of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_files import SHAPE, roi_mask
from map_files import GRID, pair, run
from region_files import bare

from petct.errors import ImageError, ParameterError
from petct.image import write_image
from postprocess.case import Job, run_case
from postprocess.inputs import MapFile, read_case


def test_the_reference_of_an_npz(study: Path, tmp_path: Path) -> None:
    """A folder has the grid of its series; SEG and RTSTRUCT that of the series they were drawn on."""
    np.savez(tmp_path / "map.npz", probabilities=roi_mask()[None].astype(np.float32))
    on_ct = np.zeros((16, *SHAPE[1:]), np.float32)
    on_ct[6:12] = 1
    np.savez(tmp_path / "ct.npz", probabilities=on_ct[None])
    for reference in ("study/PT", "two.dcm", "two_rs.dcm", "case/pet.nii.gz"):
        found = read_case(MapFile(tmp_path / "map.npz", reference=tmp_path / reference), study)
        np.testing.assert_array_equal(found.probability.array, roi_mask())
    assert read_case(MapFile(tmp_path / "ct.npz", reference=study / "CT"), study).probability.array[4].all()
    with pytest.raises(ImageError, match="found 2"):
        read_case(MapFile(tmp_path / "map.npz", reference=study), study)
    with pytest.raises(ImageError, match="an RTSTRUCT has no grid"):
        read_case(MapFile(tmp_path / "map.npz", reference=tmp_path / "two_rs.dcm"), bare(tmp_path))
    with pytest.raises(ImageError, match="one DICOM file"):
        read_case(MapFile(tmp_path / "map.npz", reference=next((study / "PT").iterdir())), study)


def test_npz_of_nnunet(tmp_path: Path) -> None:
    probability, suv = pair()
    write_image(tmp_path / "pet.nii.gz", suv)
    expected = run(tmp_path / "a", probability, suv)["methods"]
    for name, array in (
        ("probabilities", np.stack([1 - probability.array, probability.array])),
        ("softmax", probability.array[None]),
    ):
        np.savez(tmp_path / f"{name}.npz", **{name: array})
        job = Job(
            case_id="x",
            map_file=MapFile(tmp_path / f"{name}.npz"),
            suv_path=tmp_path / "pet.nii.gz",
            folder=tmp_path / name,
            methods=("raw", "41", "otsu", "vote2"),
        )
        assert run_case(job)["methods"] == expected
    np.savez(tmp_path / "three.npz", probabilities=np.zeros((3, *GRID.shape), np.float32))
    with pytest.raises(ParameterError, match="--channel"):
        read_case(MapFile(tmp_path / "three.npz"), tmp_path / "pet.nii.gz")
    np.savez(tmp_path / "small.npz", probabilities=np.zeros((2, 3, 3, 3), np.float32))
    with pytest.raises(ImageError, match="--reference"):
        read_case(MapFile(tmp_path / "small.npz"), tmp_path / "pet.nii.gz")
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    with pytest.raises(ImageError, match="not a readable"):
        read_case(MapFile(tmp_path / "broken.npz"), tmp_path / "pet.nii.gz")
