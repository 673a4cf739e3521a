"""Where lymph nodes lie in a segmented body, from its organs and landmarks."""

from __future__ import annotations

import numpy as np

from tmtv_tf.phantom.worlds.anatomy import VOXEL_MM, Labels, Point
from tmtv_tf.phantom.worlds.landmarks import Landmarks, front_y, spine_y
from tmtv_tf.phantom.worlds.tissues import Tissue as T


def nodal_stations(tissue: Labels, body, marks: Landmarks) -> dict[str, Point]:
    """Lines of points (z, y, x) in mm; paired stations are "left ..." and "right ..."."""
    place = _Places(tissue, body, marks)
    stations = _midline(place)
    for name, side in (("left", 1), ("right", -1)):
        stations |= {f"{name} {station}": line for station, line in _paired(place, side).items()}
    return {name: np.atleast_2d(np.asarray(line, float)) for name, line in stations.items()}


class _Places:
    """Landmarks of one body, and what lies `gap` mm in front of its spine."""

    def __init__(self, tissue: Labels, body, marks: Landmarks) -> None:
        self._body, self.marks = body, marks
        organs = (T.MYOCARDIUM, T.SPLEEN, T.PANCREAS, T.SMALL_BOWEL)
        self.heart, self.spleen, self.pancreas, self.bowel = (
            np.argwhere(tissue == organ).mean(axis=0) * VOXEL_MM for organ in organs
        )
        self.heart_top = float(np.argwhere(tissue == T.MYOCARDIUM)[:, 0].max() * VOXEL_MM)
        self.arch = min(self.heart_top + 38, marks.shoulder_z - 50)
        self.lumbar = marks.hip_z + 235
        self.groin = front_y(body, marks, marks.hip_z + 60)

    def front(self, z: float, gap: float) -> float:
        return spine_y(self._body, self.marks, z) - gap


def _midline(place: _Places) -> dict[str, list]:
    mx, hip, front, heart_top = place.marks.mid_x, place.marks.hip_z, place.front, place.heart_top
    arch, lumbar = place.arch, place.lumbar
    heart, spleen, pancreas, bowel = place.heart, place.spleen, place.pancreas, place.bowel
    return {
        "anterior mediastinum": [(arch + 25, front(arch, 78), mx - 6), (heart_top, front(arch, 84), mx + 8)],
        "paratracheal": [(arch + 30, front(arch, 46), mx - 20), (arch - 15, front(arch, 44), mx - 18)],
        "subcarinal": [(arch - 42, front(arch, 34), mx), (arch - 64, front(arch, 34), mx + 4)],
        "retrocrural": [
            (pancreas[0] + 70, front(pancreas[0] + 70, 16), mx + 2),
            (pancreas[0] + 30, front(pancreas[0], 18), mx + 4),
        ],
        "coeliac": [pancreas + (12, 4, 0), pancreas + (-6, 0, -26)],
        "liver hilum": [pancreas + (22, -6, -38), pancreas + (10, -6, -44)],
        "splenic hilum": [spleen + (-6, -12, -34), spleen + (14, -14, -32)],
        "mesenteric": [bowel + (40, 12, 4), bowel + (-10, 10, 20), bowel + (-25, 12, -25)],
        "aortocaval": [
            (pancreas[0] - 10, front(pancreas[0], 32), mx - 2),
            (lumbar, front(lumbar, 30), mx - 2),
        ],
        "presacral": [(hip + 150, front(hip + 235, 0) + 12, mx), (hip + 90, front(hip + 235, 0) + 40, mx)],
        "pericardial": [heart + (-30, -30, -50), heart + (-36, -18, 30)],
    }


def _paired(place: _Places, side: int) -> dict[str, list]:
    """Of one side: 1 the left, -1 the right."""
    marks, front, arch, lumbar, groin = place.marks, place.front, place.arch, place.lumbar, place.groin
    mx, n, hip, sh, x = marks.mid_x, marks.neck_z, marks.hip_z, marks.shoulder_z, marks.arm_half_mm
    heart_top, pancreas = place.heart_top, place.pancreas
    return {
        "upper cervical": [(n + 62, front(n, -4), mx + side * 46), (n + 10, front(n, 0), mx + side * 48)],
        "lower cervical": [
            (n + 8, front(n, 2), mx + side * 46),
            (n - 40, front(n - 30, 4), mx + side * 50),
        ],
        "posterior neck": [
            (n + 40, front(n, -40), mx + side * 44),
            (n - 20, front(n, -36), mx + side * 58),
        ],
        "submandibular": [(n + 52, front(n, 52), mx + side * 32), (n + 40, front(n, 62), mx + side * 18)],
        "parotid": [(n + 85, front(n, 6), mx + side * 58)],
        "occipital": [(n + 85, front(n, -58), mx + side * 34)],
        "supraclavicular": [
            (n - 42, front(n - 40, 18), mx + side * 52),
            (n - 56, front(n - 40, 14), mx + side * 84),
        ],
        "infraclavicular": [(sh - 60, front(sh - 50, 48), mx + side * 100)],
        "axillary": [
            (sh - 75, front(sh - 70, 10), mx + side * (x - 36)),
            (marks.axilla_z - 20, front(sh - 70, 0), mx + side * (x - 34)),
        ],
        "subpectoral": [(sh - 90, front(sh - 90, 62), mx + side * (x - 64))],
        "hilar": [
            (arch - 50, front(arch, 34), mx + side * 46),
            (arch - 78, front(arch, 34), mx + side * 50),
        ],
        "internal mammary": [
            (arch, front(arch, 104), mx + side * 26),
            (heart_top - 60, front(heart_top, 122), mx + side * 28),
        ],
        "para-aortic": [
            (pancreas[0] - 4, front(pancreas[0], 22), mx + side * 32),
            (lumbar, front(lumbar, 20), mx + side * 30),
        ],
        "renal hilum": [(pancreas[0] - 34, front(pancreas[0] - 34, 8), mx + side * 42)],
        "common iliac": [
            (hip + 228, front(lumbar, 14), mx + side * 30),
            (hip + 165, front(lumbar, 10), mx + side * 52),
        ],
        "external iliac": [
            (hip + 150, front(lumbar, 14), mx + side * 62),
            (hip + 75, groin + 62, mx + side * 80),
        ],
        "obturator": [(hip + 100, groin + 95, mx + side * 62)],
        "inguinal": [(hip + 48, groin + 40, mx + side * 82), (hip - 30, groin + 40, mx + side * 84)],
        "popliteal": [(hip - 400, front(hip + 240, -40), mx + side * 112)],
        "chest wall": [(marks.axilla_z - 70, front(sh - 90, 20), mx + side * (marks.chest_half_mm - 36))],
    }
