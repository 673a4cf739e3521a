"""A result of `tmtv run` is edited and exported on the PET and with the values that it was made from."""

from __future__ import annotations

import json
from datetime import datetime, time
from pathlib import Path

import pytest
from pydicom import dcmread
from study_files import suv_image, write_pet_ct
from typer.testing import CliRunner, Result

import petct
import tmtv_tf
from petct.errors import SuvError, TmtvError
from petct.image import Image, write_image
from petct.suv import Overrides
from postprocess.cli import app as postprocess_app
from tmtv_tf.pipeline.export import export

OVERRIDES = [
    Overrides(weight_kg=90.0),
    Overrides(dose_bq=250e6),
    Overrides(injection_time=time(10, 30)),
    Overrides(injection_time=datetime(2024, 1, 31, 9, 45)),
    Overrides(weight_kg=900.0, allow_unusual=True),
]


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_pet_ct(tmp_path / "dicom")


def masked(folder: Path, study: Path, level: float = 4.0) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"over_{level:g}.nii.gz"
    write_image(path, Image(suv_image() > level, petct.read_exam(study).pet.geometry))
    return path


def made(study: Path, mask: Path, out: Path, **more: object) -> Path:
    result = tmtv_tf.run(study, mask=mask, out=out, **more)
    assert result.failed == {}
    (case_id,) = result.studies
    return out / case_id


def edit(mask: Path, suv: Path, folder: Path, *more: str) -> Result:
    arguments = ["--mask", mask, "--suv", suv, "--out", folder.parent, "--case-id", folder.name, *more]
    return CliRunner().invoke(postprocess_app, list(map(str, arguments)))


def measures(folder: Path) -> dict:
    return json.loads((folder / "tmtv.json").read_text())["methods"]["41"]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=lambda one: "-".join(one.as_dict()))
def test_the_users_own_values_are_those_of_the_edits_and_of_the_export(
    study: Path, tmp_path: Path, overrides: Overrides
) -> None:
    """Lesion 2 of 2, SUV 5 in the header's values, is taken out: what stays has the SUVmax and TLG of the result."""
    mask = masked(tmp_path / "masks", study)
    folder = made(study, mask, tmp_path / "out", overrides=overrides)
    before = measures(folder)
    plain = measures(made(study, mask, tmp_path / "plain"))
    assert before["suv_max"] != pytest.approx(plain["suv_max"], rel=1e-3)
    assert export(folder, study, tmp_path / "first").warnings == ()
    edited = edit(mask, study, folder, "--exclude", "41:2")
    assert edited.exit_code == 0, edited.output
    final = measures(folder / "review" / "1")
    assert final["suv_max"] == before["suv_max"]
    assert measures(folder) == before
    exported = export(folder, study, tmp_path / "second")
    assert exported.tmtv_ml == pytest.approx(final["tmtv_ml"])
    assert exported.tmtv_ml < before["tmtv_ml"]
    again = tmtv_tf.run(study, mask=mask, out=tmp_path / "out", overrides=overrides).studies[folder.name]
    assert (again.status, again.edits) == ("kept", 1)


@pytest.mark.parametrize("overrides", [Overrides(), *OVERRIDES], ids=lambda one: "-".join(one.as_dict()))
def test_the_values_come_back_from_their_file(overrides: Overrides) -> None:
    assert Overrides.from_dict(json.loads(json.dumps(overrides.as_dict()))) == overrides


@pytest.mark.parametrize(
    "given", [{"weight": 90}, {"weight_kg": "90"}, {"weight_kg": -1}, {"injection_time": 7}, {"dose_bq": []}]
)
def test_other_values_are_refused(given: dict, study: Path, tmp_path: Path) -> None:
    with pytest.raises(SuvError):
        Overrides.from_dict(given)
    mask = masked(tmp_path / "masks", study)
    folder = made(study, mask, tmp_path / "out")
    source = json.loads((folder / "source.json").read_text())
    source["made"]["overrides"] = given
    (folder / "source.json").write_text(json.dumps(source))
    with pytest.raises(TmtvError, match="source.json"):
        export(folder, study, tmp_path / "d")
    assert edit(mask, study, folder, "--exclude", "41:2").exit_code != 0
    assert not (folder / "edits.json").exists()


