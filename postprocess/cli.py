"""`tmtv-postprocess`: probability map or mask + SUV image -> lesions and TMTV. Heavy modules load inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from petct.console import listed, load_nibabel_alone
from postprocess import _options as options
from postprocess.config import Config
from postprocess.methods import DEFAULT_METHODS, METHODS, parse_method

if TYPE_CHECKING:
    from postprocess.case import Job
    from postprocess.results import Answer

# How long a single case waits for another run into its folder before it is refused.
WAIT_S = 600.0
# Options that say something of one case, by name.
OF_ONE_CASE = (
    *("case_id", "reference", "exclude", "exclude_mask", "include_seed"),
    *("height_cm", "weight_kg", "lung_suv"),
)
app = typer.Typer(
    name="tmtv-postprocess",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


_METHODS_HELP = "Methods:\n\n" + "\n".join(
    f"[bold]{name}[/bold] - {text}\n" for name, text in METHODS.items()
)


@app.command(no_args_is_help=True, epilog=_METHODS_HELP)
def postprocess(
    suv: options.Suv,
    out: options.Out,
    probability: options.Probability = None,
    mask: options.Mask = None,
    mask_label: options.MaskLabel = None,
    instances: options.Regions = None,
    reference: options.Reference = None,
    channel: options.Channel = None,
    case_id: options.CaseId = None,
    overwrite: options.Overwrite = False,
    workers: options.Workers = 1,
    scheduler: options.Scheduler = None,
    method: options.Method = None,
    split_only: options.SplitOnly = False,
    probability_threshold: options.ProbabilityThreshold = Config.probability_threshold,
    connectivity: options.Connectivity = Config.connectivity,
    split_above_ml: options.SplitAboveMl = Config.split_above_ml,
    peak_distance_mm: options.PeakDistanceMm = Config.peak_distance_mm,
    min_volume_ml: options.MinVolumeMl = Config.min_volume_ml,
    liver_suv: options.LiverSuv = Config.liver_suv,
    lung_suv: options.LungSuv = Config.lung_suv,
    height_cm: options.HeightCm = None,
    weight_kg: options.WeightKg = None,
    exclude: options.Exclude = None,
    exclude_mask: options.ExcludeMask = None,
    include_seed: options.IncludeSeed = None,
    ras: options.Ras = False,
    seed_limit_mm: options.SeedLimitMm = 30.0,
    clear_edits: options.ClearEdits = False,
    reader: options.Reader = None,
    version: options.Version = False,
) -> None:
    """Total metabolic tumour volume from any network's probability map, or any mask, under the published thresholds.

    One case:

      tmtv-postprocess --probability p1/probability.nii.gz --suv p1/pet.nii.gz --out results

    A cohort, maps/<case-id>/probability.nii.gz (or mask.nii.gz, or maps/<case-id>.nii.gz) with
    cases/<case-id>/pet.nii.gz:

      tmtv-postprocess --probability maps --suv cases --out results --workers 4

    Written to OUT/<case-id>/: lesions_METHOD.nii.gz, lesions_METHOD.csv, tmtv.json, always the automatic result; a
    reader's changes to edits.json, what they make to review/<version>/. OUT/tmtv.csv has both numbers of every case.
    Finished cases are skipped, later runs keep the edits. Exit status: 0 all done, 1 some cases failed, 2 nothing done.

    Not a medical device.
    """
    given = dict(locals())  # every option by its name
    from petct.files import locked, remove_leftovers, require_writable

    maps = Path(probability or mask or "")
    _refuse_mixtures(given, maps)
    config, methods = _configuration(given)
    require_writable(out)
    load_nibabel_alone()
    jobs = _jobs(given, maps, config, methods)
    # Single cases may be started side by side into one folder, so they wait for each other; cohorts do not.
    with locked(out, wait_s=0.0 if maps.is_dir() else WAIT_S):
        remove_leftovers(out)
        if maps.is_dir():
            raise typer.Exit(_run_cohort(jobs, out, workers, scheduler))
        _run_one(jobs[0])


def _refuse_mixtures(given: dict[str, Any], maps: Path) -> None:
    """Options that exclude each other, and options of one case where `maps` is a folder of many."""
    from petct.errors import ParameterError

    if (given["probability"] is None) == (given["mask"] is None):
        raise ParameterError("Give one of --probability and --mask.")
    if given["mask"] is None and (given["instances"] is not None or given["mask_label"]):
        raise ParameterError("--instances and --mask-label belong to --mask.")
    if maps.is_dir() and (given["clear_edits"] or any(given[name] is not None for name in OF_ONE_CASE)):
        raise ParameterError(
            "--case-id, --reference, --exclude, --exclude-mask, --include-seed, --clear-edits, --height-cm, "
            f"--weight-kg and --lung-suv belong to one case; {maps} is a folder."
        )


def _configuration(given: dict[str, Any]) -> tuple[Config, tuple[str, ...]]:
    """The parameters and the methods, each of them known."""
    config = Config.of(given)
    methods = ("parts",) if given["split_only"] else tuple(dict.fromkeys(given["method"] or DEFAULT_METHODS))
    for name in methods:
        parse_method(name, config)
    return config, methods


def _jobs(given: dict[str, Any], maps: Path, config: Config, methods: tuple[str, ...]) -> list[Job]:
    """One job a case."""
    from postprocess.case import Job
    from postprocess.inputs import MapFile
    from postprocess.requests import Request

    is_mask, labels = given["mask"] is not None, tuple(given["mask_label"] or ())
    place = (given["reference"], given["channel"], given["instances"])
    request = Request(
        exclude=tuple(_lesion(text, methods) for text in given["exclude"] or ()),
        exclude_mask=given["exclude_mask"],
        seeds_mm=tuple(_point(text, given["ras"]) for text in given["include_seed"] or ()),
        seed_limit_mm=given["seed_limit_mm"],
        clear=given["clear_edits"],
        reader=given["reader"],
    )
    return [
        Job(
            case_id=name,
            map_file=MapFile(path, is_mask, labels, *place),
            suv_path=suv_path,
            folder=given["out"] / name,
            methods=methods,
            config=config,
            request=request,
            height_cm=given["height_cm"],
            weight_kg=given["weight_kg"],
            overwrite=given["overwrite"],
        )
        for name, path, suv_path in _cases(maps, given["suv"], given["case_id"], is_mask=is_mask)
    ]


def _cases(maps: Path, suv: Path, case_id: str | None, *, is_mask: bool) -> list[tuple[str, Path, Path]]:
    """Case id, map and PET of the one case, or of every case of a cohort; says which have no map."""
    from postprocess.find import case_id_of, cases_without_map, find_cases

    if not maps.is_dir():
        return [(case_id_of(maps) if case_id is None else case_id, maps, suv)]
    cases = find_cases(maps, suv, is_mask=is_mask)
    if missing := cases_without_map(cases, suv):
        what, total = "mask" if is_mask else "map", len(cases) + len(missing)
        typer.echo(f"No {what} for {len(missing)} of {total} cases: {listed(missing)}.", err=True)
    return cases


def _run_one(job: Job) -> None:
    from petct.parallel import interruptible, progress
    from postprocess.case import run_case
    from postprocess.cohort import table_of_what_is_left, write_table

    out = job.folder.parent
    with table_of_what_is_left(out), progress("post-processing", 1) as advance:
        result = interruptible(run_case, job)
        advance(1)
    _show_warnings([result])
    for warning in write_table(out):
        typer.echo(f"WARNING: {warning}", err=True)
    for sentence in result["said"]:
        print(sentence)
    print(f"{job.case_id}: {'finished before' if result['skipped'] else 'done'}, results in {job.folder}")
    _say_edits(job, result)
    print(f"{'method':>14} {'TMTV mL':>10} {'TLG':>10} {'SUVmax':>8} {'lesions':>8} {'Dmax mm':>8}")
    for method in job.methods:
        found = result["final"][method]
        suv_max, dmax_mm = ("-" if found[k] is None else f"{found[k]:.2f}" for k in ("suv_max", "dmax_mm"))
        print(
            f"{method:>14} {found['tmtv_ml']:10.2f} {found['tlg']:10.1f} {suv_max:>8} "
            f"{found['lesion_count']:8d} {dmax_mm:>8}"
        )


def _say_edits(job: Job, result: Answer) -> None:
    if job.request.clear:
        cleared = result["cleared"]
        print(
            f"Earlier edits out of force: {cleared}; edits.json keeps them."
            if cleared
            else "There were no edits."
        )
    if result["edits"]:
        before = ", ".join(f"{m} {result['methods'][m]['tmtv_ml']:.2f} mL" for m in job.methods)
        print(f"Edits in force: {result['edits']} ({result['added']} new). Automatic TMTV: {before}. Final:")


def _run_cohort(jobs: Sequence[Job], out: Path, workers: int, scheduler: str | None) -> int:
    from petct.console import report_failures
    from petct.parallel import run_cases
    from postprocess.case import run_case
    from postprocess.cohort import TABLE_FILE, table_of_what_is_left, write_table
    from postprocess.results import read_result

    with table_of_what_is_left(out):
        outcomes = run_cases(
            run_case,
            [(job.case_id, (job,)) for job in jobs],
            workers=workers,
            scheduler=scheduler,
            description="post-processing",
        )
    done = [outcome.value for outcome in outcomes if outcome.error is None]
    failed = [outcome.case_id for outcome in outcomes if outcome.error is not None]
    _show_warnings(done)
    for warning in write_table(out, failed) if out.is_dir() else ():
        typer.echo(f"WARNING: {warning}", err=True)
    if done:
        skipped = sum(result["skipped"] for result in done)
        cases = "1 case" if len(done) == 1 else f"{len(done)} cases"
        print(f"{cases} in {out} ({skipped} were finished before), table in {out / TABLE_FILE}")
        _print_tmtv(done, jobs[0].methods)
    if stale := [case_id for case_id in failed if read_result(out / case_id) is not None]:
        typer.echo(
            f"Results of an earlier run stay in the folders of failed cases, not in {TABLE_FILE}: {listed(stale)}.",
            err=True,
        )
    return report_failures(outcomes)


def _print_tmtv(results: Sequence[Answer], methods: Sequence[str]) -> None:
    """The final TMTV of the first cases, and the median of all, per method."""
    from statistics import median

    from petct.console import NAMES_SHOWN

    width = max(len("median"), *(len(result["case_id"]) for result in results[:NAMES_SHOWN]))
    values = {method: [result["final"][method]["tmtv_ml"] for result in results] for method in methods}
    print(f"{'TMTV mL':<{width}}" + "".join(f" {method:>13}" for method in methods))
    for i, result in enumerate(results[:NAMES_SHOWN]):
        edited = f"  edits: {result['edits']}" if result["edits"] else ""
        print(f"{result['case_id']:<{width}}" + "".join(f" {values[m][i]:13.2f}" for m in methods) + edited)
    if len(results) > NAMES_SHOWN:
        print(f"and {len(results) - NAMES_SHOWN} more")
    if len(results) > 1:
        print(f"{'median':<{width}}" + "".join(f" {median(values[m]):13.2f}" for m in methods))


def _show_warnings(results: Sequence[Answer]) -> None:
    import logging

    for result in results:
        for warning in result.get("warnings", []):
            logging.getLogger(__name__).warning("%s: %s", result["case_id"], warning)


def _lesion(text: str, methods: Sequence[str]) -> tuple[str, int]:
    from petct.errors import ParameterError

    method, _, label = text.rpartition(":")
    if not method and len(methods) == 1:
        method = methods[0]
    if not method or not re.fullmatch("[0-9]{1,9}", label):
        raise ParameterError(f"--exclude takes METHOD:LABEL, for example 41:3. Received: {text}.")
    return method, int(label)


def _point(text: str, ras: bool = False) -> tuple[float, float, float]:
    """An LPS point from `x,y,z`; RAS has x and y the other way round."""
    from petct.errors import ParameterError

    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(f"--include-seed takes x,y,z in mm. Received: {text}.") from error
    return (-x, -y, z) if ras else (x, y, z)


def main() -> None:
    """Entry point of `tmtv-postprocess`."""
    from petct.console import run_app

    run_app(app)
