"""The page, and what the terminal says."""

from __future__ import annotations

import html
import re
import shutil

from evaluation_files import TEST_CASES, change, evaluate, rows, summary, text_of


def test_the_page_fetches_nothing_and_loads_its_pictures_when_they_are_seen(cohort):
    page = (cohort / "report" / "index.html").read_text()
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+|<script|<link|@import", page)
    assert page.count("data:image/png;base64,") == 3
    pictures = re.findall(r'<img src="(mips/[^"]+)" loading="lazy"', page)
    assert len(pictures) == 2 + len(TEST_CASES)  # a bad and a good one, then all
    assert all((cohort / "report" / name).is_file() for name in pictures)
    shown = re.findall(r"<b>(case\d+)</b>", page)
    worst_first = sorted(rows(cohort, "cases.csv"), key=lambda row: float(row["dice_tmtvprob"]))
    assert shown == [row["case_id"] for row in worst_first]
    assert "Not a medical device" in page
    assert str(cohort) not in page


def test_what_grows_with_the_cases_is_laid_out_when_it_is_scrolled_to(cohort):
    """The table and the pictures of every case; on paper all of it stands. A page of thousands opens at once."""
    page = (cohort / "report" / "index.html").read_text()
    far = re.findall(
        r'<div class="(?:scroll|mips) far" style="contain-intrinsic-height: auto (\d+)px">', page
    )
    assert len(far) == 2
    assert min(map(int, far)) >= 29 * len(TEST_CASES)
    screen, paper = page.split("@media print", 1)
    assert ".far { content-visibility: auto; }" in screen
    assert ".far { content-visibility: visible; }" in paper


def test_a_printed_page_begins_with_the_name_of_what_its_rows_are_about(cohort):
    """The rows of one measure or method are a group of their own, which is not broken, and no DOI is either."""
    page = (cohort / "report" / "index.html").read_text()
    table = page.split("Every measure, predicted against manual: agreement")[1].split("</table>")[0]
    groups = re.findall(r"<tbody>\s*<tr><td>([^<]*)</td>", table)
    assert groups == ["TMTV, mL", "TLG, g", *groups[2:5], "Lesions"]
    assert table.count("<tr><td></td>") == table.count("<tr>") - 1 - len(groups)
    assert '<span class="whole">doi:10.1007/s11307-020-01474-z</span>' in page


def test_the_papers_figure_4_and_differences_stand_on_the_page(cohort):
    """The lowest and the highest Dice; the differences of the median TMTV; the quartiles of Jaccard."""
    page = " ".join(html.unescape(text_of(cohort / "report" / "index.html")).split())
    dice = sorted(float(row["dice_tmtvprob"]) for row in rows(cohort, "cases.csv"))
    assert f"A: the lowest Dice, {dice[0]:.2f} (paper's Figure 4: 0.32)" in page
    assert f"B: the highest Dice, {dice[-1]:.2f} (paper's Figure 4: 0.84)" in page
    assert "quartiles 0.55 to 0.76" in page
    medians = {
        (r["method"], r["source"]): float(r["median_ml"]) for r in rows(cohort, "tmtv_distribution.csv")
    }
    difference = medians["2.5", "predicted"] - medians["2.5", "manual"]
    row = page.split("Difference of the median TMTV")[1].split("SUV > 2.5")[1].split("SUV > 4.0")[0].split()
    assert row[-2:] == [f"{difference:+.0f}".replace("-", "−"), "147"]


def test_the_terminal_says_what_the_page_says(copy, capsys):
    shutil.rmtree(copy / "results" / "case10")
    assert evaluate(copy) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Cases evaluated: 4 of 11 in the cohort; the tables are about the 4 of the test split." in said
    assert "No result for 1 of the test split: case10." in said
    assert "No simple rival could be chosen: cohort.csv names no training case" in said
    assert "No evaluated case belongs to the test split" not in said
    assert summary(copy)["without_result"] == ["case10"]
    assert (
        "1 test case of the cohort without a result, not counted here: case10."
        in (copy / "report" / "index.html").read_text()
    )
    (copy / "cases" / "cohort.csv").unlink()
    assert evaluate(copy) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Cases evaluated: 4. No evaluated case belongs to the test split of cohort.csv" in said
    assert "No evaluated case belongs to the test split" in (copy / "report" / "index.html").read_text()


def test_tables_and_figures_are_numbered_without_a_gap(cohort, copy):
    """With the table per split and the rivals, and without both."""
    assert evaluate(copy) == 0
    for root in (cohort, copy):
        text = (root / "report" / "index.html").read_text()
        for kind in ("Table", "Figure"):
            found = [int(n) for n in re.findall(rf"<b>{kind} (\d+)\.</b>", text)]
            assert found == list(range(1, len(found) + 1))


def test_phantoms_are_never_called_patients(copy):
    for case_id in TEST_CASES:
        change(copy / "cases" / case_id / "case.json", phantom=True)
    assert evaluate(copy) == 0
    text = text_of(copy / "report" / "index.html")
    assert "These are computer-made phantoms, not patients." in text
    ours = text.replace("phantoms, not patients", "").replace("(407 test patients)", "")  # the paper's own
    assert "patient" not in ours.lower()
