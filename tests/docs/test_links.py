"""Links between the files of the repository: README and CONTRIBUTING, which Sphinx does not read, and the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
SHORT = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES = [
    p.relative_to(ROOT).as_posix()
    for p in sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("benchmarks/results/*.md"))
]
BUILT = ("docs/_build", "docs/reference/generated", "docs/explanation/results")


def anchors(path: Path) -> set[str]:
    """As a forge makes them of headings: lower case, no punctuation, dashes for spaces."""
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def broken(page: str, text: str) -> list[str]:
    """Links of a page that lead nowhere in the repository."""
    found = []
    for target, anchor in LINK.findall(text):
        if target.startswith(("http", "mailto")):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            found.append(f"{target}#{anchor}" if anchor else target)
    return found


@pytest.mark.parametrize("page", [*SHORT, *(p for p in PAGES if not p.startswith(BUILT))])
def test_every_link_leads_somewhere(page):
    assert broken(page, (ROOT / page).read_text(encoding="utf-8")) == []


def test_a_broken_link_is_found():
    text = "[a](nowhere.md) [b](docs/index.md#nothing) [c](docs/index.md) [d](https://example.org)"
    assert broken("README.md", text) == ["nowhere.md", "docs/index.md#nothing"]


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120
