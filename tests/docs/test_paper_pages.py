"""Every function and every test that the pages on the two papers name is there."""

from __future__ import annotations

import ast
import pydoc
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ("revailler2022.md", "liu2022.md")
NAME = re.compile(r"`((?:petct|postprocess|tmtv_tf|training)\.[A-Za-z_.0-9]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FILE = re.compile(r"`((?:docs|training|tests)/[\w/]+(?:\.\w+)?)`")


def unknown(text: str) -> list[str]:
    """Names of packages, of tests and of files in a page that do not exist."""
    names = [name for name in set(NAME.findall(text)) if pydoc.locate(name) is None]
    tests = [f"{path}::{test}" for path, test in set(TEST.findall(text)) if test not in functions(path)]
    files = [path for path in set(FILE.findall(text)) if not (ROOT / path).exists()]
    return sorted(names + tests + files)


def functions(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text() if file.is_file() else "")
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_name_on_the_page_exists(page):
    text = (ROOT / "docs" / page).read_text()
    assert len(set(NAME.findall(text))) > 30, (
        "the page names functions in another way than this test looks for"
    )
    assert len(set(TEST.findall(text))) > 30
    assert unknown(text) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_statement_says_what_does_it(page):
    """The second last cell of each row names a function, links to the reason, or says that it is missing."""
    text = (ROOT / "docs" / page).read_text().split("## Where we differ")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    said = [row for row in rows if row[-1].strip() != "pinned by"]
    assert len(said) > 40
    assert [
        row for row in said if not (NAME.search(row[-2]) or "](#" in row[-2] or "**Missing" in row[-2])
    ] == []


def test_a_wrong_name_is_found():
    text = "`postprocess.segment` `postprocess.segmint` `tests/docs/test_paper_pages.py::test_none` `docs/none.svg`"
    assert unknown(text) == [
        "docs/none.svg",
        "postprocess.segmint",
        "tests/docs/test_paper_pages.py::test_none",
    ]


def test_the_second_papers_configuration_holds_its_values():
    """Section IV-B-3, as printed; lambda of equation 6. (The first paper's: tests/training/test_config.py.)"""
    values = yaml.safe_load((ROOT / "training" / "configs" / "multitask_paper.yaml").read_text())
    assert (values["epochs"], values["batch"]) == (200, 12)
    assert values["optimizer"] == {"name": "adam", "learning_rate": 1e-4}
    assert values["learning_rate_drop"] == {"after_epochs": 100, "factor": 0.1}
    grid = values["grid"]
    assert (grid["shape"], grid["spacing_mm"]) == ([257, 128, 128], [3.3, 5.5, 5.5])
    assert (sorted(grid["crop"]), grid["size"]) == (sorted([247, 80, 64]), [224, 64, 64])
    assert (values["augmentation"]["rotation_degrees"], values["augmentation"]["scaling"]) == (8, [0.8, 1.2])
    assert values["lambda_"] == 0.1


@pytest.mark.parametrize("name", ["vnet_paper.yaml", "multitask_paper.yaml"])
def test_every_value_of_a_papers_configuration_says_whose_it_is(name):
    """Its comment, or for all of a group that of the group, holds "paper, SECTION", "authors' code" or "ours"."""
    group = ""
    for line in (ROOT / "training" / "configs" / name).read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        setting, _, whose = line.partition("#")
        if not line.startswith(" "):
            group = whose
        if setting.rstrip().endswith(":"):
            continue
        assert re.match(r"\s*.*(paper, [IV\d]|authors' code|ours)", whose) or "all" in group, line
