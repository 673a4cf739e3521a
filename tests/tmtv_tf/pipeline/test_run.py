"""`tmtv run` from DICOM to files, with a network whose answer is known."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import highdicom
import numpy as np
import pytest
from export_files import dciodvfy_errors
from pydicom import dcmread
from study_files import BOXES, SHAPE, VOXEL_ML, suv_image, write_pet_ct
from threshold_model import write_threshold_model

import petct
import tmtv_tf
from petct.dicom.headers import find_series
from petct.errors import Interrupted, ModelError, ParameterError, TmtvError
from petct.image import Image, read_image, write_image
from petct.suv import Overrides
from postprocess.results import mark_late, refuse_late

COUNTS = {8.0: 4 * 7 * 8, 5.0: 3 * 5 * 6}
EVERYTHING = {"seg.dcm", "rtstruct.dcm", "sr.dcm", "report.html", "report.pdf", "pet.nii.gz", "ct.nii.gz",
              "probability.nii.gz", "source.json", "tmtv.json", "lesions_41.nii.gz", "lesions_41.csv"}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_threshold_model(tmp_path_factory.mktemp("model") / "threshold.keras")


@pytest.fixture(autouse=True)
def own_key_and_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(base / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "cache"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_pet_ct(tmp_path / "dicom")


def only(result: tmtv_tf.RunResult) -> tuple[Path, tmtv_tf.RunResult]:
    assert result.failed == {}
    (case_id,) = result.studies
    return result.out / case_id, result.studies[case_id]


def test_one_study_gives_everything_and_the_known_volumes(study: Path, model: Path, tmp_path: Path) -> None:
    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert {path.name for path in folder.iterdir()} >= EVERYTHING
    assert ran.methods["4.0"]["tmtv_ml"] == pytest.approx(sum(COUNTS.values()) * VOXEL_ML, rel=1e-6)
    assert ran.methods["4.0"]["suv_max"] == pytest.approx(8.0, rel=1e-4)
    probability = petct.read_image(folder / "probability.nii.gz")
    assert probability.array[BOXES[8.0]][1:-1, 1:-1, 1:-1].min() > 0.99
    assert probability.array[0, 0, 0] < 0.05
    assert (tmp_path / "out" / "tmtv.csv").is_file()
    assert (tmp_path / "out" / "run.csv").is_file()


def test_the_numbers_of_every_file_agree(study: Path, model: Path, tmp_path: Path) -> None:
    """SEG, RTSTRUCT, SR, label image and tmtv.json state one volume and one place."""
    options = tmtv_tf.RunOptions(methods=("4.0",), export="4.0")
    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out", options=options))
    exam = petct.read_exam(study)
    labels = petct.read_image(folder / "lesions_4.0.nii.gz")
    assert labels.geometry.same_grid(exam.pet.geometry)
    wanted = suv_image() > 4.0
    seg = highdicom.seg.segread(folder / "seg.dcm")
    uids = [header.SOPInstanceUID for header in exam.headers]
    pixels = seg.get_pixels_by_source_instance(
        uids, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(pixels.any(axis=-1), wanted)
    target = petct.RoiTarget(exam.pet, exam.pet_series.series_uid, exam.pet_series.frame_of_reference_uid)
    for name in ("seg.dcm", "rtstruct.dcm"):
        rois, _ = petct.read_rois(folder / name, target)
        assert sum(roi.voxels for roi in rois) * VOXEL_ML == pytest.approx(ran.methods["4.0"]["tmtv_ml"])
    report = highdicom.sr.srread(folder / "sr.dcm").content
    (patient,) = report.get_image_measurement_groups()
    values = {(m.name.meaning, m.unit.value): m.value for m in patient.get_measurements()}
    assert values["Metabolic Volume", "ml"] == pytest.approx(ran.methods["4.0"]["tmtv_ml"], rel=1e-5)


def test_the_same_command_again_keeps_every_byte(study: Path, model: Path, tmp_path: Path) -> None:
    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    _, again = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert (ran.status, again.status) == ("done", "kept")
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_a_file_that_was_lost_is_made_again(study: Path, model: Path, tmp_path: Path) -> None:
    folder, _ = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    uid = dcmread(folder / "seg.dcm").SOPInstanceUID
    (folder / "sr.dcm").unlink()
    only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert (folder / "sr.dcm").is_file()
    assert dcmread(folder / "seg.dcm").SOPInstanceUID == uid


def test_another_model_is_refused_unless_overwrite(study: Path, model: Path, tmp_path: Path) -> None:
    folder, _ = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    before = (folder / "tmtv.json").read_bytes()
    other = write_threshold_model(tmp_path / "other.keras", shape=(48, 32, 32))
    result = tmtv_tf.run(study, model=other, out=tmp_path / "out")
    (reason,) = result.failed.values()
    assert "another model" in reason
    assert "--overwrite" in reason
    assert (folder / "tmtv.json").read_bytes() == before
    only(tmtv_tf.run(study, model=other, out=tmp_path / "out", options=tmtv_tf.RunOptions(overwrite=True)))
    assert json.loads((folder / "tmtv.json").read_text())["inputs"]["model"]["file"] == "other.keras"


def test_no_lesion_is_a_result(tmp_path: Path, model: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom", hot=False)
    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert ran.methods["41"]["tmtv_ml"] == ran.methods["41"]["tlg"] == ran.methods["41"]["lesion_count"] == 0
    assert all(
        value is None
        for key, value in ran.methods["41"].items()
        if key not in ("tmtv_ml", "tlg", "lesion_count")
    )
    assert not (folder / "seg.dcm").exists()
    assert not (folder / "rtstruct.dcm").exists()
    assert (folder / "sr.dcm").is_file()
    assert "No lesion was found" in (folder / "report.html").read_text()


def test_a_mask_takes_the_place_of_a_model(study: Path, tmp_path: Path) -> None:
    exam = petct.read_exam(study)
    write_image(tmp_path / "mask.nii.gz", Image(suv_image() > 6, exam.pet.geometry))
    folder, ran = only(tmtv_tf.run(study, mask=tmp_path / "mask.nii.gz", out=tmp_path / "out"))
    assert ran.methods["raw"]["tmtv_ml"] == pytest.approx(COUNTS[8.0] * VOXEL_ML)
    assert not (folder / "probability.nii.gz").exists()
    again, ran = only(tmtv_tf.run(study, mask=folder / "seg.dcm", out=tmp_path / "again"))
    assert ran.methods["raw"]["tmtv_ml"] == pytest.approx(COUNTS[8.0] * VOXEL_ML)


def test_a_zip_file_is_read(study: Path, model: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", study)
    _, ran = only(tmtv_tf.run(archive, model=model, out=tmp_path / "out"))
    assert ran.methods["4.0"]["lesion_count"] == 2
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as bad:
        bad.writestr("../../evil.dcm", b"x")
    with pytest.raises(TmtvError):
        tmtv_tf.run(tmp_path / "evil.zip", model=model, out=tmp_path / "out2")
    assert not list(tmp_path.parent.glob("evil.dcm"))


def test_one_bad_study_does_not_stop_the_others(tmp_path: Path, model: Path) -> None:
    write_pet_ct(tmp_path / "dicom" / "a", patient="A", study="SA")
    write_pet_ct(tmp_path / "dicom" / "b", patient="B", study="SB")
    for path in (tmp_path / "dicom" / "b" / "pet").iterdir():
        ds = dcmread(path)
        ds.PatientWeight = ""
        ds.save_as(path)
    result = tmtv_tf.run(tmp_path / "dicom", model=model, out=tmp_path / "out", workers=2)
    assert len(result.studies) == 1
    (reason,) = result.failed.values()
    assert "PatientWeight" in reason
    table = (tmp_path / "out" / "run.csv").read_text()
    assert "failed" in table
    assert str(tmp_path) not in table


def test_a_model_of_pet_and_ct_names_the_missing_ct(tmp_path: Path) -> None:
    study = write_pet_ct(tmp_path / "dicom", ct=False)
    both = write_threshold_model(tmp_path / "both.keras", needs_ct=True)
    (reason,) = tmtv_tf.run(study, model=both, out=tmp_path / "out").failed.values()
    assert "no CT" in reason
    assert list((tmp_path / "out").glob("*/*")) == []  # images are written while the study is computed


def test_private_things_stay_private(study: Path, model: Path, tmp_path: Path) -> None:
    folder, _ = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert stat.S_IMODE((folder / "source.json").stat().st_mode) == 0o600
    for name in ("report.html", "tmtv.json", "run.csv"):
        path = folder / name if (folder / name).exists() else folder.parent / name
        assert "Hidden" not in path.read_text()
        assert str(tmp_path) not in path.read_text()
    shown = tmtv_tf.RunOptions(show_patient=True)
    folder, _ = only(tmtv_tf.run(study, model=model, out=tmp_path / "shown", options=shown))
    assert "Hidden" in (folder / "report.html").read_text()


def test_keras_and_openvino_agree(study: Path, model: Path, tmp_path: Path) -> None:
    exam = petct.read_exam(study)
    answers = {
        name: tmtv_tf.load_model(model, backend=name).predict(exam.pet).array
        for name in ("keras", "openvino")
    }
    assert np.abs(answers["keras"] - answers["openvino"]).max() < 0.02


def test_an_openvino_file_runs_without_tensorflow(study: Path, model: Path, tmp_path: Path) -> None:
    from tmtv_tf.inference.openvino_file import convert

    convert(model, tmp_path / "threshold.openvino")
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from tmtv_tf.cli import main; main()\n"
    )
    command = [sys.executable, "-c", code, "run", study, "--out", tmp_path / "out", "--model",
               tmp_path / "threshold.openvino", "--pdf-dicom", "--probability-seg"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert "TMTV raw" in done.stdout
    assert list((tmp_path / "out").glob("*/report.dcm"))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed (make test-tools)")
def test_dciodvfy_has_no_error(study: Path, model: Path, tmp_path: Path) -> None:
    options = tmtv_tf.RunOptions(pdf_dicom=True, probability_seg=True)
    folder, _ = only(tmtv_tf.run(study, model=model, out=tmp_path / "out", options=options))
    for path in folder.glob("*.dcm"):
        assert dciodvfy_errors(path) == [], path.name


def test_wrong_calls_are_refused_in_a_sentence(study: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="not both"):
        tmtv_tf.run(study, model=model, mask=model, out=tmp_path / "out")
    with pytest.raises(ModelError, match="no such model"):
        tmtv_tf.run(study, model="nothing.keras", out=tmp_path / "out")
    with pytest.raises(ParameterError, match="41"):
        tmtv_tf.RunOptions(export="0.41")
    write_pet_ct(tmp_path / "two" / "a", patient="A", study="SA")
    write_pet_ct(tmp_path / "two" / "b", patient="B", study="SB")
    with pytest.raises(ParameterError, match="one study"):
        tmtv_tf.run(tmp_path / "two", model=model, out=tmp_path / "out", overrides=Overrides(weight_kg=80.0))


def test_edits_stay_and_are_applied_to_the_new_result(study: Path, model: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from postprocess.cli import app as postprocess_app

    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    (tmp_path / "p" / folder.name).mkdir(parents=True)
    arguments = ["--probability", folder / "probability.nii.gz", "--suv", folder / "pet.nii.gz",
                 "--out", tmp_path / "edit", "--case-id", folder.name, "--exclude", "41:2"]  # fmt: skip
    assert CliRunner().invoke(postprocess_app, list(map(str, arguments))).exit_code == 0
    shutil.copy(tmp_path / "edit" / folder.name / "edits.json", folder / "edits.json")
    (folder / "sr.dcm").unlink()  # so that it is made again
    only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    review = json.loads((folder / "review" / "1" / "review.json").read_text())
    assert review["methods"]["41"]["tmtv_final_ml"] < review["methods"]["41"]["tmtv_ml"]
    assert ran.methods["41"]["tmtv_ml"] == review["methods"]["41"]["tmtv_ml"]


def test_the_fixture_is_read_as_it_was_meant(study: Path) -> None:
    (pet,) = (series for series in find_series(study)[0] if series.modality == "PT")
    assert len(pet.files) == SHAPE[0]
    assert np.allclose(petct.read_exam(study).pet.array, suv_image(), rtol=1e-3)


def _masked(study: Path, folder: Path, name: str = "mask.nii.gz") -> Path:
    folder.mkdir(exist_ok=True)
    exam = petct.read_exam(study)
    write_image(folder / name, Image(suv_image() > 4, exam.pet.geometry))
    return folder / name


def test_images_that_came_before_the_first_result_are_in_it(study: Path, tmp_path: Path) -> None:
    """`tmtv serve` noted them while its own run failed; that note was held against the run by hand for ever."""
    mask = _masked(study, tmp_path)
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    shutil.rmtree(folder)
    mark_late(folder)
    tmtv_tf.run(study, mask=mask, out=tmp_path / "out")
    refuse_late(folder)
    mark_late(folder)
    assert tmtv_tf.run(study, mask=mask, out=tmp_path / "out").studies  # kept, and of the images of before
    with pytest.raises(TmtvError, match="more images"):
        refuse_late(folder)


def test_a_lost_lesion_file_is_made_again(study: Path, tmp_path: Path) -> None:
    mask = _masked(study, tmp_path)
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    before = (folder / "lesions_41.nii.gz").read_bytes()
    (folder / "lesions_41.nii.gz").unlink()
    assert only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))[1].status == "done"
    assert (folder / "lesions_41.nii.gz").read_bytes() == before


def test_no_table_outlives_what_an_interrupted_run_removed_or_did_not_do(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask, out = _masked(study, tmp_path), tmp_path / "out"
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=out))

    def interrupted(*arguments: object, **options: object) -> None:
        (folder / "tmtv.json").unlink()
        raise Interrupted("Interrupted.")

    monkeypatch.setattr("tmtv_tf.pipeline.run.run_cases", interrupted)
    with pytest.raises(Interrupted):
        tmtv_tf.run(study, mask=mask, out=out)
    assert not (out / "tmtv.csv").exists()
    assert not (out / "run.csv").exists()  # it was of the run before


def test_edits_are_said_beside_the_automatic_number(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without lesion 1 (224 voxels of 15 mm3) the smaller box stays: 90 voxels, 1.35 mL."""
    from typer.testing import CliRunner

    from postprocess.cli import app as postprocess_app
    from tmtv_tf.pipeline.run import print_result

    mask = _masked(study, tmp_path)
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    arguments = ["--mask", mask, "--suv", study, "--out", tmp_path / "out", "--case-id", folder.name]
    edited = CliRunner().invoke(postprocess_app, [*map(str, arguments), "--exclude", "41:1"])
    assert edited.exit_code == 0, edited.output
    result = tmtv_tf.run(study, mask=mask, out=tmp_path / "out")
    ran = only(result)[1]
    assert (ran.status, ran.edits) == ("kept", 1)
    assert ran.final["41"]["tmtv_ml"] == pytest.approx(90 * VOXEL_ML)
    print_result(result)
    assert "with the reader's edits (1): raw 1.3 mL, 41 1.3 mL" in capsys.readouterr().out
    (folder / "review" / "1" / "tmtv.json").unlink()  # the edits are in no result: made again
    assert only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))[1].status == "done"


