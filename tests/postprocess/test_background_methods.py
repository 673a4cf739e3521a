"""a50p, mv2, mv3 and adaptive on spheres whose SUVpeak is known by construction, with a known background."""

from __future__ import annotations

import math

import numpy as np
import pytest
from slow_reference import sphere_mean

from petct.console import run_app
from petct.errors import ParameterError
from petct.image import Geometry, Image, write_image
from postprocess import segment
from postprocess.cli import app
from postprocess.config import Config

SPACING_MM = (3.0, 2.0, 2.5)
SHAPE = (27, 41, 33)


def shells(*steps: tuple[float, float], floor: float = 0.5) -> np.ndarray:
    """Concentric spheres: SUV of the smallest radius (mm) that holds a voxel; `floor` outside."""
    axes = ((np.arange(n) - n // 2) * s for n, s in zip(SHAPE, SPACING_MM))
    z, y, x = np.ix_(*axes)
    radius = np.sqrt(z**2 + y**2 + x**2)
    suv = np.full(SHAPE, floor, np.float32)
    for outer_mm, value in sorted(steps, reverse=True):
        suv[radius <= outer_mm] = value
    return suv


def kept(suv: np.ndarray, method: str, liver: float, lung: float) -> np.ndarray:
    config = Config(liver_suv=liver, lung_suv=lung, split_above_ml=1e6)
    return segment(suv > 0.6, suv, SPACING_MM, method, config) > 0


def test_a50p_is_half_of_peak_plus_background_and_takes_what_equals_it() -> None:
    """Core of SUV 8 wider than the 1 mL sphere: SUVpeak = 8. Background (0.5 + 1.5) / 2 = 1: threshold 4.5, kept."""
    suv = shells((14, 8.0), (20, 4.5), (26, np.nextafter(np.float32(4.5), np.float32(0))))
    centre = tuple(n // 2 for n in SHAPE)
    assert sphere_mean(centre, suv, SPACING_MM) == pytest.approx(8)
    np.testing.assert_array_equal(kept(suv, "a50p", 1.5, 0.5), suv >= 4.5)
    # A warmer background of (0.6 + 1.6) / 2 = 1.1 raises it to 4.55: the middle shell goes.
    np.testing.assert_array_equal(kept(suv, "a50p", 1.6, 0.6), suv == 8)


def test_the_volume_of_a50p_is_that_of_the_sphere() -> None:
    suv = shells((20, 9.0), (30, 4.0))
    volume_mm3 = kept(suv, "a50p", 1.8, 0.4).sum() * math.prod(SPACING_MM)
    assert volume_mm3 == pytest.approx(4 / 3 * math.pi * 20**3, rel=0.03)


def test_votes_count_41_a50p_and_both_fixed_thresholds() -> None:
    """SUVmax = SUVpeak = 10, background 2: thresholds 4.1 (>=), 6 (>=), 2.5 (>), 4.0 (>).

    SUV 10: 4 votes. 5: 41, 2.5, 4.0 = 3. 4.05: 2.5, 4.0 = 2. 3: 1.
    """
    suv = shells((14, 10.0), (18, 5.0), (22, 4.05), (28, 3.0))
    np.testing.assert_array_equal(kept(suv, "mv2", 3.0, 1.0), suv > 4)
    np.testing.assert_array_equal(kept(suv, "mv3", 3.0, 1.0), suv >= 5)
    # vote2 counts 50p (SUV >= 5) where mv2 counts a50p (SUV >= 6): at SUV 5 one vote more
    np.testing.assert_array_equal(kept(suv, "vote3", 3.0, 1.0), suv >= 5)


@pytest.mark.parametrize(
    ("peak", "liver", "lung", "as_method"),
    [
        (8.01, 1.0, 0.5, "4.0"),  # SUVpeak > 8
        (8.0, 1.2, 0.4, "mv2"),  # not > 8; background 0.8 is not > 0.8
        (8.0, 1.3, 0.4, "mv3"),  # 0.85 is
        (6.0, 2.0, 0.6, "mv3"),
        (6.0, 1.0, 0.3, "mv2"),
    ],
)
def test_adaptive_takes_the_method_of_its_part(
    peak: float, liver: float, lung: float, as_method: str
) -> None:
    suv = shells((14, peak), (18, 4.2), (22, 3.4), (26, 2.6), (30, 1.0))
    found = {name: kept(suv, name, liver, lung) for name in ("4.0", "mv2", "mv3")}
    assert len({mask.sum() for mask in found.values()}) >= 2
    np.testing.assert_array_equal(kept(suv, "adaptive", liver, lung), found[as_method])


def test_adaptive_decides_for_each_part_by_itself() -> None:
    """Two lesions in one patient, one hot and one not: each by its own rule, and each one lesion."""
    suv = np.full((9, 9, 40), 0.5, np.float32)
    suv[1:8, 1:8, 1:14], suv[1:8, 1:8, 20:33] = 12.0, 5.0
    suv[:, :, 14:16], suv[:, :, 33:35] = (
        4.5,
        2.6,
    )  # 12: 4.0 keeps 4.5; 5: mv3 leaves 2.6 (41 %, 2.5: two votes)
    config = Config(liver_suv=2.0, lung_suv=0.6, split_above_ml=1e6)
    labels = segment(suv > 0.6, suv, (3.0, 3.0, 3.0), "adaptive", config)
    np.testing.assert_array_equal(labels > 0, suv > 4)
    assert labels.max() == 2


@pytest.mark.parametrize("method", ["a50p", "mv2", "mv3", "adaptive"])
@pytest.mark.parametrize("given", [{}, {"liver_suv": 2.0}, {"lung_suv": 0.5}])
def test_without_both_backgrounds_they_are_refused(method: str, given: dict) -> None:
    with pytest.raises(ParameterError, match="`liver_suv` and `lung_suv`"):
        segment(np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1.0, 1.0, 1.0), method, Config(**given))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        run_app(app, [str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_the_command_refuses_without_them_and_for_a_cohort(tmp_path, capsys) -> None:
    """The background is one patient's own: a folder of cases cannot share it."""
    suv = shells((14, 8.0))
    geometry = Geometry(SHAPE, SPACING_MM)
    write_image(
        tmp_path / "maps" / "p1" / "probability.nii.gz", Image((suv > 1).astype(np.float32), geometry)
    )
    write_image(tmp_path / "pets" / "p1" / "pet.nii.gz", Image(suv, geometry))
    one = ("-p", tmp_path / "maps/p1/probability.nii.gz", "--suv", tmp_path / "pets/p1/pet.nii.gz")
    many = ("-p", tmp_path / "maps", "--suv", tmp_path / "pets")
    out, values = ("--out", tmp_path / "out"), ("--liver-suv", 1.5, "--lung-suv", 0.5)
    assert run(*one, *out, "-m", "mv2") == 2
    assert "--liver-suv and --lung-suv" in " ".join(capsys.readouterr().err.split())
    assert run(*many, *out, *values, "-m", "mv2") == 2
    assert "--lung-suv belong to one case" in " ".join(capsys.readouterr().err.split())
    assert run(*one, *out, *values, *(x for m in ("a50p", "mv2", "mv3", "adaptive") for x in ("-m", m))) == 0
    assert (tmp_path / "out/p1/lesions_adaptive.nii.gz").is_file()
