"""`tmtv export` and `tmtv export-model`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tmtv_tf.commands._options import Method, Seg


def export(
    result: Annotated[
        Path,
        typer.Argument(
            help="A case that tmtv-postprocess or tmtv run wrote, or a mask (image, SEG, RTSTRUCT)."
        ),
    ],
    series: Annotated[Path, typer.Option(help="Folder with the PET series that it belongs to.")],
    out: Annotated[Path, typer.Option(help="Folder for seg.dcm, rtstruct.dcm, sr.dcm.")],
    method: Method = "41",
    seg: Seg = "BINARY",
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
