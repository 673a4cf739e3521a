"""What `tmtv serve` may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from petct.errors import ParameterError
from tmtv_tf.pacs.options import ServeOptions
from tmtv_tf.pacs.receiver import Caller


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "--allow AE@ADDRESS"),
        ({"objects": ("seg", "pdfs")}, "Received: 'pdfs'"),
        ({"ae_title": " "}, "1 to 16 characters"),
        ({"ae_title": "A" * 17}, "1 to 16 characters"),
    ],
)
def test_what_cannot_be_served_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        ServeOptions(Path("out"), **given)


def test_other_computers_may_send_once_they_are_named() -> None:
    assert (
        ServeOptions(Path("out"), host="0.0.0.0", allowed=(Caller.parse("CT1@10.1.2.3"),)).host == "0.0.0.0"
    )
    assert ServeOptions(Path("out"), ae_title="A" * 16).ae_title == "A" * 16