def test_edits_of_another_result_are_cleared_on_request(study: Path, tmp_path: Path) -> None:
    """What a reader excluded is not there in another mask: refused, the edits kept, the way out named."""
    from typer.testing import CliRunner

    from postprocess.cli import app as postprocess_app

    mask = _masked(study, tmp_path)
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    arguments = ["--mask", mask, "--suv", study, "--out", tmp_path / "out", "--case-id", folder.name]
    edited = CliRunner().invoke(postprocess_app, [*map(str, arguments), "--exclude", "41:1"])
    assert edited.exit_code == 0, edited.output
    edits = (folder / "edits.json").read_text()
    labels = read_image(folder / "lesions_41.nii.gz")
    write_image(mask, Image(labels.array == 2, labels.geometry))
    overwrite = tmtv_tf.RunOptions(overwrite=True)
    failed = tmtv_tf.run(study, mask=mask, out=tmp_path / "out", options=overwrite).failed
    assert "no lesion of today is surely the same. Use --clear-edits" in failed[folder.name]
    assert (folder / "edits.json").read_text() == edits
    clear = tmtv_tf.RunOptions(overwrite=True, clear_edits=True)
    _, ran = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out", options=clear))
    assert (ran.status, ran.edits) == ("done", 0)
    assert ran.methods["41"]["tmtv_ml"] == pytest.approx(90 * VOXEL_ML)
    kinds = [entry["kind"] for entry in json.loads((folder / "edits.json").read_text())["edits"]]
    assert (len(kinds), kinds[-1]) == (2, "clear")
    assert only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))[1].status == "kept"


