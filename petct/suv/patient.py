"""Weight, height, sex, dose and tracer of a PET header: repaired where the unit is plain, refused where not."""

from __future__ import annotations

import re

from petct.errors import SuvError
from petct.suv.header import (
    ATTRIBUTES,
    Limit,
    Overrides,
    PetHeader,
    check_within,
    need,
    positive,
    refusal,
)

# Half-lives in s (Decay Data Evaluation Project). A header may differ by HALF_LIFE_TOLERANCE (6586 to 6600 is common).
HALF_LIFE_S = {"F-18": 6586.2, "Ga-68": 4062.6}
HALF_LIFE_TOLERANCE = 0.01
# (0018,1074) below this cannot be Bq; it is then taken as MBq, unless it could as well be mCi.
DOSE_IN_MBQ_BELOW = 1e5
DOSE_MCI_OR_MBQ_BELOW = 30.0
# What a header or a user may say and still be a patient; `Overrides.allow_unusual` lifts these.
DOSE_POSSIBLE = Limit(1e7, 5e9, "Bq")
DOSE_POSSIBLE_PER_KG = Limit(2e5, 3e7, "Bq/kg")
DOSE_EXPECTED_BQ_PER_KG = (1e6, 1.5e7)
WEIGHT_POSSIBLE = Limit(2.5, 400.0, "kg")
WEIGHT_IN_GRAMS_ABOVE = 1000.0
HEIGHT_POSSIBLE = Limit(0.4, 2.6, "m")
HEIGHT_IN_CM_ABOVE = 3.0
# What SUVType (0054,1006) may name beside BW and BSA.
LEAN_BODY_MASSES = ("LBM", "LBMJAMES128", "LBMJANMA", "IBW")
# How `parse.nuclide_name` writes a nuclide that it understood.
NUCLIDE = re.compile(r"[A-Z][a-z]?-\d{1,3}m?")


def patient_weight_kg(header: PetHeader, overrides: Overrides) -> tuple[float, list[str]]:
    """PatientWeight (0010,1030) or the user's, in kg; above 1000 it is taken as grams. And warnings."""
    what, warnings = "--weight-kg", []
    weight_kg = overrides.weight_kg
    if weight_kg is None:
        what = f"{ATTRIBUTES['patient_weight']} (or --weight-kg)"
        weight_kg = positive(header, "patient_weight", "kg (or --weight-kg)")
        if weight_kg > WEIGHT_IN_GRAMS_ABOVE:
            warnings.append(f"{ATTRIBUTES['patient_weight']} is {weight_kg:g}: taken as grams.")
            weight_kg /= 1000
    return weight_kg, warnings + check_within(header, what, weight_kg, WEIGHT_POSSIBLE, overrides)


def patient_height_m(header: PetHeader, overrides: Overrides) -> tuple[float, list[str]]:
    """PatientSize (0010,1020) in m; above 3 it is taken as cm. And warnings."""
    what, warnings = ATTRIBUTES["patient_size"], []
    height_m = positive(header, "patient_size", "m")
    if height_m > HEIGHT_IN_CM_ABOVE:
        warnings.append(f"{what} is {height_m:g}: taken as cm.")
        height_m /= 100
    return height_m, warnings + check_within(header, what, height_m, HEIGHT_POSSIBLE, overrides)


def patient_sex(header: PetHeader) -> str:
    """PatientSex (0010,0040): M, F or O."""
    sex = need(header, "patient_sex", "it must be M, F or O").upper()
    if sex not in ("M", "F", "O"):
        raise refusal(header, f"{ATTRIBUTES['patient_sex']} is {sex}; it must be M, F or O")
    return sex


def injected_dose_bq(header: PetHeader, overrides: Overrides, weight_kg: float) -> tuple[float, list[str]]:
    """RadionuclideTotalDose (0018,1074) or the user's, in Bq; 30 to 1e5 is taken as MBq. And warnings."""
    what, warnings = f"{ATTRIBUTES['total_dose']} (or --dose-mbq)", []
    if overrides.dose_bq is not None:
        what, dose_bq = "--dose-mbq, a number in MBq,", overrides.dose_bq
    else:
        dose_bq = positive(header, "total_dose", "Bq (or --dose-mbq)")
        if dose_bq < DOSE_IN_MBQ_BELOW:
            if dose_bq < DOSE_MCI_OR_MBQ_BELOW:
                raise refusal(
                    header,
                    f"{ATTRIBUTES['total_dose']} is {dose_bq:g}: MBq or mCi, nobody knows; give --dose-mbq",
                )
            warnings.append(f"{ATTRIBUTES['total_dose']} is {dose_bq:g}: taken as MBq.")
            dose_bq *= 1e6
    warnings += check_within(header, what, dose_bq, DOSE_POSSIBLE, overrides)
    per_kg = f"{what} {dose_bq / 1e6:g} MBq over the weight {weight_kg:g} kg"
    warnings += check_within(header, per_kg, dose_bq / weight_kg, DOSE_POSSIBLE_PER_KG, overrides)
    if not DOSE_EXPECTED_BQ_PER_KG[0] <= dose_bq / weight_kg <= DOSE_EXPECTED_BQ_PER_KG[1]:
        warnings.append(
            f"The dose is {dose_bq / weight_kg / 1e6:.2f} MBq/kg, which is unusual: are dose and weight right?"
        )
    return dose_bq, warnings


