"""Who lies in the scanner: everything about one synthetic patient that is drawn before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Five consecutive cases: about the shares of Revailler et al. 2022, Table 1 (777 HL, 851 DLBCL, 402 FL).
SUBTYPE_CYCLE = ("HL", "DLBCL", "FL", "DLBCL", "HL")


@dataclass(frozen=True)
class Patient:
    """One synthetic patient. `scale_xyz` maps the reference adult onto the patient (see canvas)."""

    number: int  # 1, 2, ...
    subtype: str
    sex: str  # "M" or "F"
    age_years: int
    height_m: float
    weight_kg: float
    fat_mm: float  # subcutaneous fat on the flank, reference millimetres
    scale_xyz: tuple[float, float, float]
    arms_up: bool
    scan_top_mm: float  # reference z of the first slice: vertex or orbit
    scan_bottom_mm: float  # mid-thigh
    injected_bq: float
    uptake_s: int  # injection to the decay reference time
    liver_noise: float  # standard deviation / mean of a liver voxel, before correlation is added

    @property
    def patient_id(self) -> str:
        return f"PHANTOM-{self.number:04d}"

    @property
    def case_id(self) -> str:
        return f"phantom_{self.number:04d}"


def draw_patient(number: int, rng: np.random.Generator) -> Patient:
    """Draw one adult; the same generator state gives the same patient.

    Age by subtype follows the trials (HL young, FL and DLBCL about 60); dose 3-4 MBq/kg and uptake 55-75 min
    follow the EANM procedure guideline 2.0 (Boellaard et al., 2015).
    """
    subtype = SUBTYPE_CYCLE[(number - 1) % len(SUBTYPE_CYCLE)]
    sex = "M" if rng.random() < 0.55 else "F"
    mean_age, sd_age = {"HL": (35, 13), "FL": (60, 11), "DLBCL": (62, 13)}[subtype]
    height_m = float(np.clip(rng.normal(1.76 if sex == "M" else 1.64, 0.07), 1.48, 2.0))
    bmi = float(np.clip(rng.lognormal(np.log(25.0), 0.16), 17.5, 42))
    weight_kg = round(bmi * height_m**2, 1)
    stature = height_m / 1.75
    girth = float(np.clip((bmi / 25) ** 0.25 * rng.normal(1.0, 0.04), 0.86, 1.16))
    from_vertex = rng.random() < 0.45
    return Patient(
        number=number,
        subtype=subtype,
        sex=sex,
        age_years=int(np.clip(rng.normal(mean_age, sd_age), 18, 88)),
        height_m=round(height_m, 2),
        weight_kg=weight_kg,
        fat_mm=float(np.clip((bmi - 16) * 1.7 + rng.normal(0, 3) + (4 if sex == "F" else 0), 5, 48)),
        scale_xyz=(
            girth * stature**0.3 * float(rng.normal(1, 0.025)),
            girth * stature**0.3 * float(rng.normal(1, 0.035)),
            stature,
        ),
        arms_up=rng.random() < 0.7,
        scan_top_mm=float(rng.uniform(1765, 1785) if from_vertex else rng.uniform(1600, 1690)),
        scan_bottom_mm=float(rng.uniform(715, 800)),
        injected_bq=round(float(rng.uniform(3.0, 4.0)) * weight_kg) * 1e6,
        uptake_s=int(rng.integers(56 * 60, 74 * 60)),
        liver_noise=float(rng.uniform(0.10, 0.18)),
    )
