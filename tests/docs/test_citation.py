"""The version stands in three files: they say the same, and CITATION.cff has what its format requires (1.2.0)."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_citation_changelog_and_package_are_of_one_version():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    version = setup["metadata"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == version
    newest = re.search(
        r"(?m)^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text()
    )
    assert newest
    assert newest[1] == version


def test_citation_has_the_required_keys():
    """https://citation-file-format.github.io: cff-version, message, title, authors; of an article a DOI."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "authors", "license", "repository-code"))
    for article in citation["references"]:
        assert article["type"] == "article"
        assert re.fullmatch(r"10\.\d+/\S+", article["doi"])
        assert all({"family-names", "given-names"} == set(author) for author in article["authors"])
