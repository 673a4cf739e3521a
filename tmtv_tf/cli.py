"""The `tmtv` command. Each command is a thin call of the library; heavy modules load inside the functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from petct.console import print_version

app = typer.Typer(
    name="tmtv",
    help="FDG PET/CT in, total metabolic tumour volume out. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Say which version this is."),
    ] = False,
) -> None:
    if verbose:
        import logging

        logging.getLogger().setLevel(logging.INFO)


@app.command(no_args_is_help=True)
def evaluate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="What tmtv-postprocess wrote, or masks of any program, <case-id>.nii.gz. Several: compared.",
        ),
    ],
    cases: Annotated[Path, typer.Option(help="What tmtv prepare wrote: CASES/<case-id>/ and cohort.csv.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    probability: Annotated[
        Path | None,
        typer.Option(help="PROBS/<case-id>/probability.nii.gz, for the soft Dice. Default: beside RESULTS."),
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="The results after a reader's edits, not the automatic ones.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="Folder that training wrote: its hours beside the paper's.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Cases at once, each in a process of its own.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Running Dask scheduler, tcp://host:port.")] = None,
) -> None:
    """Compare results with the reader: Dice, TMTV, agreement, lesions, figures, one HTML report.

    tmtv evaluate results --cases cases --out report
    tmtv evaluate old new --cases cases --out report

    Writes report/index.html (pictures beside it, nothing fetched from anywhere), evaluation.json and CSV tables.
    Tables are about the test split of cohort.csv, where one of its cases has a result; else about all cases.
    """
    from petct.console import report_failures
    from petct.errors import ParameterError
    from tmtv_tf.evaluation.command import evaluate_folders

    if len(results) > 1 and probability is not None:
        raise ParameterError("--probability belongs to one folder of results.")
    outcomes = evaluate_folders(
        results,
        cases,
        out,
        probability=probability,
        final=final,
        run=run,
        workers=workers,
        scheduler=scheduler,
    )
    raise typer.Exit(report_failures(outcomes))


@app.command()
def predict(
    cases: Annotated[
        Path, typer.Argument(help="Case folders as `tmtv prepare` writes them, or one of them.")
    ],
    model: Annotated[Path, typer.Option(help="Model file (.keras) that training wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for <case_id>/probability.nii.gz.")],
    split: Annotated[
        str | None, typer.Option(help="Only the cases of this split of cohort.csv: train, validation, test.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each loads the model.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a running Dask scheduler.")
    ] = None,
) -> None:
    """Apply a trained network: probability of tumour for each voxel of the PET, on its own grid.

    The model file says which grid, intensity windows and channels it needs. A body larger than the model's grid
    is covered by overlapping windows. Finished cases are skipped.

    A network of training.train_multitask also predicts an event within two years, in prediction.json.
    """
    from petct.console import loading, report_failures
    from petct.files import locked, remove_leftovers, require_writable, sha256
    from petct.parallel import run_cases
    from tmtv_tf.inference.cases import cases_to_predict, predict_case, print_result
    from tmtv_tf.inference.load import opened
    from tmtv_tf.models.file import read_description

    # A wrong call is refused once, at once, not for every case.
    folders = cases_to_predict(cases, split)
    read_description(model)
    require_writable(out)
    with locked(out):
        remove_leftovers(out)
        if len(folders) == 1:  # several cases run in processes of their own, which load it
            with loading("Loading TensorFlow and the model ..."):
                opened(model, sha256(model), "keras")
        outcomes = run_cases(
            predict_case,
            [(folder.name, (folder, model, out)) for folder in folders],
            workers=workers,
            scheduler=scheduler,
            description="predict",
        )
        print_result(outcomes, out)
    raise typer.Exit(report_failures(outcomes))


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to make: dicom/, truth/ and cohort.csv.")],
    cases: Annotated[int, typer.Option(help="Synthetic patients: HL, DLBCL and FL, 2 : 2 : 1.")] = 20,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    voxel_mm: Annotated[
        float | None, typer.Option(help="Cubic PET voxels of this size; default: each scanner's own.")
    ] = None,
    readers: Annotated[
        int, typer.Option(help="Simulated readers who disagree: OUT/readers/, for tmtv prepare --readers.")
    ] = 1,
    workers: Annotated[int, typer.Option(help="Processes; about 1 GB each.")] = 1,
) -> None:
    """Make a cohort of synthetic lymphoma PET/CT as DICOM, with reader outlines (RTSTRUCT).

    Painted bodies, not patients: for trying the software, for tests and for teaching.

    Example: tmtv phantom runs/phantom --cases 20 --seed 1
    """
    from petct.console import report_failures
    from tmtv_tf.phantom.cohort import make_cohort

    outcomes = make_cohort(out, cases, seed, voxel_mm=voxel_mm, readers=readers, workers=workers)
    print(f"{out}: {sum(o.error is None for o in outcomes)} phantoms; table in {out / 'cohort.csv'}.")
    raise typer.Exit(report_failures(outcomes))


@app.command(no_args_is_help=True)
def prepare(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="DICOM...", help="Any tree of any files; with --layout nifti, a CSV of paths."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for <case_id>/, cohort.csv, prepare.csv, left_out.csv.")],
    rois: Annotated[
        Path | None,
        typer.Option(
            help="Folder of reader ROIs (RTSTRUCT, SEG, NIfTI, Fiji CSV) besides those beside the images. Images and "
            "tables are matched by name: PatientID, or SeriesInstanceUID of the PET."
        ),
    ] = None,
    readers: Annotated[
        bool,
        typer.Option(
            "--readers", help="Several readers: each folder in --rois is one, by a code, not a name."
        ),
    ] = False,
    clinical: Annotated[
        Path | None,
        typer.Option(
            help="CSV or .xlsx joined by PatientID: subtype, split, efs2y_event, pfs_months, pfs_event, os_months, "
            "os_event, trial, ann_arbor_stage, case_id. It is not written."
        ),
    ] = None,
    case_ids: Annotated[
        Path | None, typer.Option(help="CSV with PatientID and case_id, instead of keyed hashes.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Secret of the keyed hashes. Default: ~/.config/tmtv/key, made on first use."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="dicom; autopet: the public FDG-PET-CT-Lesions release; nifti: a CSV of SUV images."
        ),
    ] = "dicom",
    pet_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the PET to use.")] = None,
    ct_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the CT to use.")] = None,
    weight_kg: Annotated[float | None, typer.Option(help="In place of PatientWeight.")] = None,
    dose_mbq: Annotated[float | None, typer.Option(help="In place of RadionuclideTotalDose.")] = None,
    injection_time: Annotated[
        str | None, typer.Option(help="In place of the header's: 10:35, 10:35:00 or 2024-05-17T10:35:00.")
    ] = None,
    allow_unusual: Annotated[
        bool, typer.Option("--allow-unusual", help="Weight, dose and times outside their limits are right.")
    ] = False,
    grid_mm: Annotated[
        float | None,
        typer.Option(help="Voxel size of the arrays for training. Default: the first paper's 4."),
    ] = None,
    grid_shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            help="Voxels of the arrays for training: Z Y X. Default: the first paper's 256 128 128."
        ),
    ] = None,
    model_grid: Annotated[bool, typer.Option(help="Write the arrays for training.")] = True,
    roi_pattern: Annotated[
        str, typer.Option(help="Only ROIs whose name holds this regular expression, such as 'gtv|lesion'.")
    ] = "",
    split_components: Annotated[
        bool,
        typer.Option(
            "--split-components",
            help="Every connected part of a ROI counts as a ROI (one mask of all lesions).",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the 60/20/20 split of patients without one.")] = 0,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Keep ROI names in rois.csv. They may name a patient.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse ROIs that cannot be lesions (SUVmean below 0.5, more than 4,000 mL) instead of warning.",
        ),
    ] = False,
    link_file: Annotated[
        Path | None,
        typer.Option(
            help="Write PatientID and case_id here. It names patients: only you can read it (mode 600)."
        ),
    ] = None,
    path_list: Annotated[
        Path | None,
        typer.Option(help="Write which file each number in messages and left_out.csv means (mode 600)."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; up to 1.5 GB each.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a running Dask scheduler.")
    ] = None,
) -> None:
    """Turn PET/CT examinations into case folders: SUV, HU, the readers' truth; nothing that names a patient.

    tmtv prepare /data/export --out cases --clinical outcomes.csv --workers 4

    One case per study with an attenuation-corrected PET. Finished cases are skipped; a bad case is listed with its
    reason and does not stop the rest. What was left out is in left_out.csv.
    """
    import sys
    from dataclasses import replace

    from petct.console import report_failures
    from tmtv_tf.cases.prepare import Settings
    from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort
    from tmtv_tf.cases.prepare_report import print_report
    from tmtv_tf.cases.sources import make_overrides
    from tmtv_tf.input.grid import ModelGrid

    grid = ModelGrid()
    if grid_shape is not None:
        grid = replace(grid, shape=grid_shape)
    if grid_mm is not None:
        grid = replace(grid, spacing_mm=(grid_mm, grid_mm, grid_mm))
    request = Request(
        inputs=tuple(inputs),
        out=out,
        layout=layout,
        rois=rois,
        readers=readers,
        clinical=clinical,
        case_ids=case_ids,
        key_file=key_file,
        link_file=link_file,
        path_list=path_list,
        pet_uid=pet_uid,
        ct_uid=ct_uid,
        overrides=make_overrides(weight_kg, dose_mbq, injection_time, allow_unusual),
        settings=Settings(grid if model_grid else None, roi_pattern, split_components, show_text, strict),
        seed=seed,
        workers=workers,
        scheduler=scheduler,
    )
    report = prepare_cohort(request)
    print_report(report, out)
    raise typer.Exit(report_failures(report.failures(sys.stderr.isatty())))


@app.command(no_args_is_help=True)
def inspect(
    dicom: Annotated[
        list[Path], typer.Argument(help="Folders (any tree of any files) or files.", metavar="DICOM")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A list of series as JSON on stdout.")] = False,
    show_text: Annotated[
        bool, typer.Option(help="Show series descriptions and ROI names: free text that may name a patient.")
    ] = False,
    sul: Annotated[bool, typer.Option(help="Also lean body mass over weight: SUL = SUV * this.")] = False,
    pet_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the PET to use.")] = None,
    ct_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the CT to use.")] = None,
    weight_kg: Annotated[float | None, typer.Option(help="In place of PatientWeight.")] = None,
    dose_mbq: Annotated[float | None, typer.Option(help="In place of RadionuclideTotalDose.")] = None,
    injection_time: Annotated[
        str | None, typer.Option(help="In place of the header's: 10:35, 10:35:00 or 2024-05-17T10:35:00.")
    ] = None,
    allow_unusual: Annotated[
        bool, typer.Option("--allow-unusual", help="Weight, dose and times outside their limits are right.")
    ] = False,
) -> None:
    """Say what is in a folder, which PET and CT would be used, the SUV factor and its rule, and what is wrong.

    tmtv inspect /data/export
    tmtv inspect /data/export --json

    Reads headers and outlines, no pixels, and writes nothing. Patients are numbered, not named.

    Exit status: 0 if every PET study could be prepared, 1 if some are refused, 2 if none could be or there is none.
    """
    import json

    from petct.errors import DicomError
    from tmtv_tf.cases.inspect import inspect_tree, print_report
    from tmtv_tf.cases.sources import make_overrides

    overrides = make_overrides(weight_kg, dose_mbq, injection_time, allow_unusual)
    report = inspect_tree(
        dicom, pet_uid=pet_uid, ct_uid=ct_uid, overrides=overrides, show_text=show_text, sul=sul
    )
    if as_json:
        typer.echo(json.dumps(report.series, indent=2, allow_nan=False))
    else:
        print_report(report)
    if report.problem:
        raise DicomError(report.problem)
    for study, reason in report.refused.items():
        typer.echo(f"Refused: study {study}: {reason}", err=True)
    raise typer.Exit(1 if report.refused else 0)


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def postprocess() -> None:
    """It is a command of its own: tmtv-postprocess."""
    from petct.errors import ParameterError

    raise ParameterError(
        "Post-processing is a command of its own: tmtv-postprocess (with a dash). See its --help."
    )


@app.command(no_args_is_help=True)
def run(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="DICOM...", help="Folders (any tree of any files) or zip files.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for <case_id>/, tmtv.csv, run.csv.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Model file (.keras, .openvino), or the name of a packaged one. Default: packaged."
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Lesions from elsewhere in place of a model: image on any grid, DICOM SEG, RTSTRUCT."
        ),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Repeats. Default: raw 41 2.5 4.0.")
    ] = None,
    export: Annotated[str, typer.Option(help="The method whose lesions are exported and drawn.")] = "41",
    keep: Annotated[
        str, typer.Option(help="all: also PET, CT and probability as NIfTI. none: without them.")
    ] = "all",
    seg: Annotated[str, typer.Option(help="Form of the DICOM SEG: BINARY or LABELMAP.")] = "BINARY",
    probability_seg: Annotated[
        bool, typer.Option("--probability-seg", help="Also the probability as a FRACTIONAL SEG.")
    ] = False,
    pdf_dicom: Annotated[
        bool, typer.Option("--pdf-dicom", help="Also the page as encapsulated PDF, report.dcm.")
    ] = False,
    show_patient: Annotated[
        bool, typer.Option("--show-patient", help="Name, id and birth date on the page.")
    ] = False,
    backend: Annotated[str, typer.Option(help="auto, openvino or keras.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result of another model, mask or series.")
    ] = False,
    pet_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the PET to use.")] = None,
    ct_uid: Annotated[str | None, typer.Option(help="SeriesInstanceUID of the CT to use.")] = None,
    weight_kg: Annotated[float | None, typer.Option(help="In place of PatientWeight.")] = None,
    dose_mbq: Annotated[float | None, typer.Option(help="In place of RadionuclideTotalDose.")] = None,
    injection_time: Annotated[
        str | None, typer.Option(help="In place of the header's: 10:35, 10:35:00 or 2024-05-17T10:35:00.")
    ] = None,
    allow_unusual: Annotated[
        bool, typer.Option("--allow-unusual", help="Lift the limits on dose and weight; recorded.")
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Secret of the keyed case ids. Default: ~/.config/tmtv/key.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Studies at once, each in a process of its own.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="tcp://host:port of a running Dask scheduler.")
    ] = None,
) -> None:
    """One study to everything: lesions, TMTV by method, DICOM SEG, RTSTRUCT and SR, and a page to look at.

    tmtv run /data/export --out results
    tmtv run study.zip --out results --mask reader.dcm

    Needs no TensorFlow with a packaged model, an .openvino file or a mask. Finished studies are kept; the same command
    goes on where it was stopped.
    """
    from petct.console import report_failures
    from petct.errors import ParameterError
    from tmtv_tf.cases.sources import make_overrides
    from tmtv_tf.pipeline.options import RunOptions
    from tmtv_tf.pipeline.run import print_result
    from tmtv_tf.pipeline.run import run as run_studies

    if keep not in ("all", "none"):
        raise ParameterError(f"--keep must be all or none. Received: {keep!r}.")
    chosen = {"methods": tuple(method)} if method else {}
    options = RunOptions(
        **chosen,
        export=export,
        keep_images=keep == "all",
        seg_kind=seg.upper(),  # type: ignore[arg-type]
        probability_seg=probability_seg,
        pdf_dicom=pdf_dicom,
        show_patient=show_patient,
        backend=backend,
        overwrite=overwrite,
    )
    result = run_studies(
        inputs,
        model,
        out,
        mask=mask,
        options=options,
        overrides=make_overrides(weight_kg, dose_mbq, injection_time, allow_unusual),
        pet_uid=pet_uid,
        ct_uid=ct_uid,
        key_file=key_file,
        workers=workers,
        scheduler=scheduler,
    )
    print_result(result)
    raise typer.Exit(report_failures(result.outcomes))


@app.command(no_args_is_help=True)
def export(
    result: Annotated[
        Path,
        typer.Argument(
            help="A case that tmtv-postprocess or tmtv run wrote, or a mask (image, SEG, RTSTRUCT)."
        ),
    ],
    series: Annotated[Path, typer.Option(help="Folder with the PET series that it belongs to.")],
    out: Annotated[Path, typer.Option(help="Folder for seg.dcm, rtstruct.dcm, sr.dcm.")],
    method: Annotated[str, typer.Option("--method", "-m", help="Whose lesions are exported.")] = "41",
    seg: Annotated[str, typer.Option(help="Form of the DICOM SEG: BINARY or LABELMAP.")] = "BINARY",
) -> None:
    """Write DICOM SEG, RTSTRUCT and SR of a result that exists, or of any mask.

    tmtv export results/case-1 --series /data/export --out dicom
    tmtv export reader.nii.gz --series /data/export --out dicom -m raw

    With a reader's edits, the edited result is exported. Without a lesion there is an SR that states 0.
    """
    import sys

    from petct.files import require_writable
    from tmtv_tf.pipeline.export import export as export_result

    require_writable(out)
    made = export_result(result, series, out, method=method, seg_kind=seg.upper())
    for text in made.warnings:
        print(f"WARNING: {text}", file=sys.stderr)
    print(f"TMTV {method} {made.tmtv_ml:.1f} mL in {', '.join(str(out / name) for name in made.files)}")


@app.command(no_args_is_help=True)
def review(
    results: Annotated[Path, typer.Argument(help="What tmtv run or tmtv-postprocess wrote.")],
    cases: Annotated[
        Path | None, typer.Option(help="What tmtv prepare wrote: PET and CT that RESULTS does not hold.")
    ] = None,
    series: Annotated[
        Path | None, typer.Option(help="DICOM folder (any tree) of the PET series, to export from the page.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    reader: Annotated[
        str | None, typer.Option(help="Who edits, for edits.json. Default: the name of the login.")
    ] = None,
) -> None:
    """Look at results, correct and sign them, in the browser.

    tmtv review results
    tmtv review results --cases cases --series /data/export

    The page is served to this computer only. Every change is in <case_id>/edits.json at once; the corrected result is
    in <case_id>/review/, as after tmtv-postprocess --exclude.
    """
    from postprocess.requests import reader_name
    from tmtv_tf.review.server import serve
    from tmtv_tf.review.worklist import Folders

    serve(Folders(results, cases, series), reader_name(reader), port=port, browser=browser)


@app.command("export-model", no_args_is_help=True)
def export_model(
    model: Annotated[Path, typer.Argument(help="Model file (.keras) that training wrote.")],
    out: Annotated[Path | None, typer.Option(help="Default: beside it, with the suffix .openvino.")] = None,
) -> None:
    """Turn a Keras model into one file that runs without TensorFlow, for `tmtv run` on other computers.

    tmtv export-model best.keras --out best.openvino

    The two are compared on a random image before the file is written. Needs Keras once.
    """
    from petct.console import loading
    from petct.errors import ParameterError
    from tmtv_tf.inference.openvino_file import SUFFIX, convert

    target = out or model.with_suffix(SUFFIX)
    if target.suffix != SUFFIX:
        raise ParameterError(f"--out must end in {SUFFIX}. Received: {target}.")
    with loading("Converting the model ..."):
        convert(model, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def add_installed_commands(app: typer.Typer) -> None:
    """Add the commands of other installed packages: entry points of the group `tmtv.commands`, each a typer app."""
    from importlib.metadata import entry_points

    known = {group.name for group in app.registered_groups}
    for point in entry_points(group="tmtv.commands"):
        if point.name not in known:
            app.add_typer(point.load(), name=point.name)


def main() -> None:
    from petct.console import run_app

    add_installed_commands(app)
    run_app(app)


if __name__ == "__main__":
    main()