def body_surface_m2(height_cm: float, weight_kg: float) -> float:
    """Body surface area (Du Bois and Du Bois 1916): 0.007184 W^0.425 H^0.725."""
    return 0.007184 * weight_kg**0.425 * height_cm**0.725


def lean_body_mass_kg(formula: str, weight_kg: float, height_m: float, sex: str) -> float:
    """The mass that SUVType names (PS3.3 C.8.9.1.1.11, formulas of Sugawara): LBM, LBMJAMES128, LBMJANMA or IBW.

    `sex` M or F; O is the mean of the two. Raises SuvError on a result that is not positive.
    """
    if sex == "O":
        return (
            lean_body_mass_kg(formula, weight_kg, height_m, "M")
            + lean_body_mass_kg(formula, weight_kg, height_m, "F")
        ) / 2
    w, h, male = weight_kg, height_m * 100, sex == "M"
    bmi = weight_kg / height_m**2
    if formula == "LBM":
        mass = 1.10 * w - 120 * (w / h) ** 2 if male else 1.07 * w - 148 * (w / h) ** 2
    elif formula == "LBMJAMES128":
        mass = 1.10 * w - 128 * (w / h) ** 2 if male else 1.07 * w - 148 * (w / h) ** 2
    elif formula == "LBMJANMA":
        mass = 9270 * w / (6680 + 216 * bmi) if male else 9270 * w / (8780 + 244 * bmi)
    elif formula == "IBW":
        mass = 48.0 + 1.06 * (h - 152) if male else 45.5 + 0.91 * (h - 152)
    else:
        raise SuvError(f"No such lean body mass: {formula!r}; known are {', '.join(LEAN_BODY_MASSES)}.")
    if mass <= 0:
        raise SuvError(
            f"PatientSize (0010,1020) {height_m} m with PatientWeight (0010,1030) {weight_kg} kg gives a {formula} "
            f"mass of {mass:.1f} kg: outside its validity."
        )
    return mass


def refuse_other_nuclides(header: PetHeader) -> None:
    """A named nuclide other than those of HALF_LIFE_S (SPECT stored as PT, C-11, ...), whatever the units."""
    nuclide = header.nuclide or ""
    if NUCLIDE.fullmatch(nuclide) and nuclide not in HALF_LIFE_S:
        raise refusal(
            header, f"{ATTRIBUTES['nuclide']} says {nuclide}; SUV is computed for {', '.join(HALF_LIFE_S)}"
        )


def check_tracer(header: PetHeader) -> list[str]:
    """Refuse a half-life that does not fit the nuclide; a warning of anything but FDG.

    The nuclide is that of the code, else F-18 for a tracer called FDG, else the one whose half-life fits.
    """
    tracer = header.radiopharmaceutical or ""
    is_fdg = any(name in tracer.upper() for name in ("FDG", "FLUORODEOXYGLUCOSE", "FLUDEOXYGLUCOSE"))
    nuclide = header.nuclide if header.nuclide in HALF_LIFE_S else "F-18" if is_fdg else None
    half_life_s = None if "half_life_s" in header.unusable else header.half_life_s
    if half_life_s is not None and half_life_s > 0:
        fits = [n for n, known in HALF_LIFE_S.items() if abs(half_life_s / known - 1) <= HALF_LIFE_TOLERANCE]
        if not fits or nuclide not in (None, *fits):
            expected = ", ".join(f"{n} has {s:g} s" for n, s in HALF_LIFE_S.items() if nuclide in (None, n))
            raise refusal(
                header,
                f"{ATTRIBUTES['half_life_s']} is {half_life_s:g} s and does not fit the nuclide; {expected}",
            )
        nuclide = fits[0]
    if is_fdg and nuclide == "F-18":
        return []
    return [
        f"{ATTRIBUTES['radiopharmaceutical']} is {tracer or 'missing'}, nuclide {nuclide or 'not stated'}: "
        "computed, but not known to be F-18 FDG."
    ]
