"""The page as one HTML file: pictures inside, nothing fetched from anywhere, prints on A4."""

from __future__ import annotations

from pathlib import Path

from petct.files import write_text
from petct.palette import lesion_color
from tmtv_tf.report.content import LESION_COLUMNS, NOT_A_DEVICE, StudyPage
from tmtv_tf.report.template import page_template

TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


def write_html(path: str | Path, page: StudyPage) -> None:
    """Write the page, whole or not at all."""
    template = page_template(
        TEMPLATE, colour=lambda label: "rgb({}, {}, {})".format(*lesion_color(label)), zip=zip
    )
    text = template.render(
        page=page,
        lesion_columns=[heading for _, heading, _ in LESION_COLUMNS],
        not_a_device=NOT_A_DEVICE,
    )
    write_text(path, text)
