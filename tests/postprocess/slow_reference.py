"""Slow and obvious versions of the post-processing, written from the definitions, voxel by voxel."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque

import numpy as np

Voxel = tuple[int, int, int]


def offsets(connectivity: int) -> list[Voxel]:
    steps = {6: 1, 18: 2, 26: 3}[connectivity]
    return [o for o in itertools.product((-1, 0, 1), repeat=3) if 0 < sum(map(abs, o)) <= steps]


def neighbours(voxel: Voxel, connectivity: int) -> list[Voxel]:
    return [tuple(a + b for a, b in zip(voxel, o)) for o in offsets(connectivity)]


def components(mask: np.ndarray, connectivity: int) -> list[set[Voxel]]:
    left = {tuple(map(int, v)) for v in np.argwhere(mask)}
    found = []
    while left:
        start = left.pop()
        group, queue = {start}, deque([start])
        while queue:
            for n in neighbours(queue.popleft(), connectivity):
                if n in left:
                    left.remove(n)
                    group.add(n)
                    queue.append(n)
        found.append(group)
    return found


def number(groups: list[set[Voxel]], shape: tuple[int, ...]) -> np.ndarray:
    """Labels by descending volume, ties by the first voxel."""
    labels = np.zeros(shape, np.int32)
    groups = [g for g in groups if g]
    for k, group in enumerate(sorted(groups, key=lambda g: (-len(g), min(g))), start=1):
        for voxel in group:
            labels[voxel] = k
    return labels


def distance_mm(a: Voxel, b: Voxel, spacing_mm: tuple[float, ...]) -> float:
    return math.sqrt(sum(((i - j) * s) ** 2 for i, j, s in zip(a, b, spacing_mm)))


def peaks(group: set[Voxel], suv: np.ndarray, spacing_mm: tuple[float, ...], reach_mm: float) -> set[Voxel]:
    return {
        v for v in group if all(suv[v] >= suv[u] for u in group if distance_mm(u, v, spacing_mm) <= reach_mm)
    }


def split(
    group: set[Voxel], suv: np.ndarray, spacing_mm: tuple[float, ...], reach_mm: float
) -> list[set[Voxel]]:
    """Flood from the markers, highest SUV first."""
    top = peaks(group, suv, spacing_mm, reach_mm)
    markers = []
    while top:
        start = top.pop()
        marker, queue = {start}, deque([start])
        while queue:
            v = queue.popleft()
            for n in neighbours(v, 6):
                if n in top and suv[n] == suv[v]:
                    top.remove(n)
                    marker.add(n)
                    queue.append(n)
        markers.append(marker)
    if len(markers) < 2:
        return [group]
    owner = {v: k for k, marker in enumerate(markers) for v in marker}
    heap = [(-float(suv[v]), v) for v in owner]
    heapq.heapify(heap)
    while heap:
        _, v = heapq.heappop(heap)
        for n in neighbours(v, 6):
            if n in group and n not in owner:
                owner[n] = owner[v]
                heapq.heappush(heap, (-float(suv[n]), n))
    return [{v for v in group if owner[v] == k} for k in range(len(markers))]


def parts(
    mask: np.ndarray, suv: np.ndarray, spacing_mm: tuple[float, ...], above_ml: float, reach_mm: float
) -> list[set[Voxel]]:
    found = []
    for group in components(mask, 6):
        large = len(group) * math.prod(spacing_mm) > 1000 * above_ml * (1 + 1e-6)
        found += split(group, suv, spacing_mm, reach_mm) if large else [group]
    return found


def sphere_mean(voxel: Voxel, suv: np.ndarray, spacing_mm: tuple[float, ...]) -> float:
    near = [float(suv[u]) for u in np.ndindex(suv.shape) if distance_mm(u, voxel, spacing_mm) <= 6.2035]
    return sum(near) / len(near)


def segment(
    probability: np.ndarray,
    suv: np.ndarray,
    spacing_mm: tuple[float, ...],
    method: str,
    above_ml: float = 30.0,
    reach_mm: float = 20.0,
) -> np.ndarray:
    mask = probability > 0.5
    kept = {"raw": mask, "2.5": mask & (suv > 2.5), "4.0": mask & (suv > 4.0)}
    if method in kept:
        return number(components(kept[method], 6), suv.shape)
    lesions = {"41": [], "50p": []}
    for part in parts(mask, suv, spacing_mm, above_ml, reach_mm):
        top = max(suv[v] for v in part)
        lesions["41"].append({v for v in part if suv[v] >= np.float32(0.41 * float(top))})
        if method != "41":
            peak = max(sphere_mean(v, suv, spacing_mm) for v in part)
            lesions["50p"].append({v for v in part if suv[v] >= np.float32(0.5 * peak)})
    if method in lesions:
        return number(lesions[method], suv.shape)
    votes = kept["2.5"].astype(int) + kept["4.0"]
    for name in lesions:
        votes += number(lesions[name], suv.shape) > 0
    return number(components(votes >= int(method[-1]), 6), suv.shape)
