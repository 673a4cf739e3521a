"""Write the card of a network: card.md for people, the ATLAS cards as JSON, the check lists as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from petct.files import remove, write_csv, write_json, write_text
from tmtv_tf.card.atlas import dataset_card, limitations, model_card
from tmtv_tf.card.claim import ITEMS, claim_items
from tmtv_tf.card.facts import Facts, Known
from tmtv_tf.card.relaince import claim, recommendations

NOT_GIVEN = {"run": "--run", "report": "--report", "rows": "--cases"}
FILES = ("atlas_model.json", "atlas_dataset.json", "claim.csv", "relaince.csv", "card.md")


def write_card(facts: Facts, out: Path) -> Path:
    """Write `FILES` under `out` and return card.md; atlas_dataset.json only where the cases were given."""
    items, advice = claim_items(facts), recommendations(facts)
    for name in FILES:
        remove(out / name)
    write_json(out / "atlas_model.json", model_card(facts))
    if facts.vendors:
        write_json(out / "atlas_dataset.json", dataset_card(facts))
    columns = ("item", "name", "status", "known", "missing")
    rows = [(i, name, known.status, *known) for i, (name, known) in enumerate(zip(ITEMS, items), start=1)]
    write_csv(out / "claim.csv", columns, rows)
    write_csv(
        out / "relaince.csv",
        ("class", "recommendation", "status", "known", "missing"),
        [(kind, text, known.status, *known) for kind, text, known in advice],
    )
    page = out / "card.md"
    write_text(page, _page(facts, items, advice))
    return page


def summary(items: Sequence[Known]) -> str:
    """How many items are known, partly known and not known."""
    count = Counter(item.status for item in items)
    return f"{count['known']} known, {count['partly']} partly, {count['not known']} not known"


def _page(facts: Facts, items: Sequence[Known], advice: Sequence[tuple[str, str, Known]]) -> str:
    absent = [flag for name, flag in NOT_GIVEN.items() if not getattr(facts, name)]
    atlas = model_card(facts)["Model"]
    lines = [f"# {facts.name}", "", *(f"- {text}" for text in limitations(facts)), ""]
    if absent:
        lines += [f"Not given, so not known: {', '.join(absent)}.", ""]
    lines += ["## What this evaluation shows (RELAINCE)", "", claim(facts), ""]
    lines += _table(
        ("class", "recommendation", "status", "known", "missing"),
        [(kind, text, known.status, *known) for kind, text, known in advice],
    )
    lines += [f"## CLAIM 2024: {summary(items)}", ""]
    rows = [
        (str(i), name, known.status, *known) for i, (name, known) in enumerate(zip(ITEMS, items), start=1)
    ]
    lines += _table(("item", "name", "status", "known", "missing"), rows)
    lines += ["## ATLAS model card (atlas_model.json)", ""]
    if "Link" not in atlas:
        lines += ["ATLAS requires a link to the network: give --link.", ""]
    lines += _table(("field", "value"), list(_flat(atlas)))
    return "\n".join(lines)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return [f"| {' | '.join(headers)} |", "|" + "---|" * len(headers), *(f"| {row} |" for row in cells), ""]


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{path}{key}: ")]
    if isinstance(value, list):
        if any(isinstance(inner, dict) for inner in value):
            return [pair for inner in value for pair in _flat(inner, path)]
        value = ", ".join(map(str, value))
    return [(path.removesuffix(": "), str(value))]
