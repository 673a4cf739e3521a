"""What the page is told of a case, as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from petct.errors import CaseError, ParameterError
from petct.image import Geometry
from petct.palette import lesion_color
from petct.text import one_line
from postprocess._components import is_member
from postprocess.measures import PatientMeasures
from postprocess.seeds import voxel_of
from tmtv_tf.review.session import Session
from tmtv_tf.review.snapshot import MethodNow, Row
from tmtv_tf.review.volumes import affine_ras
from tmtv_tf.review.worklist import default_method

TOTALS = ("tmtv_ml", "tlg", "dmax_mm", "lesion_count", "suv_max")


def state_of(session: Session, method: str | None = None) -> dict[str, Any]:
    """The whole state of a case; the lesions are those of one method."""
    with session.lock:
        method = checked_method(session, method)
        log, now, before = session.log, session.snapshot(), session.automatic_snapshot()
        geometry = session.images.pet.geometry
        after, automatic = now.methods[method], before.methods[method]
        signed = log.signed
        status = session.status
        return {
            "case_id": session.case.case_id,
            "revision": len(log.entries),
            "methods": list(session.methods),
            "method": method,
            **grid_json(geometry),
            "mip": _mip_json(session),
            "lesions": [_lesion(row, _origin(label, automatic, after)) for label, row in after.rows.items()],
            "excluded": [
                _lesion(row, "automatic")
                for label, row in automatic.rows.items()
                if _is_out(label, automatic, after)
            ],
            "totals": {
                name: {
                    "automatic": _totals(before.methods[name].measures),
                    "final": _totals(now.methods[name].measures),
                }
                for name in session.methods
            },
            "can_undo": log.can_undo,
            "can_redo": log.can_redo,
            "edits": len(log.in_force),
            "signed": {"by": signed.by, "time": signed.time} if signed and status == "signed" else None,
            "status": status,
            "warnings": [
                session.folders.short(text)
                for text in (*session.late, *session.automatic["warnings"], *now.warnings)
            ],
            "has_ct": session.case.has_ct,
        }


def grid_json(geometry: Geometry) -> dict[str, Any]:
    """Where the voxels lie."""
    return {
        "shape": list(geometry.shape),
        "spacing_mm": list(geometry.spacing_mm),
        "affine_ras": affine_ras(geometry).tolist(),
    }


def checked_method(session: Session, method: str | None) -> str:
    """The method asked for, or the one that is shown first."""
    if method is None:
        return default_method(session.methods)
    if method not in session.methods:  # of a request: it may be anything that JSON holds
        raise CaseError(f"No result of the method {one_line(method)}; there is {', '.join(session.methods)}.")
    return method


def value_at(session: Session, method: str | None, point_mm: tuple[float, float, float]) -> dict[str, Any]:
    """SUV, HU and lesion number at an LPS point; null outside."""
    method = checked_method(session, method)
    pet, ct = session.images.pet, session.images.ct
    found: dict[str, Any] = {"suv": None, "hu": None, "label": 0}
    for name, image in (("suv", pet), ("hu", ct)):
        if image is not None:
            try:
                found[name] = float(image.array[tuple(voxel_of(image.geometry, point_mm))])
            except ParameterError:
                continue
    if found["suv"] is not None:
        lesions = session.snapshot().methods[method].lesions
        flat = np.ravel_multi_index(tuple(voxel_of(pet.geometry, point_mm)), pet.geometry.shape)
        at = np.searchsorted(lesions.index, flat)
        if at < lesions.index.size and lesions.index[at] == flat:
            found["label"] = int(lesions.label[at])
    return found


def sphere(session: Session, center_mm: tuple[float, float, float], radius_mm: float) -> dict[str, Any]:
    """Mean, highest, lowest SUV and SD of the voxels whose centre lies within <= `radius_mm` of an LPS point."""
    pet = session.images.pet
    centre = pet.geometry.to_index(center_mm)[0]
    voxel_of(pet.geometry, center_mm)
    spacing = np.array(pet.spacing_mm)
    low = np.maximum(np.ceil(centre - radius_mm / spacing).astype(int), 0)
    high = np.minimum(np.floor(centre + radius_mm / spacing).astype(int) + 1, pet.geometry.shape)
    axes = [((np.arange(a, b) - c) * s) ** 2 for a, b, c, s in zip(low, high, centre, spacing)]
    inside = axes[0][:, None, None] + axes[1][:, None] + axes[2] <= radius_mm**2 * (1 + 1e-9)
    values = pet.array[tuple(map(slice, low, high))][inside].astype(np.float64)
    if not values.size:
        raise ParameterError("The sphere holds no voxel centre; make it larger.")
    return {
        "voxels": values.size,
        "volume_ml": values.size * pet.geometry.voxel_ml,
        "suv_mean": float(values.mean()),
        "suv_sd": float(values.std()),
        "suv_max": float(values.max()),
        "suv_min": float(values.min()),
    }


def _mip_json(session: Session) -> dict[str, Any]:
    found = session.images.projections
    down, across = found.mm_per_pixel
    return {"width": found.width, "height": found.height, "mm_per_pixel": [across, down]}


def _totals(measures: PatientMeasures) -> dict[str, Any]:
    return {name: getattr(measures, name) for name in TOTALS}


def _origin(label: int, automatic: MethodNow, now: MethodNow) -> str:
    if label not in automatic.rows:
        return "added"
    if automatic.rows[label] is now.rows[label]:
        return "automatic"
    before, after = (m.lesions.index[m.lesions.label == label] for m in (automatic, now))
    return "automatic" if np.array_equal(before, after) else "changed"


def _is_out(label: int, automatic: MethodNow, now: MethodNow) -> bool:
    """Whether none of an automatic lesion is in any lesion now; one that was merged is not out."""
    if label in now.rows:
        return False
    before = automatic.lesions.index[automatic.lesions.label == label]
    return not is_member(before, now.lesions.index).any()


def _lesion(row: Row, origin: str) -> dict[str, Any]:
    lesion = row.lesion
    return {
        "label": lesion.label,
        **{k: getattr(lesion, k) for k in ("volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg")},
        "centroid_mm": [lesion.x_mm, lesion.y_mm, lesion.z_mm],
        "hottest_mm": list(row.hottest_mm),
        "region": None,
        "origin": origin,
        "color": "#{:02x}{:02x}{:02x}".format(*lesion_color(lesion.label)),
    }
