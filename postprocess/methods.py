"""The names of the methods and the rule behind each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from petct.errors import ParameterError
from postprocess.config import Config

METHODS = {
    "raw": "the mask itself (probability > 0.5)",
    "41": "SUV >= 41 % of the SUVmax of each part; any other whole number from 10 is that percentage",
    "2.5": "SUV > 2.5; any other number from 1.0 to 20.0 with a decimal point is that SUV",
    "4.0": "SUV > 4.0",
    "otsu": "SUV > Otsu's threshold of each part",
    "50p": "SUV >= 50 % of the SUVpeak of each part; any other percentage likewise",
    "vote2": "voxels in at least 2 of 41, 50p, 2.5 and 4.0",
    "vote3": "voxels in at least 3 of 41, 50p, 2.5 and 4.0",
    "a50p": "SUV >= 0.5 (SUVpeak of each part + background); background: (lung mean + liver mean) / 2",
    "mv2": "voxels in at least 2 of 41, a50p, 2.5 and 4.0",
    "mv3": "voxels in at least 3 of 41, a50p, 2.5 and 4.0",
    "adaptive": "by part: 4.0 if its SUVpeak > 8, else mv3 if the background > 0.8, else mv2",
    "4.0-benchmark": "SUV >= 4.0 inside the mask, components of at least 3 mL",
    "liver": "SUV > the value given with --liver-suv",
    "parts": "the parts themselves, with no SUV threshold",
}
VOTERS = ("41", "50p", "2.5", "4.0")
# The form of a public implementation, kyliekeijzer/Slicer-PET-MUST-segmenter: a50p is 0.5 (SUVpeak + (lung mean + liver
# mean) / 2), kept if >=. It differs: SUVpeak there is that of a sphere around the reader's click; its MV2 and MV3 count
# every method that the reader ticked, and its manual asks for 2.5, 4.0, 41 %, the liver's SUVmax and PERCIST.
# Burggraaff et al. 2020 correct by the background around the lesion: that is not `a50p`.
BACKGROUND_VOTERS = ("41", "a50p", "2.5", "4.0")
# The lesion-adaptive rule, all three >.
ADAPTIVE_SUV, ADAPTIVE_ABOVE_PEAK, ADAPTIVE_ABOVE_BACKGROUND = 4.0, 8.0, 0.8
DEFAULT_METHODS = ("raw", "41", "2.5", "4.0")

# Boellaard et al., J Nucl Med 2024;65:1343. The published workflow preselects such regions over the whole body and a
# reader removes the physiological ones; here they are looked for inside the mask only.
BENCHMARK_SUV = 4.0
BENCHMARK_MIN_ML = 3.0

# A method written as a number with a decimal point is an SUV. Below or above these it is a percentage, mistyped:
# "0.41" and "41.0" for 41. No published threshold for a lymphoma is outside them.
SUV_THRESHOLDS = (1.0, 20.0)

Kind = Literal[
    "all",
    "suv_above",
    "suv_at_least",
    "suvmax_fraction",
    "suvpeak_fraction",
    "a50p",
    "otsu",
    "votes",
    "adaptive",
]


@dataclass(frozen=True)
class Method:
    """Which voxels are kept, by `kind` and `number`; `per_part`: a lesion is a part, not a component.

    number : of `a50p` the background SUV, of votes how many are enough, else the threshold or fraction.
    voters : the methods whose votes count.
    """

    kind: Kind
    number: float = 0.0
    per_part: bool = False
    min_volume_ml: float = 0.0
    voters: tuple[str, ...] = ()


def parse_method(name: str, config: Config) -> Method:
    """The rule behind a method's name (see `METHODS`).

    Raises
    ------
    ParameterError
        No such method, or one without the liver or lung value that it needs.
    """
    if not isinstance(name, str):
        raise ParameterError(f"`method` must be a name in quotes, such as '41' or '4.0'. Received: {name!r}.")
    if name == "raw":
        return Method("all")
    if name == "parts":
        return Method("all", per_part=True)
    if name == "otsu":
        return Method("otsu", per_part=True)
    if name in ("vote2", "vote3"):
        return Method("votes", int(name[-1]), voters=VOTERS)
    if name in ("a50p", "mv2", "mv3", "adaptive"):
        return _with_background(name, config.background_suv)
    if name == "4.0-benchmark":
        return Method("suv_at_least", BENCHMARK_SUV, min_volume_ml=BENCHMARK_MIN_ML)
    if name == "liver":
        if config.liver_suv is None:
            raise ParameterError("The method liver needs a liver value: `liver_suv`.")
        return Method("suv_above", config.liver_suv)
    if re.fullmatch(r"[1-9]\d|100", name):
        return Method("suvmax_fraction", int(name) / 100, per_part=True)
    if re.fullmatch(r"([1-9]\d|100)p", name):
        return Method("suvpeak_fraction", int(name[:-1]) / 100, per_part=True)
    if re.fullmatch(r"\d{1,3}\.\d{1,3}", name) and SUV_THRESHOLDS[0] <= float(name) <= SUV_THRESHOLDS[1]:
        return Method("suv_above", float(name))
    known = ", ".join(METHODS)
    raise ParameterError(
        f"No method {name!r}.{_hint(name)} Known: {known}; any percentage from 10 to 100, "
        f"any SUV from {SUV_THRESHOLDS[0]:.1f} to {SUV_THRESHOLDS[1]:.1f}, with its decimal point."
    )


def _with_background(name: str, background_suv: float) -> Method:
    """`a50p`: SUV >= 0.5 (SUVpeak + background). `mv2`, `mv3`: at least so many votes. `adaptive`: see `METHODS`."""
    if name == "a50p":
        return Method("a50p", background_suv, per_part=True)
    if name == "adaptive":
        enough = 3 if background_suv > ADAPTIVE_ABOVE_BACKGROUND else 2
        return Method("adaptive", enough, per_part=True, voters=BACKGROUND_VOTERS)
    return Method("votes", int(name[-1]), voters=BACKGROUND_VOTERS)


def _hint(name: str) -> str:
    """What somebody may have meant by a name that is no method: a fraction, a per cent sign, a decimal comma."""
    found = re.fullmatch(r"0*(\d*)([.,]?)(\d*)\s*(%?)(p?)(%?)", name.strip().lower())
    if not found or not (found[1] or found[3]):
        return ""
    number, peak, percent = float(f"{found[1] or 0}.{found[3] or 0}"), found[5], found[4] or found[6]
    low, high = SUV_THRESHOLDS
    if percent or peak or (found[2] and not low <= number <= high):  # a percentage
        share = round(number * 100 if 0 < number <= 1 and found[2] else number)
        of = "SUVpeak" if peak else "SUVmax"
        return f" Did you mean {share}{peak} ({share} % of {of})?" if 10 <= share <= 100 else ""
    if low <= number <= high and (found[2] == "," or number < 10):
        return f" Did you mean {number:.10g}{'' if number % 1 else '.0'} (SUV > {number:g})?"
    return ""
