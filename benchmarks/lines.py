"""How many lines the library has now and had at a commit before, and how many do what was there then.

A line is code, docstring, comment or blank, as `wc -l` counts. A function, or the rest of a module, counts as *known
then* where its name stood in the package then, or where git traces at least a quarter of its lines back to then (`git
blame -w -C -C`: moved lines count as old); everything else came since.

    python -m benchmarks.lines 0a5031b
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections import Counter
from collections.abc import Iterator

PACKAGES = ("petct", "postprocess", "tmtv_tf", "training")
KNOWN_SHARE = 0.25


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def modules(commit: str) -> dict[str, str]:
    names = git("ls-tree", "-r", "--name-only", commit, *PACKAGES).split()
    return {name: git("show", f"{commit}:{name}") for name in names if name.endswith(".py")}


def functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Each function and method that is in no other function: name, first line, last line (from 1)."""
    outside: list[ast.AST] = [ast.parse(text)]
    while outside:
        for node in ast.iter_child_nodes(outside.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                yield node.name, first, node.end_lineno or first
            elif isinstance(node, ast.ClassDef):
                outside.append(node)


def old_lines(path: str, since: str) -> list[bool]:
    """For each line, whether git finds it at `since` or before."""
    found: list[bool] = []
    boundary = False
    for line in git("blame", "-w", "-C", "-C", "--line-porcelain", f"{since}..HEAD", "--", path).splitlines():
        if line.startswith("\t"):
            found.append(boundary)
            boundary = False
        elif line == "boundary":
            boundary = True
    return found


def part(path: str) -> str:
    """The package, and within `tmtv_tf` its folder."""
    folders = path.split("/")
    return "/".join(folders[:2]) if folders[0] == "tmtv_tf" and len(folders) > 2 else folders[0]


def account(since: str) -> dict[str, Counter[str]]:
    then, now = modules(since), modules("HEAD")
    names = {(path.split("/")[0], name) for path, text in then.items() for name, _, _ in functions(text)}
    table: dict[str, Counter[str]] = {}
    for path, text in then.items():
        table.setdefault(part(path), Counter())["then"] += len(text.splitlines())
    for path, text in now.items():
        row = table.setdefault(part(path), Counter())
        old = old_lines(path, since)
        rest = set(range(len(old)))
        for name, first, last in functions(text):
            lines = range(first - 1, last)
            rest -= set(lines)
            known = (path.split("/")[0], name) in names or share(old, lines) >= KNOWN_SHARE
            row["known" if known else "since"] += len(lines)
        row["known" if path in then or share(old, rest) >= KNOWN_SHARE else "since"] += len(rest)
        row["now"] += len(old)
        row["old"] += sum(old)
    return table


def share(old: list[bool], lines: range | set[int]) -> float:
    return sum(old[line] for line in lines) / max(len(lines), 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("since", help="the commit before")
    table = account(parser.parse_args().since)
    print(
        "| part | lines then | lines now | in functions known then | in functions since | unchanged lines |"
    )
    print("|---|---|---|---|---|---|")
    total: Counter[str] = sum(table.values(), Counter())
    for name, row in [*sorted(table.items()), ("all", total)]:
        print(
            "|", " | ".join([name, *(str(row[key]) for key in ("then", "now", "known", "since", "old"))]), "|"
        )


if __name__ == "__main__":
    main()
