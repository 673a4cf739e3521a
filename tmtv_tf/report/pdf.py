"""The same page as PDF, laid out by reportlab; no browser is needed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from petct.files import replace_atomically
from petct.palette import lesion_color
from tmtv_tf.report.content import LESION_COLUMNS, NOT_A_DEVICE, Picture, StudyPage

MARGIN_MM = 12
PROJECTION_HEIGHT_MM = 105
CUT_HEIGHT_MM = 48
LESIONS_BESIDE = 18  # rows beside the projections; further ones follow below
METHOD_SHARES = [0.28, 0.1, 0.09, 0.1, 0.1, 0.1, 0.11, 0.15]


def write_pdf(path: str | Path, page: StudyPage) -> bytes:
    """Write the page on A4, whole or not at all; returns the bytes written (the same for the same page)."""
    pdf = render_pdf(page)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(pdf)
    return pdf


def render_pdf(page: StudyPage) -> bytes:
    """The page as the bytes of a PDF file; no time of writing in it."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        title=f"TMTV {page.case_id}",
        author="tmtv-tf",
        invariant=1,
        **{f"{side}Margin": MARGIN_MM * mm for side in ("left", "right", "top", "bottom")},
    )
    with _binary_pictures():
        document.build(_story(page, document.width), onFirstPage=_footer, onLaterPages=_footer)
    return buffer.getvalue()


@contextmanager
def _binary_pictures() -> Iterator[None]:
    """Pictures as bytes: reportlab turns them into ASCII text in Python otherwise, which takes half a second."""
    from reportlab import rl_config

    before = rl_config.useA85
    rl_config.useA85 = 0
    try:
        yield
    finally:
        rl_config.useA85 = before


def _story(page: StudyPage, width: float) -> list:
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, Table

    style = _styles()
    text, heading = style["text"], style["heading"]
    none = Paragraph("No lesion was found. TMTV is 0 mL.", text)
    name = f"Total metabolic tumour volume{' (reviewed by a reader)' if page.edited else ''}"
    left = [Paragraph(name, style["title"]), Paragraph(escape(page.case_id), text)]
    numbers = [
        [Paragraph(number, style["big"]), Paragraph(escape(sentence), style["under"])]
        for number, sentence in page.headlines
    ]
    shares = [0.58] if len(numbers) == 1 else [0.35, 0.35]
    story: list = [
        Table(
            [[left, *numbers]],
            colWidths=[width * (1 - sum(shares)), *(width * share for share in shares)],
            style=[("VALIGN", (0, 0), (-1, -1), "BOTTOM")],
        )
    ]
    story += [Paragraph(f"<b>{escape(n)}</b> {escape(v)}", text) for n, v in page.patient]
    story += [Paragraph(page.note, text)] if page.note else []
    story += [Paragraph(escape(sentence), style["warning"]) for sentence in page.warnings]
    story += [Paragraph("By method", heading), _methods(page, width)]
    beside = page.lesion_rows()[:LESIONS_BESIDE] if page.projections else []
    if page.projections:
        pictures = _row(page.projections, PROJECTION_HEIGHT_MM * mm, width * 0.52)
        listed = [Paragraph("Lesions", heading), _lesions(beside, width * 0.45) if beside else none]
        both = Table(
            [[[Paragraph("Projections", heading), pictures], listed]], colWidths=[width * 0.54, width * 0.46]
        )
        both.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
        story.append(both)
    if page.cuts:
        story += [Paragraph("Axial cuts through the largest lesions", heading)]
        story.append(_row(page.cuts, CUT_HEIGHT_MM * mm, width))
        story += [Paragraph(". ".join(cut.caption for cut in page.cuts) + ".", text)]
    for head, rows in (("SUV", page.suv), ("Where this comes from", page.origin)):
        story.append(Paragraph(head, heading))
        story += [Paragraph(f"{escape(n)}: {escape(v)}", text) for n, v in rows]
    rest = page.lesion_rows()[len(beside) :]
    if rest:
        story += [Paragraph("Further lesions" if beside else "Lesions", heading), _lesions(rest, width)]
    if page.lesions_left_out:
        story.append(Paragraph(f"{page.lesions_left_out} smaller lesions are in the CSV file.", text))
    return story


