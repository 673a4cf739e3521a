"""Tried inside an image: one sphere of known volume through `tmtv-postprocess`; TensorFlow only where it belongs."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from postprocess.image import Geometry, Image, write_image

target = sys.argv[1]
folder = Path(tempfile.mkdtemp())
z, y, x = np.ogrid[:40, :40, :40]
inside = (z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 64
geometry = Geometry((40, 40, 40), (4.0, 4.0, 4.0))
write_image(folder / "case" / "probability.nii.gz", Image(inside.astype(np.float32), geometry))
write_image(folder / "case" / "pet.nii.gz", Image(np.where(inside, 8, 1).astype(np.float32), geometry))
command = ["tmtv-postprocess", "--probability", str(folder / "case" / "probability.nii.gz")]
command += ["--suv", str(folder / "case" / "pet.nii.gz"), "--out", str(folder / "out")]
subprocess.run(command, check=True)
result = json.loads((folder / "out" / "case" / "tmtv.json").read_text())
expected_ml = inside.sum() * 0.064
for method, measures in result["methods"].items():
    if abs(measures["tmtv_ml"] - expected_ml) > 1e-6 * expected_ml or measures["lesion_count"] != 1:
        sys.exit(f"{method}: {measures}, expected one lesion of {expected_ml} mL")
has_tensorflow = importlib.util.find_spec("tensorflow") is not None
if has_tensorflow == (target == "postprocess"):
    sys.exit(f"{target}: TensorFlow installed: {has_tensorflow}")
if has_tensorflow:
    import keras

    from tmtv_tf.models.vnet import vnet

    print("Keras", keras.__version__, "V-Net parameters:", vnet((16, 16, 16, 2)).count_params())
print(f"{target}: smoke test passed ({sorted(result['methods'])}, {expected_ml:.1f} mL each)")
