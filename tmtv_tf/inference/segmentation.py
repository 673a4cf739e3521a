"""Apply a network to a PET/CT: model-grid windows over the whole patient, the result on the native PET grid."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from petct.errors import CaseError, ModelError, TmtvError
from petct.files import read_json, remove, sha256, write_json
from petct.image import Geometry, Image, image_sha256, read_image, resample, write_image
from petct.version import software
from tmtv_tf.input.grid import BODY_SUV, ModelGrid, ct_coverage_warning, model_input, place_grid

# Windows of a body beyond the grid share at least this part of their edge with their neighbours.
WINDOW_OVERLAP = 0.25
# Specks of noise smaller than this do not ask for a further window.
SMALLEST_BODY_PART_ML = 10.0
# Lower probabilities are written as 0: a network's sigmoid is never 0, and a file full of noise is ten times larger.
NEGLIGIBLE_PROBABILITY = 1e-3
MAP_NAME = "probability.nii.gz"
INFO_NAME = "prediction.json"

log = logging.getLogger(__name__)

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def predict_probability(network: Network, grid: ModelGrid, pet: Image, ct: Image | None) -> Image:
    """Probability of tumour for every voxel of the PET: float32 in [0, 1] on the native PET grid.

    One window at `place_grid`; where the body (SUV > 0.2) reaches beyond it, as many overlapping windows along
    that axis as cover it, blended with weights that fall linearly towards their faces. The probability is
    resampled linearly onto the PET; 0 outside the windows.

    Parameters
    ----------
    network : image (1, Z, Y, X, C) -> probability (1, Z, Y, X, 1).
    pet : SUVbw.
    ct : HU in the same frame of reference; None for a network of PET alone.
    """
    if not np.all(np.isfinite(pet.array)):
        raise CaseError("The PET holds values that are not numbers.")
    windows = cover_body(pet, grid)
    base = place_grid(pet.geometry, grid)
    low = np.min(windows, axis=0)
    shape = np.max(windows, axis=0) + np.array(grid.shape) - low
    whole = _shifted(base, low, tuple(int(n) for n in shape))
    image = model_input(pet, ct, grid, whole)
    if len(windows) == 1:
        probability = np.asarray(network(image[None]))[0, ..., 0]
    else:
        probability = _blend(network, image, [tuple(w - low) for w in np.array(windows)], grid.shape)
    native = resample(Image(probability.astype(np.float32), whole), pet.geometry).array
    native = np.clip(native, 0.0, 1.0)
    native[native < NEGLIGIBLE_PROBABILITY] = 0.0
    return Image(native, pet.geometry)


def cover_body(pet: Image, grid: ModelGrid) -> list[tuple[int, int, int]]:
    """First voxels (z, y, x) of the windows, on the lattice of `place_grid`; [(0, 0, 0)] where one is enough."""
    body = _body_box(pet, grid)
    if body is None:
        return [(0, 0, 0)]
    starts = [
        _window_starts(int(min(low, 0)), int(max(high, size)), size)
        for low, high, size in zip(*body, grid.shape)
    ]
    return [(z, y, x) for z in starts[0] for y in starts[1] for x in starts[2]]


def predict_case(case_dir: Path, model_path: Path, out: Path) -> str:
    """Predict one prepared case into `<out>/<case_id>/probability.nii.gz`.

    Returns "kept" where it stands already, made from the same files by the same model; else "done".
    """
    from tmtv_tf.cases.case import load_case

    digest = sha256(model_path)
    network, grid = _network(model_path, digest)
    # A case that cannot even be opened must not keep another model's map.
    matching_prediction(out / case_dir.absolute().name, {"model": digest})
    case = load_case(case_dir)
    folder = out / case.case_id
    inputs = {"model": digest, "pet": image_sha256(case.pet)}
    if grid.needs_ct:
        inputs["ct"] = image_sha256(case.ct) if case.ct else "missing"
    earlier = matching_prediction(folder, inputs)
    if earlier.get("software") == software() and (folder / MAP_NAME).is_file():
        return "kept"
    if grid.needs_ct and case.ct is None:
        raise CaseError(
            f"{case_dir}: there is no CT (ct.nii.gz), but {model_path.name} was trained on PET and CT."
        )
    pet = read_image(case.pet)
    ct = read_image(case.ct) if grid.needs_ct and case.ct is not None else None
    warning = ct_coverage_warning(pet, ct) if ct is not None else None
    if warning:
        log.warning("%s: %s", case.case_id, warning)
    probability = predict_probability(network, grid, pet, ct)
    info = {
        "case_id": case.case_id,
        "model": model_path.name,
        "inputs": inputs,
        "grid": grid.to_json(),
        "windows": cover_body(pet, grid),
        "warnings": [warning] if warning else [],
        "software": software(),
    }
    write_prediction(folder, probability, info)
    return "done"


def matching_prediction(folder: Path, inputs: dict[str, str]) -> dict[str, Any]:
    """The `prediction.json` in `folder`, if it states these inputs (SHA-256 by role); else an empty dict.

    A prediction from other files, or of unknown origin, is removed: it must not pass for one from these.
    """
    try:
        info = read_json(folder / INFO_NAME)
        if all(info["inputs"].get(role) == digest for role, digest in inputs.items()):
            return info
    except (TmtvError, TypeError, KeyError, AttributeError):
        pass  # none, or not a prediction of ours
    clear_prediction(folder)
    return {}


def write_prediction(folder: Path, probability: Image | None, info: dict[str, Any]) -> None:
    """Replace what stands in `folder`. No map is ever without the file that says what it was made from."""
    clear_prediction(folder)
    write_json(folder / INFO_NAME, info)
    if probability is not None:
        write_image(folder / MAP_NAME, probability)


def clear_prediction(folder: Path) -> None:
    """Remove the map, then its `prediction.json`."""
    if folder.is_dir():
        remove(folder / MAP_NAME)
        remove(folder / INFO_NAME)


def cases_to_predict(cases: Path, split: str | None = None) -> list[Path]:
    """Case folders under `cases` (or `cases` itself), all or those of one split of its cohort.csv, by name.

    Raises
    ------
    CaseError
        There is none, or an unknown split.
    """
    from tmtv_tf.cases.case import INFO_NAME as CASE_INFO
    from tmtv_tf.cases.case import WITHDRAWN_NAME, find_cases
    from tmtv_tf.cases.cohort import SPLITS, read_cohort

    one = (cases / CASE_INFO).is_file() or (cases / WITHDRAWN_NAME).is_file()
    if split is None:
        return [cases] if one else find_cases(cases)
    if split not in SPLITS:
        raise CaseError(f"--split must be one of {', '.join(SPLITS)}. Received: {split!r}.")
    if one:
        raise CaseError(
            f"{cases}: this is one case, so --split cannot choose among cases. Leave --split out."
        )
    folders = find_cases(cases)
    rows = read_cohort(cases)
    chosen = {row["case_id"] for row in rows if row["split"] == split}
    folders = [folder for folder in folders if folder.name in chosen]
    if not folders:
        counts = Counter(row["split"] or "no split" for row in rows)
        there = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise CaseError(
            f"{cases / 'cohort.csv'}: no case of the split {split!r} with a case folder (cases: {there or 'none'}). "
            "Leave --split out to predict all of them, or name another split."
        )
    return folders


def load_network(path: Path) -> tuple[Network, ModelGrid]:
    """A model file as a function of NumPy arrays, and its grid."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from tmtv_tf.models.file import load_model

    model, grid = load_model(path)
    if model.output_shape[1:] != (*grid.shape, 1):
        raise ModelError(
            f"{path}: expected one probability map (Z, Y, X, 1) of the grid, the network gives "
            f"{model.output_shape[1:]}."
        )
    return lambda image: np.asarray(model.predict_on_batch(image)), grid


