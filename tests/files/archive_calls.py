"""Calls of `tmtv` on an archive, and what the archive holds then."""

from __future__ import annotations

from pathlib import Path

from orthanc import Orthanc, data_set
from typer.testing import CliRunner, Result

from petct.errors import TmtvError
from tmtv_tf.cli import app
from tmtv_tf.pacs.credentials import Credentials

NONE = Credentials()


def tmtv(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, TmtvError), repr(result.exception)
        assert status == result.exception.exit_status, str(result.exception)
    else:
        assert result.exit_code == status, result.output
    return result


def stored(orthanc: Orthanc) -> list[bytes]:
    return sorted(map(data_set, orthanc.files().values()))


def of_files(*paths: Path) -> list[bytes]:
    return sorted(data_set(path.read_bytes()) for path in paths)