def test_edits_that_cannot_be_read_remove_nothing(study: Path, tmp_path: Path) -> None:
    mask = _masked(study, tmp_path)
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "edits.json").write_text("{")
    failed = tmtv_tf.run(
        study, mask=mask, out=tmp_path / "out", options=tmtv_tf.RunOptions(export="raw")
    ).failed
    assert "not a log of edits" in failed[folder.name]
    (folder / "edits.json").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_mask_named_like_the_patient_is_not_named(study: Path, tmp_path: Path) -> None:
    """The patient is Hidden^Name; the DICOM objects hold the name by design."""
    mask = _masked(study, tmp_path, "Hidden_Name.nii.gz")
    folder, _ = only(tmtv_tf.run(study, mask=mask, out=tmp_path / "out"))
    for path in (*tmp_path.glob("out/*.csv"), folder / "tmtv.json", folder / "report.html"):
        assert "hidden" not in path.read_text().lower(), path.name
    assert b"Hidden_Name" not in (folder / "seg.dcm").read_bytes()


def test_a_table_of_a_mask_and_of_a_model_is_said_to_be_mixed(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One folder, two ways of making lesions: the table says that its rows are not comparable."""
    from tmtv_tf.pipeline.run import print_result

    first, second = (write_pet_ct(tmp_path / p, patient=p, study=p) for p in ("P1", "P2"))
    tmtv_tf.run(first, mask=_masked(first, tmp_path), out=tmp_path / "out")
    result = tmtv_tf.run(second, model=model, out=tmp_path / "out")
    print_result(result)
    assert "their numbers are not comparable" in capsys.readouterr().err


def test_a_result_of_other_values_is_kept(study: Path, tmp_path: Path) -> None:
    mask = _masked(study, tmp_path)
    heavy = {"mask": mask, "out": tmp_path / "out", "overrides": Overrides(weight_kg=90.0)}
    folder, ran = only(tmtv_tf.run(study, **heavy))
    assert ran.methods["41"]["suv_max"] == pytest.approx(8 * 90 / 70)
    assert only(tmtv_tf.run(study, **heavy))[1].status == "kept"
    said = tmtv_tf.run(study, mask=mask, out=tmp_path / "out").failed[folder.name]
    assert "of other values and is kept" in said


def test_the_table_of_a_run_has_no_path_of_the_mask_or_the_results(study: Path, tmp_path: Path) -> None:
    """A folder may be called like the patient in a spelling that no header has."""
    out = tmp_path / "Mueller_out"
    (tmp_path / "Mueller").mkdir()
    (tmp_path / "Mueller" / "bad.nii.gz").write_bytes(b"x" * 100)
    tmtv_tf.run(study, mask=tmp_path / "Mueller" / "bad.nii.gz", out=out)
    assert "not a readable image" in (out / "run.csv").read_text()
    assert "Mueller" not in (out / "run.csv").read_text()
    only(tmtv_tf.run(study, mask=_masked(study, tmp_path), out=out))
    tmtv_tf.run(
        study, mask=_masked(study, tmp_path / "Mueller", "m.nrrd"), out=out, overrides=Overrides(90.0)
    )
    assert "and is kept" in (out / "run.csv").read_text()
    assert "Mueller" not in (out / "run.csv").read_text()


def test_every_object_says_that_a_network_was_not_validated(study: Path, model: Path, tmp_path: Path) -> None:
    """The model of this test saw phantoms only; SEG, RTSTRUCT and SR carry it beside the numbers."""
    folder, ran = only(tmtv_tf.run(study, model=model, out=tmp_path / "out"))
    assert any("phantoms only" in text for text in ran.warnings)
    said = "Trained on synthetic images only; not validated on patients."
    assert dcmread(folder / "seg.dcm").ContentDescription == said
    assert dcmread(folder / "rtstruct.dcm").StructureSetDescription == said
    assert said.encode() in (folder / "sr.dcm").read_bytes()
