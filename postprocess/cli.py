"""`tmtv-postprocess`: probability map or mask + SUV image -> lesions and TMTV. Heavy modules load inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from postprocess.config import Config

DEFAULT_METHODS = ["raw", "41", "2.5", "4.0"]

app = typer.Typer(
    name="tmtv-postprocess",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(no_args_is_help=True)
def postprocess(
    suv: Annotated[Path, typer.Option(help="SUVbw image of the PET, or the folder of a cohort.")],
    out: Annotated[Path, typer.Option(help="Results go to OUT/<case-id>/.")],
    probability: Annotated[
        Path | None,
        typer.Option("--probability", "-p", help="Probability map in [0, 1], or the folder of a cohort."),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Binary or label image in place of the map; all that is not 0 counts.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="May be repeated. Default: raw 41 2.5 4.0.")
    ] = None,
    case_id: Annotated[
        str | None, typer.Option(help="Default: the name of the folder that holds the map.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes for a cohort.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Running Dask scheduler, tcp://host:port.")] = None,
    probability_threshold: Annotated[
        float, typer.Option(help="Mask: probability > this.")
    ] = Config.probability_threshold,
    connectivity: Annotated[int, typer.Option(help="6, 18 or 26.")] = Config.connectivity,
    split_above_ml: Annotated[
        float, typer.Option(help="Split components over this volume.")
    ] = Config.split_above_ml,
    peak_distance_mm: Annotated[
        float, typer.Option(help="A peak is the highest within this.")
    ] = Config.peak_distance_mm,
    min_volume_ml: Annotated[float, typer.Option(help="Leave out smaller lesions.")] = Config.min_volume_ml,
    liver_suv: Annotated[float | None, typer.Option(help="SUV threshold of the method liver.")] = None,
) -> None:
    """Total metabolic tumour volume from any network's probability map, or any mask, under the published thresholds.

    One case: tmtv-postprocess --probability p1/probability.nii.gz --suv p1/pet.nii.gz --out results

    A cohort: tmtv-postprocess --probability maps --suv cases --out results --workers 4
    with maps/<case-id>/probability.nii.gz and cases/<case-id>/pet.nii.gz. Finished cases are skipped.

    Not a medical device.
    """
    from postprocess.case import Job
    from postprocess.cohort import find_cases
    from postprocess.errors import ParameterError
    from postprocess.segmentation import check_method

    if (probability is None) == (mask is None):
        raise ParameterError("Give one of --probability and --mask.")
    maps = Path(probability or mask or "")
    config = Config(
        probability_threshold=probability_threshold,
        connectivity=connectivity,
        split_above_ml=split_above_ml,
        peak_distance_mm=peak_distance_mm,
        min_volume_ml=min_volume_ml,
        liver_suv=liver_suv,
    )
    methods = tuple(dict.fromkeys(method or DEFAULT_METHODS))
    for name in methods:
        check_method(name)
    if maps.is_dir():
        if case_id is not None:
            raise ParameterError("--case-id names one case; a cohort takes its names from its folders.")
        cases = find_cases(maps, suv, is_mask=mask is not None)
    else:
        cases = [(case_id or maps.resolve().parent.name, maps, suv)]
    jobs = [
        Job(
            case_id=name,
            map_path=map_path,
            suv_path=suv_path,
            folder=out / name,
            methods=methods,
            config=config,
            is_mask=mask is not None,
        )
        for name, map_path, suv_path in cases
    ]
    if not maps.is_dir():
        _run_one(jobs[0])
    else:
        raise typer.Exit(_run_cohort(jobs, out, workers, scheduler))


def _run_one(job: Any) -> None:
    from postprocess.case import run_case

    result = run_case(job)
    _show_warnings(job.case_id, result)
    _show(result, job)


def _run_cohort(jobs: list[Any], out: Path, workers: int, scheduler: str | None) -> int:
    from postprocess.case import run_case
    from postprocess.cohort import TABLE_FILE, write_table
    from postprocess.console import report_failures
    from postprocess.parallel import run_cases

    outcomes = run_cases(
        run_case,
        [(job.case_id, (job,)) for job in jobs],
        workers=workers,
        scheduler=scheduler,
        description="post-processing",
    )
    done = [outcome.value for outcome in outcomes if outcome.error is None]
    for result in done:
        _show_warnings(result["case_id"], result)
    if done:
        write_table(out / TABLE_FILE, done, jobs[0].methods)
        skipped = sum(result["skipped"] for result in done)
        print(f"{len(done)} cases in {out} ({skipped} were finished before), table: {out / TABLE_FILE}")
    return report_failures(outcomes)


def _show_warnings(case_id: str, result: dict[str, Any]) -> None:
    import logging

    for warning in result.get("warnings", []):
        logging.getLogger(__name__).warning("%s: %s", case_id, warning)


def _show(result: dict[str, Any], job: Any) -> None:
    """A small table on the terminal."""
    print(f"{job.case_id}: {'finished before' if result['skipped'] else 'done'}, results in {job.folder}")
    print(f"{'method':>14} {'TMTV mL':>10} {'TLG':>10} {'SUVmax':>8} {'lesions':>8} {'Dmax mm':>8}")
    for method in job.methods:
        found = result["methods"][method]
        cells = (
            f"{found['tmtv_ml']:10.1f}",
            f"{found['tlg']:10.1f}",
            f"{'-' if found['suv_max'] is None else format(found['suv_max'], '.2f'):>8}",
            f"{found['lesion_count']:8d}",
            f"{'-' if found['dmax_mm'] is None else format(found['dmax_mm'], '.0f'):>8}",
        )
        print(f"{method:>14} " + " ".join(cells))


def main() -> None:
    """Entry point of `tmtv-postprocess`."""
    from postprocess.console import run_app

    run_app(app)
