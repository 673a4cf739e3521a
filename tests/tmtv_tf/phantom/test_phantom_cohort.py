"""What `tmtv phantom` leaves on disk: the same bytes for the same seed, a fair table, nothing of the user's lost."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from phantom_cohort import CASES, SEED, VOXEL_MM
from typer.testing import CliRunner

from petct.errors import ParameterError
from petct.files import read_json, sha256
from petct.image import read_image
from tmtv_tf.cli import app
from tmtv_tf.phantom.cohort import assign_splits, make_cohort, write_case


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_whatever_the_number_of_cases(phantoms, tmp_path):
    write_case(tmp_path, 2, SEED, VOXEL_MM)
    again = digests(tmp_path)
    assert len(again) > 200
    cohort = digests(phantoms)
    assert {name: cohort[name] for name in again} == again


def test_another_seed_is_another_patient_with_other_uids(phantoms, tmp_path):
    write_case(tmp_path, 2, SEED + 1, VOXEL_MM)
    cohort, other = digests(phantoms), digests(tmp_path)
    shared = set(cohort) & set(other)
    assert shared
    assert all(cohort[name] != other[name] for name in shared)


def test_table_has_a_row_for_every_patient_and_agrees_with_the_true_lesions(phantoms):
    rows = table(phantoms / "cohort.csv")
    assert [row["PatientID"] for row in rows] == [f"PHANTOM-{n:04d}" for n in range(1, CASES + 1)]
    assert Counter(row["subtype"] for row in rows) == {"HL": 3, "DLBCL": 2, "FL": 1}
    assert len({row["scanner"] for row in rows}) == 6
    for row in rows:
        lesions = read_image(phantoms / "truth" / row["case_id"] / "lesions.nii.gz")
        volume_ml = (lesions.array > 0).sum() * lesions.geometry.voxel_ml
        assert float(row["true_tmtv_ml"]) == pytest.approx(volume_ml, abs=1e-3)
        assert 1 <= int(row["true_lesion_count"]) <= 40
        known = read_json(phantoms / "truth" / row["case_id"] / "phantom.json")
        assert len(known["sites"]) >= int(row["true_lesion_count"])


def test_nothing_below_dicom_but_dicom(phantoms):
    assert {p.suffix for p in (phantoms / "dicom").rglob("*") if p.is_file()} == {".dcm"}


@pytest.mark.parametrize("cases", [5, 20, 40, 45])
def test_splits_are_exactly_60_20_20_and_stratified(cases):
    cycle = ("HL", "DLBCL", "FL", "DLBCL", "HL")
    subtypes = [cycle[i % 5] for i in range(cases)]
    splits = assign_splits(subtypes, seed=3)
    assert Counter(splits) == {"train": 3 * cases // 5, "validation": cases // 5, "test": cases // 5}
    for subtype in set(cycle):
        share = Counter(s for s, t in zip(splits, subtypes) if t == subtype)
        expected = subtypes.count(subtype) / 5
        assert abs(share["test"] - expected) <= 1
        assert abs(share["validation"] - expected) <= 1
    assert assign_splits(subtypes, seed=3) == splits


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "mine.dcm").write_text("precious")
    (tmp_path / "cohort.csv").write_text("case_id\n")
    with pytest.raises(ParameterError, match="nothing was written"):
        make_cohort(tmp_path, 1, 1)
    assert (tmp_path / "dicom" / "mine.dcm").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [["--cases", "0"], ["--seed", "-1"], ["--voxel-mm", "0.5"], ["--voxel-mm", "nan"]],
)
def test_odd_numbers_are_refused_before_anything_is_written(tmp_path, arguments):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["phantom", str(out), "--cases", "1", *arguments])
    assert isinstance(result.exception, ParameterError)
    assert arguments[0] in str(result.exception)
    assert not out.exists()


def test_no_worker_is_refused_before_anything_is_written(tmp_path):
    result = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), "--cases", "1", "--workers", "0"])
    assert result.exit_code == 2
    assert "--workers" in result.output
    assert not (tmp_path / "out").exists()


def test_a_second_run_replaces_the_first(tmp_path):
    make_cohort(tmp_path, 2, 5, voxel_mm=10.0)
    make_cohort(tmp_path, 1, 5, voxel_mm=10.0)
    assert [p.name for p in (tmp_path / "dicom").iterdir()] == ["PHANTOM-0001"]
    assert [row["case_id"] for row in table(tmp_path / "cohort.csv")] == ["phantom_0001"]
