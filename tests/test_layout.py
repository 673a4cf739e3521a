"""The tests and the modules as files: names that pytest can tell apart, and nothing too long to read at once."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_MODULE, LONGEST_BODY = 350, 60


def modules() -> dict[Path, str]:
    packages = ("petct", "postprocess", "tmtv_tf", "training")
    return {path: path.read_text("utf-8") for name in packages for path in (ROOT / name).rglob("*.py")}


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_module_is_too_long() -> None:
    assert [str(path) for path, text in modules().items() if len(text.splitlines()) > LONGEST_MODULE] == []


def test_no_function_is_too_long() -> None:
    """Its body, without the docstring: a reader's contract may be long, and a command has many options."""
    found = []
    for path, text in modules().items():
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                body = function.body[ast.get_docstring(function) is not None :] or function.body
                if (body[-1].end_lineno or 0) - body[0].lineno + 1 > LONGEST_BODY:
                    found.append(f"{path}: {function.name}")
    assert found == []
