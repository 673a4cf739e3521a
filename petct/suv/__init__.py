"""SUV by body weight from the header of a PET series: which factor, by which rule, or why not.

`header` holds what the files say, `parse` reads it from DICOM, `patient` and `times` judge it, `factor` has the rules.
Sources: DICOM PS3.3 C.8.9; QIBA's vendor-neutral pseudo-code; the IBSI manual on SUV computation. docs/reference/suv.md
has every rule with its reason.
"""

from petct.suv.factor import SuvFactor, read_suv, sul_per_suv, suv_bw_factor
from petct.suv.header import Overrides, PetHeader, SliceTiming
from petct.suv.parse import parse_pet_header
from petct.suv.patient import lean_body_mass_kg
from petct.suv.times import decay_factor

__all__ = [
    "Overrides",
    "PetHeader",
    "SliceTiming",
    "SuvFactor",
    "decay_factor",
    "lean_body_mass_kg",
    "parse_pet_header",
    "read_suv",
    "sul_per_suv",
    "suv_bw_factor",
]
