"""The page as one HTML file: pictures inside, nothing fetched from anywhere, prints on A4."""

from __future__ import annotations

import base64
from pathlib import Path

from petct.files import write_text
from petct.palette import lesion_color
from tmtv_tf.report.content import LESION_COLUMNS, NOT_A_DEVICE, StudyPage

TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


def write_html(path: str | Path, page: StudyPage) -> None:
    """Write the page, whole or not at all."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_uri"] = lambda png: "data:image/png;base64," + base64.b64encode(png).decode()
    environment.filters["colour"] = lambda label: "rgb({}, {}, {})".format(*lesion_color(label))
    environment.filters["zip"] = zip
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(
        page=page,
        lesion_columns=[heading for _, heading, _ in LESION_COLUMNS],
        not_a_device=NOT_A_DEVICE,
    )
    write_text(path, text)
