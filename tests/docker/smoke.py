"""Tried inside an image: the chain of the README on six coarse phantoms, as far as the image goes.

python smoke.py postprocess|run|cpu|gpu FOLDER    (gpu: FOLDER/driver holds driver.c, compiled)
"""

import importlib.util
import json
import shlex
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

target, folder = sys.argv[1], Path(sys.argv[2])
TINY = """
epochs: 2
grid: {shape: [64, 32, 32], spacing_mm: [16, 16, 16]}
model: {filters: 2, convolutions: [1, 1], bottom_convolutions: 1, kernel_size: 3}
optimizer: {name: adam, learning_rate: 0.01}
"""


def run(command, status=0):
    """Run it; leave unless it exits with this status. Returns what it printed."""
    done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"$ {command}\n{done.stdout}", flush=True)
    check(done.returncode == status, f"exit status {done.returncode}")
    return done.stdout


def check(holds, complaint):
    if not holds:
        sys.exit(f"{target}: {complaint}")


def tmtv_ml(results, method):
    """TMTV of every case, by case id."""
    files = sorted((folder / results).glob("*/tmtv.json"))
    return {file.parent.name: json.loads(file.read_text())["methods"][method]["tmtv_ml"] for file in files}


for command in ("tmtv", "tmtv-postprocess", "tmtv inspect", "tmtv prepare", "tmtv predict", "tmtv evaluate"):
    run(f"{command} --help")
has_tensorflow = importlib.util.find_spec("tensorflow") is not None
check(has_tensorflow == (target not in ("postprocess", "run")), f"TensorFlow installed: {has_tensorflow}")

# DICOM -> SUV and truth; the truth sent through the post-processing gives back the readers' volume.
phantom, cases = folder / "phantom", folder / "cases"
run(f"tmtv phantom {phantom} --cases 6 --voxel-mm 10")
run(f"tmtv prepare {phantom}/dicom --out {cases} --clinical {phantom}/cohort.csv --no-model-grid --workers 2")
check(Path("/data/.config/tmtv/key").is_file(), "the key of the case ids does not lie under /data")
for case in sorted(cases.glob("phantom_*")):
    files = f"--mask {case}/reference_4.0.nii.gz --suv {case}/pet.nii.gz --out {folder}/truth"
    run(f"tmtv-postprocess {files} --case-id {case.name} -m 4.0")
from petct.image import read_image  # noqa: E402

volumes_ml = tmtv_ml("truth", "4.0")
check(len(volumes_ml) == 6, "not every phantom has a result")
for case_id, volume_ml in volumes_ml.items():
    reference = read_image(cases / case_id / "reference_4.0.nii.gz")
    expected_ml = reference.array.sum() * reference.geometry.voxel_ml
    check(abs(volume_ml - expected_ml) < 1e-6 * expected_ml, f"{case_id}: {volume_ml} mL, not {expected_ml}")

# One study to everything, with the reader's outlines in place of a model.
outlines = sorted((phantom / "dicom").glob("*/RTSTRUCT/rtstruct.dcm"))[0]
run(f"tmtv run {outlines.parents[1]} --mask {outlines} --out {folder}/run")
check(len(list((folder / "run").glob("*/seg.dcm"))) == 1, "tmtv run wrote no seg.dcm")

if has_tensorflow:
    # A configuration that is there by its name alone, and one that is not.
    train = f"python -m training.train_vnet --data {cases} --out {folder}/model --config"
    check("With the package come demo.yaml" in run(f"{train} absent.yaml", status=2), "no list")
    from training.config import read_config
    from training.train_vnet import Config, build

    parameters = build(read_config("vnet_paper.yaml", Config)).count_params()
    check(parameters == 10_986_489, f"vnet_paper.yaml: {parameters} parameters")

    (folder / "tiny.yaml").write_text(TINY)
    check("V-Net on CPU" in run(f"{train} {folder}/tiny.yaml"), "not trained on the CPU")
    check(len((folder / "model/log.csv").read_text().splitlines()) == 3, "not two epochs")
    run(f"tmtv predict {cases} --model {folder}/model/best.keras --out {folder}/probability")
    run(f"tmtv-postprocess --probability {folder}/probability --suv {cases} --out {folder}/results")
    check(len(tmtv_ml("results", "raw")) == 6, "not every phantom has a result")
    run(f"tmtv evaluate {folder}/results --cases {cases} --out {folder}/report")

if target == "gpu":
    # A card is listed only if TensorFlow finds every CUDA library in the wheels; this card is the one of driver.c.
    script = (
        "import tensorflow as tf; print(tf.sysconfig.get_build_info(), tf.config.list_physical_devices())"
    )
    listed = run(f"env LD_LIBRARY_PATH={folder}/driver TF_CPP_VMODULE=dso_loader=1 python -c '{script}'")
    check("PhysicalDevice(name='/physical_device:GPU:0'" in listed, "TensorFlow takes no GPU")
    print(*sorted(f"{d.name}=={d.version}" for d in distributions() if d.name.startswith("nvidia-")))
print(f"{target}: smoke test passed")
