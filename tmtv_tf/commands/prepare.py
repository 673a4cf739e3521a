"""`tmtv prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from petct.console import report_failures
from tmtv_tf.commands._options import (
    AllowUnusual,
    CtUid,
    DoseMbq,
    InjectionTime,
    KeyFile,
    PetUid,
    Scheduler,
    WeightKg,
    Workers,
    call,
    overrides,
)

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="DICOM...", help="Any tree of any files; with --layout nifti, a CSV of paths."),
]
Out = Annotated[Path, typer.Option(help="Folder for <case_id>/, cohort.csv, prepare.csv, left_out.csv.")]
Rois = Annotated[
    Path | None,
    typer.Option(
        help="Folder of reader ROIs (RTSTRUCT, SEG, NIfTI, Fiji CSV) besides those beside the images. Images and "
        "tables are matched by name: PatientID, or SeriesInstanceUID of the PET."
    ),
]
Readers = Annotated[
    bool,
    typer.Option("--readers", help="Several readers: each folder in --rois is one, by a code, not a name."),
]
Clinical = Annotated[
    Path | None,
    typer.Option(
        help="CSV or .xlsx joined by PatientID: subtype, split, efs2y_event, pfs_months, pfs_event, os_months, "
        "os_event, trial, ann_arbor_stage, age_years, case_id. It is not written."
    ),
]
CaseIds = Annotated[
    Path | None, typer.Option(help="CSV with PatientID and case_id, instead of keyed hashes.")
]
Layout = Annotated[
    str,
    typer.Option(help="dicom; autopet: the public FDG-PET-CT-Lesions release; nifti: a CSV of SUV images."),
]
GridMm = Annotated[
    float | None,
    typer.Option(help="Voxel size of the arrays for training. Default: the first paper's 4."),
]
GridShape = Annotated[
    tuple[int, int, int] | None,
    typer.Option(help="Voxels of the arrays for training: Z Y X. Default: the first paper's 256 128 128."),
]
WriteModelGrid = Annotated[bool, typer.Option(help="Write the arrays for training.")]
RoiPattern = Annotated[
    str, typer.Option(help="Only ROIs whose name holds this regular expression, such as 'gtv|lesion'.")
]
SplitComponents = Annotated[
    bool,
    typer.Option(
        "--split-components",
        help="Every connected part of a ROI counts as a ROI (one mask of all lesions).",
    ),
]
Seed = Annotated[int, typer.Option(help="Of the 60/20/20 split of patients without one.")]
ShowText = Annotated[
    bool, typer.Option("--show-text", help="Keep ROI names in rois.csv. They may name a patient.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse ROIs that cannot be lesions (SUVmean below 0.5, more than 4,000 mL) instead of warning.",
    ),
]
LinkFile = Annotated[
    Path | None,
    typer.Option(
        help="Write PatientID and case_id here. It names patients: only you can read it (mode 600)."
    ),
]
PathList = Annotated[
    Path | None,
    typer.Option(help="Write which file each number in messages and left_out.csv means (mode 600)."),
]


def prepare(
    inputs: Inputs,
    out: Out,
    rois: Rois = None,
    readers: Readers = False,
    clinical: Clinical = None,
    case_ids: CaseIds = None,
    key_file: KeyFile = None,
    layout: Layout = "dicom",
    pet_uid: PetUid = None,
    ct_uid: CtUid = None,
    weight_kg: WeightKg = None,
    dose_mbq: DoseMbq = None,
    injection_time: InjectionTime = None,
    allow_unusual: AllowUnusual = False,
    grid_mm: GridMm = None,
    grid_shape: GridShape = None,
    model_grid: WriteModelGrid = True,
    roi_pattern: RoiPattern = "",
    split_components: SplitComponents = False,
    seed: Seed = 0,
    show_text: ShowText = False,
    strict: Strict = False,
    link_file: LinkFile = None,
    path_list: PathList = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Turn PET/CT examinations into case folders: SUV, HU, the readers' truth; nothing that names a patient.

    tmtv prepare /data/export --out cases --clinical outcomes.csv --workers 4

    One case per study with an attenuation-corrected PET. Finished cases are skipped; a bad case is listed with its
    reason and does not stop the rest. What was left out is in left_out.csv.
    """
    given = dict(locals())  # every option by its name
    import sys

    from tmtv_tf.cases.prepare import Settings
    from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort
    from tmtv_tf.cases.prepare_report import print_report

    grid = _grid(grid_mm, grid_shape) if model_grid else None
    settings = call(Settings, given, grid=grid, roi_components=split_components)
    own = overrides(given)
    report = prepare_cohort(call(Request, given, inputs=tuple(inputs), overrides=own, settings=settings))
    print_report(report, out)
    raise typer.Exit(report_failures(report.failures(sys.stderr.isatty())))


def _grid(spacing_mm: float | None, shape: tuple[int, int, int] | None):
    """The grid of the arrays for training: the first paper's, but for what was asked for."""
    from dataclasses import replace

    from tmtv_tf.input.grid import ModelGrid

    grid = ModelGrid()
    if shape is not None:
        grid = replace(grid, shape=shape)
    return grid if spacing_mm is None else replace(grid, spacing_mm=(spacing_mm,) * 3)