def test_the_series_of_the_result_is_taken_from_a_tree_of_studies(study: Path, tmp_path: Path) -> None:
    """The second PET of the study is longer, so it would be chosen; the result is of the first."""
    write_pet_ct(study / "more", patient="P2", study="S2")
    mask = masked(tmp_path / "masks", study / "pet")
    uid = petct.read_exam(study / "pet").pet_series.series_uid
    folder = made(study, mask, tmp_path / "out", pet_uid=uid)
    assert edit(mask, study, folder, "--exclude", "41:2").exit_code == 0
    assert export(folder, study, tmp_path / "d").warnings == ()
    assert dcmread(tmp_path / "d" / "seg.dcm").PatientID == "P1"


def test_the_values_of_one_series_do_not_reach_another(study: Path, tmp_path: Path) -> None:
    """Another patient's PET in the folder: its SUV are its header's, so the result is refused there."""
    other = write_pet_ct(tmp_path / "other", patient="P2", study="S2")
    folder = made(
        study, masked(tmp_path / "masks", study), tmp_path / "out", overrides=Overrides(weight_kg=90.0)
    )
    with pytest.raises(TmtvError, match="belongs to another PET"):
        export(folder, other, tmp_path / "d")


def test_no_object_stays_beside_the_result_of_another_mask(study: Path, tmp_path: Path) -> None:
    """tmtv-postprocess --overwrite replaces the lesions; SEG and page of the earlier ones go."""
    first, second = (masked(tmp_path / "masks", study, level) for level in (4.0, 6.0))
    folder = made(study, first, tmp_path / "out")
    assert edit(second, study, folder).exit_code != 0
    assert (folder / "seg.dcm").is_file()
    assert edit(second, study, folder, "--overwrite").exit_code == 0
    left = {path.name for path in folder.iterdir()}
    assert not left & {"seg.dcm", "rtstruct.dcm", "sr.dcm", "report.html", "report.pdf"}
    before = (folder / "tmtv.json").read_bytes()
    (reason,) = tmtv_tf.run(study, mask=first, out=tmp_path / "out").failed.values()
    assert "another mask" in reason
    assert (folder / "tmtv.json").read_bytes() == before


def test_other_parameters_keep_the_values_and_are_not_taken_for_those_of_the_run(
    study: Path, tmp_path: Path
) -> None:
    """Lesions under 2 mL are left out by tmtv-postprocess; its SUV are those of 90 kg; the run makes its own again."""
    run = {"mask": masked(tmp_path / "masks", study), "overrides": Overrides(weight_kg=90.0)}
    folder = made(study, out=tmp_path / "out", **run)
    before = measures(folder)
    assert edit(run["mask"], study, folder, "--min-volume-ml", "2").exit_code == 0
    assert measures(folder)["lesion_count"] == before["lesion_count"] - 1
    assert measures(folder)["suv_max"] == before["suv_max"]
    assert not (folder / "seg.dcm").exists()
    again = made(study, out=tmp_path / "out", **run)
    assert measures(again) == before
    assert (folder / "seg.dcm").is_file()


def test_the_page_shows_the_final_number_beside_the_automatic_one(study: Path, tmp_path: Path) -> None:
    """The boxes have 224 and 90 voxels of 15 uL: 4.7 mL, and 1.3 mL after the first is taken out. The page follows
    every change of the edits; nothing else is written again."""
    mask = masked(tmp_path / "masks", study)
    folder = made(study, mask, tmp_path / "out")
    assert "of a reader" not in (folder / "report.html").read_text()
    others = {
        p: p.stat().st_mtime_ns
        for p in folder.iterdir()
        if p.suffix in (".dcm", ".gz") or p.name == "tmtv.json"
    }
    assert edit(mask, study, folder, "--exclude", "41:1").exit_code == 0
    made(study, mask, tmp_path / "out")
    page = (folder / "report.html").read_text()
    assert page.index("4.7 mL</div>") < page.index("automatic: in 2 lesions")
    assert page.index("1.3 mL</div>") < page.index("after 1 edit of a reader: in 1 lesion")
    assert "After edits, mL" in page
    assert "of the automatic result" in page
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    renewed = (folder / "report.html").stat().st_mtime_ns
    made(study, mask, tmp_path / "out")
    assert (folder / "report.html").stat().st_mtime_ns == renewed
    assert edit(mask, study, folder, "--exclude", "41:2").exit_code == 0
    made(study, mask, tmp_path / "out")
    assert "after 2 edits of a reader: No lesion" in (folder / "report.html").read_text()
    assert edit(mask, study, folder, "--clear-edits").exit_code == 0
    made(study, mask, tmp_path / "out")
    assert "of a reader" not in (folder / "report.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in others} == others
