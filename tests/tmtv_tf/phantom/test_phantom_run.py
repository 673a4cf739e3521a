"""`tmtv run` on a study of every scanner: the volume and the SUV that were painted, in files that are valid."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from export_files import dciodvfy_errors
from phantom_cohort import CASES, scan_of

import petct
import tmtv_tf
from petct.image import Image, write_image
from tmtv_tf.phantom.scanners import scanner_of


@pytest.mark.parametrize("number", range(1, CASES + 1), ids=lambda n: scanner_of(n).name)
def test_every_scanner_gives_the_painted_volume_and_suv(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    scan = scan_of(number)
    lesion = scan.labels > 0
    write_image(tmp_path / "lesions.nii.gz", Image(lesion, scan.pet.geometry))
    study = phantoms / "dicom" / scan.patient.patient_id
    result = tmtv_tf.run(study, mask=tmp_path / "lesions.nii.gz", out=tmp_path / "out")
    assert result.failed == {}
    ((case_id, ran),) = result.studies.items()
    measures = ran.methods["raw"]
    assert measures["tmtv_ml"] == pytest.approx(lesion.sum() * scan.pet.geometry.voxel_ml, rel=1e-6)
    assert measures["suv_max"] == pytest.approx(float(scan.pet.array[lesion].max()), rel=1e-4)
    above = lesion & (scan.pet.array > 4.0)
    edge = lesion & (np.abs(scan.pet.array - 4.0) < 1e-3)  # the stored step may move these
    assert ran.methods["4.0"]["tmtv_ml"] == pytest.approx(
        above.sum() * scan.pet.geometry.voxel_ml, abs=(edge.sum() + 0.01) * scan.pet.geometry.voxel_ml
    )
    folder = tmp_path / "out" / case_id
    assert petct.read_image(folder / "lesions_raw.nii.gz").geometry.same_grid(scan.pet.geometry)
    if shutil.which("dciodvfy"):
        for name in ("seg.dcm", "rtstruct.dcm", "sr.dcm"):
            assert dciodvfy_errors(folder / name) == [], name
