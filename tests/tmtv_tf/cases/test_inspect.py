"""`tmtv inspect`: its JSON fields, its exit statuses, what it never prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cohort_files import GEOMETRY, write_study
from dicom_files import FACTOR, uid, write_series
from pydicom import dcmread
from roi_files import pet_datasets, write_rtstruct

from petct.console import run_app
from petct.errors import DicomError
from tmtv_tf.cases.inspect import SeriesRow, inspect_tree
from tmtv_tf.cli import app

FIELDS = (
    "series_uid", "modality", "n_slices", "spacing_mm", "units", "suv_factor", "suv_rule", "injection_time",
    "reference_time", "selected", "problems",
)  # fmt: skip


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def tmtv(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The command as `main` runs it, in this process (a new one takes a second)."""

    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as left:
            run_app(app, ["inspect", *map(str, arguments)])
        return Done(int(left.value.code or 0), *capsys.readouterr())

    return call


def rows(root: Path, **options) -> dict[str, dict]:
    return {row["series_uid"]: row for row in inspect_tree([root], **options).series}


def test_fields_of_a_pet_in_use(tmp_path: Path) -> None:
    write_series(tmp_path)
    row = rows(tmp_path)[uid("P1", "S1", "1")]
    assert set(FIELDS) <= set(row)
    assert "description" not in row
    assert row["suv_factor"] == pytest.approx(FACTOR, rel=1e-9)
    assert (row["modality"], row["n_slices"], row["units"]) == ("PT", 4, "BQML")
    assert row["spacing_mm"] == [3.0, 2.0, 2.5]
    assert row["injection_time"] == "2024-01-31T10:00:00"
    assert row["reference_time"].startswith("2024-01-31T11:49:4")
    assert row["selected"] is True
    assert row["suv_reason"] is None
    assert list(row) == [name for name in SeriesRow.__annotations__ if name in row]


