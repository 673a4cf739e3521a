"""Undo, redo, clear and the signature in `edits.json`: which edits count is derived from all entries, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petct.errors import TmtvError
from postprocess.edits import Brushed, Cleared, EditLog, Redone, Signed, Undone, read_log, write_log

WHO = {"by": "anna", "time": "2026-01-02T03:04:05Z"}


def brushed(n: int) -> Brushed:
    return Brushed(add=True, sha256=f"{n:064x}", hottest_mm=None, suv_max=None, **WHO)


@given(st.lists(st.sampled_from(["edit", "undo", "redo", "clear", "sign"]), max_size=60))
@settings(deadline=None)
def test_in_force_is_what_a_list_of_states_gives(kinds: list[str]) -> None:
    """Truth: the plain model of undo, all states in a list and a place in it."""
    states: list[tuple[Brushed, ...]] = [()]
    at = 0
    entries: list = []
    for n, kind in enumerate(kinds):
        if kind == "undo" and at == 0 or kind == "redo" and at == len(states) - 1:
            continue
        if kind in ("edit", "clear"):
            new = (*states[at], brushed(n)) if kind == "edit" else ()
            states, at = [*states[: at + 1], new], at + 1
        at += {"undo": -1, "redo": 1}.get(kind, 0)
        entries.append(
            brushed(n)
            if kind == "edit"
            else {"undo": Undone, "redo": Redone, "clear": Cleared}[kind](**WHO)
            if kind != "sign"
            else Signed(tmtv_ml={"41": 1.0}, **WHO)
        )
    log = EditLog(tuple(entries))
    assert log.in_force == states[at]
    assert (log.can_undo, log.can_redo) == (at > 0, at < len(states) - 1)
    assert (log.signed is not None) == bool(entries and isinstance(entries[-1], Signed))


def test_a_log_of_every_kind_comes_back(tmp_path: Path) -> None:
    log = EditLog(
        (brushed(1), Undone(**WHO), Redone(**WHO), Cleared(**WHO), Signed(tmtv_ml={"2.5": 0.0}, **WHO))
    )
    write_log(tmp_path, log)
    assert read_log(tmp_path) == log
    assert read_log(tmp_path).was_signed


@pytest.mark.parametrize("kind", ["undo", "redo"])
def test_an_undo_of_nothing_is_no_log(tmp_path: Path, kind: str) -> None:
    (tmp_path / "edits.json").write_text(json.dumps({"version": 1, "edits": [{"kind": kind, **WHO}]}))
    with pytest.raises(TmtvError, match=f"there is nothing to {kind}"):
        read_log(tmp_path)


def test_a_deep_log_is_read_in_a_moment(tmp_path: Path) -> None:
    """Two thousand edits, each undone and done again: the states are shared, not copied."""
    entries: list = []
    for n in range(2000):
        entries += [brushed(n), Undone(**WHO), Redone(**WHO)]
    write_log(tmp_path, EditLog(tuple(entries)))
    assert len(read_log(tmp_path).in_force) == 2000