@lru_cache(maxsize=1)
def _network(path: Path, digest: str) -> tuple[Network, ModelGrid]:
    """Loaded once per process; `digest` so that a file that changed is loaded again."""
    return load_network(path)


def _body_box(pet: Image, grid: ModelGrid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """First and one past the last lattice voxel of the body, relative to `place_grid`; None without a body."""
    from scipy import ndimage

    base = place_grid(pet.geometry, grid)
    corners = base.to_index(pet.geometry.corners_mm())
    low = np.minimum(np.floor(corners.min(axis=0)), 0).astype(int)
    high = np.maximum(np.ceil(corners.max(axis=0)) + 1, grid.shape).astype(int)
    everything = _shifted(base, low, tuple(int(n) for n in high - low))
    labels, count = ndimage.label(resample(pet, everything).array > BODY_SUV)
    if not count:
        return None
    parts = np.flatnonzero(np.bincount(labels.ravel())[1:] * everything.voxel_ml >= SMALLEST_BODY_PART_ML)
    found = ndimage.find_objects(labels)
    boxes = [found[part] for part in parts]
    if not boxes:
        return None
    first = np.min([[s.start for s in box] for box in boxes], axis=0)
    last = np.max([[s.stop for s in box] for box in boxes], axis=0)
    return first + low, last + low


def _window_starts(low: int, high: int, size: int) -> list[int]:
    """Evenly spread starts of windows of `size` that cover [low, high) and overlap by WINDOW_OVERLAP or more."""
    if high - low <= size:
        return [low]
    count = 1 + int(np.ceil((high - low - size) / (size * (1 - WINDOW_OVERLAP))))
    return [int(start) for start in np.linspace(low, high - size, count).round()]


def _shifted(base: Geometry, start_zyx: npt.ArrayLike, shape: tuple[int, ...]) -> Geometry:
    """The same lattice from another first voxel."""
    x, y, z = base.to_world(start_zyx)[0]
    return Geometry((shape[0], shape[1], shape[2]), base.spacing_mm, (x, y, z), base.direction)


def _blend(network: Network, image: npt.NDArray, starts, shape) -> npt.NDArray[np.float32]:
    """Weighted mean of the windows' probabilities; weights fall linearly from the centre to the faces."""
    ramps = [np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / ((n + 1) // 2) for n in shape]
    weight = (ramps[0][:, None, None] * ramps[1][:, None] * ramps[2]).astype(np.float32)
    total = np.zeros(image.shape[:3], np.float32)
    weights = np.zeros(image.shape[:3], np.float32)
    for start in starts:
        window = tuple(slice(s, s + n) for s, n in zip(start, shape))
        total[window] += weight * np.asarray(network(image[window][None]))[0, ..., 0]
        weights[window] += weight
    return np.divide(total, weights, out=total, where=weights > 0)
