"""The risk list names tests that exist; the bill of materials is that of constraints.txt."""

from __future__ import annotations

import json
import re
from pathlib import Path

from test_paper_pages import TEST, unknown

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)")


def test_each_risk_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "explanation" / "risks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "what goes wrong" not in line]
    assert len(rows) >= 6
    assert all(len(TEST.findall(row)) >= 2 for row in rows)
    assert unknown(text) == []


def test_the_bill_of_materials_is_that_of_the_constraints() -> None:
    """`make sbom` writes it anew."""
    bill = json.loads((ROOT / "docs" / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    assert listed == set(PIN.findall((ROOT / "constraints.txt").read_text(encoding="utf-8")))
