"""What every page does with what it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tmtv_tf.report.template import page_template


def test_text_is_escaped_pictures_are_inside_and_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.j2").write_text("{{ name }} {{ picture | png }} {{ 2 | double }}")
    page = page_template(tmp_path / "page.j2", double=lambda value: 2 * value)
    shown = page.render(name="<b>", picture=b"\x89PNG")
    assert shown == "&lt;b&gt; data:image/png;base64,iVBORw== 4"
    with pytest.raises(UndefinedError):
        page.render(picture=b"")
