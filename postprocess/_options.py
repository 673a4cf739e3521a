"""The options of `tmtv-postprocess`: type, flag and help of each. Defaults stand in `cli.postprocess`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from petct.console import print_version

CASE, CALCULATION, EDITING = "Files and cases", "Calculation", "A reader's changes (one case)"


def option(text: str, *names: str, panel: str = CASE, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


Suv = Annotated[Path, option("PET: SUVbw image, DICOM folder; or the folder of a cohort.")]
Out = Annotated[Path, option("Results go to OUT/<case-id>/.")]
Probability = Annotated[
    Path | None,
    option("Map in [0, 1]: NIfTI, NRRD, MHA, nnU-Net .npz; or a folder.", "--probability", "-p"),
]
Mask = Annotated[Path | None, option("In place of a map: mask, label image, SEG, RTSTRUCT; or a folder.")]
MaskLabel = Annotated[
    list[int] | None,
    option("Label of --mask that counts as lesion; may be repeated. Default: all but 0."),
]
Regions = Annotated[
    bool | None,
    option(
        "Each label of --mask, each region of a SEG or RTSTRUCT, is one lesion, never split or joined. Default: "
        "where there are several, and for RTSTRUCT and rois.nii.gz.",
        "--instances/--no-instances",
    ),
]
Reference = Annotated[
    Path | None, option("Image, SEG or DICOM folder whose grid the .npz has. Default: the PET.")
]
Channel = Annotated[int | None, option("Lesion class of the .npz. Default: 1 of two.")]
CaseId = Annotated[
    str | None, option("Default: the folder of probability.*, mask.*, rois.*; else the name of the map.")
]
Overwrite = Annotated[bool, option("Replace the result of another input.", "--overwrite")]
Workers = Annotated[int, option("Processes for a cohort.")]
Scheduler = Annotated[str | None, option("Running Dask scheduler, tcp://host:port, for a cohort.")]
Method = Annotated[
    list[str] | None,
    option("May be repeated; see below. Default: raw 41 2.5 4.0.", "--method", "-m", panel=CALCULATION),
]
SplitOnly = Annotated[bool, option("Same as --method parts.", panel=CALCULATION)]
ProbabilityThreshold = Annotated[float, option("The mask is probability > this.", panel=CALCULATION)]
Connectivity = Annotated[int, option("6, 18 or 26 neighbours.", panel=CALCULATION)]
SplitAboveMl = Annotated[float, option("Components over this are split by watershed.", panel=CALCULATION)]
PeakDistanceMm = Annotated[float, option("A part grows from the highest SUV within this.", panel=CALCULATION)]
MinVolumeMl = Annotated[float, option("Leave out smaller lesions.", panel=CALCULATION)]
LiverSuv = Annotated[
    float | None,
    option(
        "SUV threshold of the method liver, by your definition; the liver's mean for a50p, mv2, mv3, adaptive.",
        panel=CALCULATION,
    ),
]
LungSuv = Annotated[
    float | None, option("Mean SUV of the lung: a50p, mv2, mv3, adaptive. One case.", panel=CALCULATION)
]
HeightCm = Annotated[float | None, option("With --weight-kg: adds SDmax.", panel=CALCULATION)]
WeightKg = Annotated[float | None, option("With --height-cm: adds SDmax.", panel=CALCULATION)]
Exclude = Annotated[
    list[str] | None,
    option(
        "Lesion to take out, by its number in the automatic result: LABEL, or METHOD:LABEL of several methods. "
        "Adds to earlier edits.",
        panel=EDITING,
    ),
]
ExcludeMask = Annotated[
    Path | None, option("Image, SEG or RTSTRUCT; where it is not 0 nothing is lesion.", panel=EDITING)
]
IncludeSeed = Annotated[
    list[str] | None,
    option(
        "LPS point x,y,z in mm; adds what holds the hottest voxel within 10 mm.",
        panel=EDITING,
    ),
]
Ras = Annotated[
    bool, option("The points of --include-seed are RAS, as in NIfTI viewers.", "--ras", panel=EDITING)
]
SeedLimitMm = Annotated[float, option("How far such a region may grow.", panel=EDITING)]
ClearEdits = Annotated[
    bool,
    option("Put all earlier edits out of force; edits.json keeps them.", "--clear-edits", panel=EDITING),
]
Reader = Annotated[
    str | None, option("Who edits, for edits.json. Default: the name of the login.", panel=EDITING)
]
Version = Annotated[
    bool, option("Say which version this is.", "--version", callback=print_version, is_eager=True)
]
