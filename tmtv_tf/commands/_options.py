"""Options that several commands take: type, flag and help of each. Defaults stand in the commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from petct.suv import Overrides
    from tmtv_tf.pipeline.options import RunOptions

T = TypeVar("T")

PetUid = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the PET to use.")]
CtUid = Annotated[str | None, typer.Option(help="SeriesInstanceUID of the CT to use.")]
WeightKg = Annotated[float | None, typer.Option(help="In place of PatientWeight.")]
DoseMbq = Annotated[float | None, typer.Option(help="In place of RadionuclideTotalDose.")]
InjectionTime = Annotated[
    str | None, typer.Option(help="In place of the header's: 10:35, 10:35:00 or 2024-05-17T10:35:00.")
]
AllowUnusual = Annotated[
    bool,
    typer.Option("--allow-unusual", help="Weight, dose and times outside their limits are right; recorded."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="Secret of the keyed hashes. Default: ~/.config/tmtv/key, made on first use."),
]
Method = Annotated[str, typer.Option("--method", "-m", help="Whose lesions are exported.")]
Seg = Annotated[str, typer.Option(help="Form of the DICOM SEG: BINARY or LABELMAP.")]
Workers = Annotated[int, typer.Option(min=1, help="Cases at once, each in a process of its own.")]
Scheduler = Annotated[str | None, typer.Option(help="tcp://host:port of a running Dask scheduler.")]

# Of `tmtv run` and `tmtv serve`, which runs what it receives.
Model = Annotated[
    str | None,
    typer.Option(help="Model file (.keras, .openvino), or the name of a packaged one. Default: packaged."),
]
Methods = Annotated[
    list[str] | None, typer.Option("--method", "-m", help="Repeats. Default: raw 41 2.5 4.0.")
]
Export = Annotated[str, typer.Option(help="The method whose lesions are exported and drawn.")]
Keep = Annotated[str, typer.Option(help="all: also PET, CT and probability as NIfTI. none: without them.")]
Backend = Annotated[str, typer.Option(help="auto, openvino or keras.")]


def call(function: Callable[..., T], given: Mapping[str, Any], **others: Any) -> T:
    """Call a function or a class of the library: each parameter from the option of its name, or from `others`.

    given : every option of a command by its name; those that the function does not have are for something else
    """
    names = given.keys() & inspect.signature(function).parameters.keys()
    return function(**{name: given[name] for name in names if name not in others}, **others)


def overrides(given: Mapping[str, Any]) -> Overrides:
    """The user's own weight, dose and time."""
    from tmtv_tf.cases.sources import make_overrides

    return call(make_overrides, given)


def run_options(given: Mapping[str, Any], **others: bool) -> RunOptions:
    """What `tmtv run` computes and writes; `others`: further fields of `RunOptions`."""
    from petct.errors import ParameterError
    from postprocess.methods import DEFAULT_METHODS
    from tmtv_tf.pipeline.options import RunOptions

    if given["keep"] not in ("all", "none"):
        raise ParameterError(f"--keep must be all or none. Received: {given['keep']!r}.")
    methods, seg_kind = tuple(given["method"] or DEFAULT_METHODS), given["seg"].upper()
    keep_images = given["keep"] == "all"
    return call(RunOptions, given, methods=methods, keep_images=keep_images, seg_kind=seg_kind, **others)