def _styles() -> dict:
    from reportlab.lib.styles import ParagraphStyle

    text = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12)
    title = ParagraphStyle("title", parent=text, fontName="Helvetica-Bold", fontSize=13, leading=16)
    warning = {
        "textColor": "#8a4b00",
        "backColor": "#fff4e0",
        "borderPadding": 3,
        "spaceBefore": 4,
        "spaceAfter": 4,
    }
    return {
        "text": text,
        "title": title,
        "big": ParagraphStyle("big", parent=title, fontSize=34, leading=38, alignment=2),
        "under": ParagraphStyle(
            "under", parent=text, fontSize=11, leading=14, alignment=2, textColor="#5b6773"
        ),
        "heading": ParagraphStyle(
            "heading", parent=title, fontSize=11, leading=15, spaceBefore=8, spaceAfter=3
        ),
        "warning": ParagraphStyle("warning", parent=text, **warning),
    }


def _methods(page: StudyPage, width: float):  # noqa: ANN202 - reportlab is imported lazily
    from reportlab.lib import colors

    rows = [["Method", *page.method_headings], *page.method_rows()]
    shares = [*METHOD_SHARES[:2], 0.13, *METHOD_SHARES[2:]] if page.edits else METHOD_SHARES
    chosen = 1 + list(page.methods).index(page.method)
    extra = [
        ("FONTNAME", (0, chosen), (-1, chosen), "Helvetica-Bold"),
        ("BACKGROUND", (0, chosen), (-1, chosen), colors.HexColor("#eef3f8")),
    ]
    return _table(rows, shares, width, extra)


def _lesions(lesions: list[tuple[int, list[str]]], width: float):  # noqa: ANN202 - reportlab is imported lazily
    from reportlab.lib import colors

    rows = [["", "No.", *(heading for _, heading, _ in LESION_COLUMNS)]]
    extra = []
    for k, (label, cells) in enumerate(lesions, start=1):
        rows.append(["", str(label), *cells])
        red, green, blue = lesion_color(label)
        extra.append(("BACKGROUND", (0, k), (0, k), colors.Color(red / 255, green / 255, blue / 255)))
    return _table(rows, [0.03, 0.08] + [0.178] * len(LESION_COLUMNS), width, extra)


def _table(rows: list[list[str]], shares: list[float], width: float, extra: list):  # noqa: ANN202
    from reportlab.lib import colors
    from reportlab.platypus import Table

    style = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", 8.5),
        ("TEXTCOLOR", (0, 0), (-1, 0), colors.HexColor("#5b6773")),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#d5dbe1")),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        *extra,
    ]
    total = sum(shares)
    return Table(rows, colWidths=[width * s / total for s in shares], style=style, repeatRows=1)


def _row(pictures: Sequence[Picture], height: float, width: float):  # noqa: ANN202
    """Pictures side by side, as high as given, all of them together no wider than the page."""
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image, Table

    sizes = [ImageReader(io.BytesIO(p.png)).getSize() for p in pictures]
    widths = [height * w / h for w, h in sizes]
    shrink = min(1.0, (width - 12 * len(pictures)) / sum(widths))
    cells = [Image(io.BytesIO(p.png), w * shrink, height * shrink) for p, w in zip(pictures, widths)]
    style = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    return Table([cells], colWidths=[w * shrink + 12 for w in widths], hAlign="LEFT", style=style)


def _footer(canvas, document) -> None:  # noqa: ANN001
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(document.leftMargin, document.bottomMargin - 10, f"{NOT_A_DEVICE} Page {document.page}")
    canvas.restoreState()