def test_json_of_the_command(tmp_path: Path, tmtv: Callable[..., Done]) -> None:
    write_series(tmp_path / "Hidden Name", edit=lambda ds, k: setattr(ds, "SeriesDescription", "Mrs Secret"))
    write_series(tmp_path / "Hidden Name", "CT", series="2")
    done = tmtv(tmp_path, "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    series = json.loads(done.stdout)
    assert [row["modality"] for row in series] == ["CT", "PT"]
    assert all(row["selected"] for row in series)
    for text in ("Secret", "Hidden", '"P1"'):
        assert text not in done.stdout
    assert "Mrs Secret" in tmtv(tmp_path, "--json", "--show-text").stdout


def test_table_of_the_command(tmp_path: Path, tmtv: Callable[..., Done]) -> None:
    write_series(tmp_path / "Hidden")
    write_series(tmp_path / "nac", series="2", edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "a Hidden letter.docx").write_bytes(b"PK" * 100)
    done = tmtv(tmp_path, "--sul")
    assert done.returncode == 0
    for text in ("0.0004", "computed back from every frame", "no ATTN", "SUL = SUV *"):
        assert text in done.stdout
    heads = [cell.strip() for cell in done.stdout.split("┃")[1:9]]
    assert heads == ["", "Use", "Modality", "No.", "Slices", "Spacing z y x, mm", "Units", "SUV factor"]
    in_use = next(line for line in done.stdout.splitlines() if " yes " in line and " PT " in line)
    cells = [cell.strip() for cell in in_use.split("│")[2:8]]
    assert cells == ["yes", "PT", "3", "4", "3 2 2.5", "BQML"]
    assert "Hidden" not in done.stdout


def test_factor_that_cannot_be_known_is_null_with_its_reason(
    tmp_path: Path, tmtv: Callable[..., Done]
) -> None:
    write_series(tmp_path / "Hidden", edit=lambda ds, k: setattr(ds, "PatientWeight", None))
    row = rows(tmp_path)[uid("P1", "S1", "1")]
    assert row["suv_factor"] is None
    assert "PatientWeight (0010,1030) is missing" in row["suv_reason"]
    assert row["suv_reason"] in row["problems"]
    assert "Hidden" not in row["suv_reason"]
    assert tmtv(tmp_path, "--weight-kg", 70, "--json").stdout.count('"suv_factor": 0.0004') == 1


def test_overrides_of_the_command(tmp_path: Path, tmtv: Callable[..., Done]) -> None:
    write_series(tmp_path)
    done = tmtv(tmp_path, "--weight-kg", 35, "--dose-mbq", 175, "--injection-time", "10:00", "--json")
    (row,) = json.loads(done.stdout)
    assert row["suv_factor"] == pytest.approx(FACTOR, rel=1e-9)
    assert row["overrides"] == {"weight_kg": 35.0, "dose_bq": 175e6, "injection_time": "10:00:00"}


def test_missing_slice_is_a_problem_of_its_series(tmp_path: Path) -> None:
    write_series(tmp_path, n=6, slices=[0, 1, 3, 4, 5])
    row = rows(tmp_path)[uid("P1", "S1", "1")]
    assert row["spacing_mm"] is None
    assert any("missing" in problem for problem in row["problems"])


def test_one_factor_per_slice(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.DecayCorrection = "NONE"
        ds.CorrectedImage = ["ATTN"]
        ds.AcquisitionTime = f"1149{k:02d}"

    write_series(tmp_path, edit=edit)
    row = rows(tmp_path)[uid("P1", "S1", "1")]
    assert row["suv_factor"] is None
    assert "one factor per slice" in row["suv_reason"]
    assert row["suv_factor_range"][0] < row["suv_factor_range"][1]


@pytest.mark.parametrize(
    "case", ["empty", "no PET", "text only", "missing folder", "unusable PET", "unknown uid"]
)
def test_nothing_to_use_is_one_sentence_and_status_two(
    tmp_path: Path, tmtv: Callable[..., Done], case: str
) -> None:
    root, options = tmp_path / "in", []
    root.mkdir()
    if case == "no PET":
        write_series(root, "CT")
    if case == "text only":
        (root / "a.txt").write_text("x")
    if case == "missing folder":
        root = tmp_path / "nowhere"
    if case == "unusable PET":
        write_series(root, edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    if case == "unknown uid":
        write_series(root)
        options = ["--pet-uid", "1.2.3"]
    done = tmtv(root, *options)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def no_pixels(path: Path) -> None:
    ds = dcmread(path)
    del ds.PixelData
    ds.save_as(path)


def no_slope(path: Path) -> None:
    ds = dcmread(path)
    del ds.RescaleSlope
    ds.save_as(path)


def more_pixels(path: Path) -> None:
    ds = dcmread(path)
    ds.PixelData += bytes(10)
    ds.save_as(path)


@pytest.mark.parametrize(
    ("where", "damage", "words"),
    [
        ("PT", lambda path: cut(path, 2), "has 58 of 60 bytes: the file is cut short"),
        ("CT", lambda path: cut(path, 2), "has 58 of 60 bytes: the file is cut short"),
        ("PT", no_pixels, "PixelData (7FE0,0010) cannot be read (it is missing)"),
        ("PT", more_pixels, "has 10 bytes more than Rows"),
        ("PT", no_slope, "RescaleSlope (0028,1053) is missing"),
        ("RS", lambda path: cut(path, 60), "the file is cut short"),
    ],
)
def test_what_prepare_refuses_is_a_problem_here(
    tmp_path: Path,
    tmtv: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    damage: Callable[[Path], None],
    words: str,
) -> None:
    """A slice of 6 x 5 pixels of two bytes. `tmtv prepare` is asked too."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write_study(tmp_path / "in")
    damage(sorted((tmp_path / "in" / where).iterdir())[0])
    done = tmtv(tmp_path / "in", "--json")
    assert done.returncode == 2
    assert words in done.stderr
    refused = {row["modality"]: row["refused"] for row in json.loads(done.stdout) if row["refused"]}
    assert list(refused) == [{"RS": "RTSTRUCT"}.get(where, where)]
    assert "refused" in tmtv(tmp_path / "in").stdout
    with pytest.raises(SystemExit) as left:
        run_app(app, ["prepare", "--no-model-grid", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert left.value.code == 2


def test_status_one_when_one_of_two_studies_is_refused(tmp_path: Path, tmtv: Callable[..., Done]) -> None:
    write_study(tmp_path / "1", "P1", edit=lambda ds, k: setattr(ds, "PatientWeight", None))
    write_study(tmp_path / "2", "P2")
    done = tmtv(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Refused: study 1: ")
    assert len(done.stderr.splitlines()) == 1
    assert tmtv(tmp_path / "2").returncode == 0


def test_the_same_rois_as_prepare(tmp_path: Path, tmtv: Callable[..., Done]) -> None:
    """Drawn on the CT while the PET has its own: not used. Names only with --show-text."""
    write_study(tmp_path)
    pet = pet_datasets(tmp_path / "PT")[0]
    triangle = [GEOMETRY.to_world([(4, 1, 1), (4, 1, 3), (4, 3, 3)])]
    write_rtstruct(tmp_path / "RS" / "ct.dcm", pet, {"Liver": triangle}, series=uid("P1", "S1", "ct"))
    used = {row["series_uid"]: row for row in rows(tmp_path).values() if row["modality"] == "RTSTRUCT"}
    on_pet, on_ct = (used[uid("rtstruct series", tmp_path / "RS" / name)] for name in ("rs.dcm", "ct.dcm"))
    assert (on_pet["selected"], on_ct["selected"]) == (True, False)
    assert "drawn on another series" in on_ct["passed_over"]
    assert "roi_names" not in on_pet
    assert "Lymph node of somebody" not in tmtv(tmp_path).stdout
    assert "ROIs: Lymph node of somebody" in tmtv(tmp_path, "--show-text").stdout


def test_a_problem_is_said_once(tmp_path: Path) -> None:
    write_series(tmp_path, edit=lambda ds, k: setattr(ds, "PatientID", f"P{k % 2}"))
    (row,) = rows(tmp_path).values()
    assert sum("PatientID (0010,0020) differs" in problem for problem in row["problems"]) == 1


def test_messages_name_no_patient(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_series(root / "P1 Hidden", edit=lambda ds, k: setattr(ds, "CorrectedImage", ["DECY"]))
    report = inspect_tree([root])
    assert report.problem is not None
    assert "Hidden" not in report.problem
    assert "P1" not in report.problem


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DicomError):
        inspect_tree([tmp_path / "nowhere"])
