"""A user's own weight, dose and injection time."""

import numpy as np
import pytest
from cohort_files import SUV, write_study
from dicom_files import injected, uid
from prepare_files import only_case, prepare, without_weight

from petct.image import read_image
from tmtv_tf.cases.case import find_cases


def test_overrides_are_recorded_and_of_one_examination(tmp_path, capsys):
    write_study(tmp_path / "in" / "1", "P1", edit=without_weight)
    options = ["--weight-kg", 35, "--dose-mbq", 350, "--injection-time", "10:00"]
    prepare(tmp_path / "in", "--out", tmp_path / "out", *options)
    case = only_case(tmp_path / "out")
    assert case.info["suv"]["overrides"] == {"weight_kg": 35, "dose_bq": 350e6, "injection_time": "10:00:00"}
    assert np.allclose(read_image(case.pet).array, SUV / 2, rtol=1e-6)
    write_study(tmp_path / "in" / "2", "P2")
    prepare(tmp_path / "in", "--out", tmp_path / "out", *options, status=2)
    assert "of one examination; 2 were found" in capsys.readouterr().err


def test_impossible_dose_needs_allow_unusual_which_is_recorded(tmp_path, capsys):
    write_study(tmp_path / "in", "P1")
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--dose-mbq", 350e6, status=2)  # typed in Bq
    assert "--allow-unusual" in capsys.readouterr().err
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--dose-mbq", 8, "--allow-unusual")
    info = only_case(tmp_path / "out").info
    assert info["suv"]["overrides"] == {"dose_bq": 8e6, "allow_unusual": True}
    assert any("--allow-unusual" in text for text in info["warnings"])


def test_series_chosen_by_uid(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--pet-uid", uid("P1", "S1", "pet"))
    assert len(find_cases(tmp_path / "out")) == 1
    prepare(tmp_path / "in", "--out", tmp_path / "out2", "--pet-uid", "1.2.3", status=2)
    assert "1.2.3" in capsys.readouterr().err


def test_injection_time_that_is_none(tmp_path, capsys):
    write_study(tmp_path / "in", roi=False)
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--injection-time", "noon", status=2)
    assert "--injection-time must be like" in capsys.readouterr().err


def test_injection_time_with_a_date(tmp_path):
    write_study(tmp_path / "in", roi=False, edit=lambda ds, k: ds.Modality == "PT" and _forget_injection(ds))
    prepare(tmp_path / "in", "--out", tmp_path / "out", "--injection-time", "2024-01-31T10:00:00")
    assert only_case(tmp_path / "out").info["suv"]["factor"] == pytest.approx(4e-4)


def _forget_injection(ds):
    del injected(ds).RadiopharmaceuticalStartTime
    del injected(ds).RadiopharmaceuticalStartDateTime
    return True
