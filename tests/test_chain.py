"""The whole chain as `make demo` runs it, on a few coarse phantoms: every command as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from petct.image import read_image

BIN = Path(sys.executable).parent
CASES = 6


def run(*arguments: object) -> str:
    """Run a console command and return what it printed; it must leave with 0."""
    command = [str(BIN / str(arguments[0])), *map(str, arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install '.[cpu]'")
    out = tmp_path_factory.mktemp("chain")
    run("tmtv", "phantom", out / "phantom", "--cases", CASES, "--seed", 3, "--voxel-mm", 8)
    table = out / "phantom" / "cohort.csv"
    run(
        *("tmtv", "prepare", out / "phantom" / "dicom", "--out", out / "cases"),
        *("--clinical", table, "--no-model-grid"),
    )
    config = yaml.safe_load((Path(__file__).parents[1] / "training" / "configs" / "demo.yaml").read_text())
    config["grid"] |= {"shape": [64, 32, 32], "spacing_mm": [16.0, 16.0, 16.0]}
    config["epochs"] = 1
    (out / "tiny.yaml").write_text(yaml.safe_dump(config))
    run(
        *("python", "-m", "training.train_vnet", "--config", out / "tiny.yaml"),
        *("--data", out / "cases", "--out", out / "model"),
    )
    run(
        *("tmtv", "predict", out / "cases", "--model", out / "model" / "best.keras"),
        *("--out", out / "probability"),
    )
    run(
        "tmtv-postprocess",
        "--probability",
        out / "probability",
        "--suv",
        out / "cases",
        "--out",
        out / "results",
    )
    run("tmtv", "evaluate", out / "results", "--cases", out / "cases", "--out", out / "report")
    return out


def test_every_file_of_the_contract_is_there(chain: Path) -> None:
    cases = sorted(p.parent for p in (chain / "cases").glob("*/case.json"))
    assert len(cases) == CASES
    for case in cases:
        names = {p.name for p in case.iterdir()}
        assert names >= {"pet.nii.gz", "ct.nii.gz", "tmtvprob.nii.gz", "rois.csv", "reference_41.nii.gz"}
        assert names >= {"reference_2.5.nii.gz", "reference_4.0.nii.gz", "reference_otsu.nii.gz"}
    predicted = sorted(p.name for p in (chain / "probability").iterdir() if p.is_dir())
    assert len(predicted) == CASES
    for case_id in predicted:
        pet = read_image(chain / "cases" / case_id / "pet.nii.gz")
        probability = read_image(chain / "probability" / case_id / "probability.nii.gz")
        assert probability.geometry.same_grid(pet.geometry)
        assert probability.array.min() >= 0
        assert probability.array.max() <= 1
        result = json.loads((chain / "results" / case_id / "tmtv.json").read_text())
        assert set(result["methods"]) == {"raw", "41", "2.5", "4.0"}


def test_the_report_is_one_page_without_other_hosts(chain: Path) -> None:
    page = (chain / "report" / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    evaluation = json.loads((chain / "report" / "evaluation.json").read_text())
    assert "median_dice_tmtvprob" in evaluation
    assert {"41", "2.5", "4.0"} <= set(evaluation["methods"])
    assert {"median_dice", "spearman"} <= set(evaluation["methods"]["41"])
    assert list(evaluation["dice_by_split"]) == ["train", "validation", "test"]
    assert evaluation["cases_reported"] == evaluation["dice_by_split"]["test"]["n"] < CASES


def test_the_truth_went_through_dicom(chain: Path) -> None:
    """The reader's 4.0 mask holds nearly all voxels of the true lesions above SUV 4: SUV and geometry survived."""
    found = 0
    for case in sorted((chain / "cases").glob("*/case.json")):
        truth = read_image(chain / "phantom" / "truth" / case.parent.name / "lesions.nii.gz")
        pet = read_image(case.parent / "pet.nii.gz")
        reference = read_image(case.parent / "reference_4.0.nii.gz").array > 0
        assert truth.geometry.same_grid(pet.geometry)
        hot = (truth.array > 0) & (pet.array > 4)
        if hot.sum() > 20:
            assert (reference & hot).sum() / hot.sum() > 0.8
            found += 1
    assert found >= 2
