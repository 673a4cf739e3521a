"""The tests and the modules as files: names that pytest can tell apart, and nothing too long to read at once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_MODULE, LONGEST_BODY, LONGEST_COMMAND = 350, 60, 15
# Modules without a test file of their name: parts that only work together, and the tests that prove them so.
PROVED_BY = {
    "petct": ("names alone", "errors version"),
    "tmtv_tf": ("every command starts in a process: test_imports", "cli"),
    "tmtv_tf/card": ("a card holds what each has found: test_card", "atlas claim facts relaince write"),
    "tmtv_tf/evaluation/prognosis": ("the report holds every table: test_study_report", "report_tables"),
    "tmtv_tf/inference": ("the packaged networks: test_weights, test_package_model", "load openvino_file"),
    "tmtv_tf/input": ("batches that a network learns from: test_train_multitask", "multitask_dataset"),
    "tmtv_tf/models": (
        "all networks of the study are counted alike: test_models_study",
        "densenet resnet zhou_vnet",
    ),
    "tmtv_tf/pacs": (
        "both ends talk over sockets: test_transfer, test_refusals, test_garbage, test_pull, test_push, test_serve, "
        "test_service, test_power_loss",
        "answers arrived arriving association choose dicomweb dimse instance landing log status web_client",
    ),
    "tmtv_tf/phantom": (
        "a whole patient, painted and read: test_phantom_cohort, test_phantom_run",
        "anatomy patient rtstruct traps",
    ),
    "tmtv_tf/phantom/worlds": (
        "a whole body is drawn: test_sample, test_worlds_anatomy, test_worlds_bench",
        "filling landmarks painter posture primitives real scan segmented skeleton stations tissues",
    ),
    "tmtv_tf/pipeline": ("one study to everything: test_run", "outputs study study_case"),
    "tmtv_tf/review": (
        "asked as a browser asks: test_server, test_session, test_brush, test_saved",
        "cases corrections images routes security snapshot splitting",
    ),
    "training": (
        "a training is stopped, goes on and reports: test_train_vnet, test_train_multitask, test_study",
        "callbacks fit multitask on_accelerator run state study_report",
    ),
}


def modules() -> dict[Path, str]:
    packages = ("petct", "postprocess", "tmtv_tf", "training")
    return {path: path.read_text("utf-8") for name in packages for path in (ROOT / name).rglob("*.py")}


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_module_is_too_long() -> None:
    assert [str(path) for path, text in modules().items() if len(text.splitlines()) > LONGEST_MODULE] == []


def body_lines(function: ast.FunctionDef) -> int:
    """Without the docstring: a reader's contract may be long, and a command has many options."""
    body = function.body[ast.get_docstring(function) is not None :] or function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_no_function_is_too_long() -> None:
    found = []
    for path, text in modules().items():
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef) and body_lines(function) > LONGEST_BODY:
                found.append(f"{path}: {function.name}")
    assert found == []


def commands() -> dict[str, ast.FunctionDef]:
    """Every command of the three programs: the functions that are given to typer."""
    places = [*(ROOT / "tmtv_tf" / "commands").glob("[!_]*.py")]
    places += [ROOT / name for name in ("tmtv_tf/cli.py", "postprocess/cli.py", "training/commands.py")]
    return {
        f"{path.relative_to(ROOT)}: {node.name}": node
        for path in places
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and (path.parent.name == "commands" or node.decorator_list)
    }


def test_a_command_calls_the_library() -> None:
    assert len(commands()) > 15
    assert {
        name: body_lines(one) for name, one in commands().items() if body_lines(one) > LONGEST_COMMAND
    } == {}


def parameters(source: str, name: str) -> set[str]:
    """Of a function, or the fields of a dataclass, of a module: `a.b` is a/b.py."""
    for node in ast.parse((ROOT / source.replace(".", "/")).with_suffix(".py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {one.target.id for one in node.body if isinstance(one, ast.AnnAssign)}  # type: ignore[union-attr]
    raise AssertionError(f"{source} has no {name}")


def options_taken(functions: list[ast.FunctionDef]) -> set[str]:
    """What they name, as a variable or as `given["..."]`, and what the functions take that they `call` with `given`."""
    nodes = [node for function in functions for node in ast.walk(function)]
    places = {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    taken = {node.id for node in nodes if isinstance(node, ast.Name)}
    taken |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "call":
            taken |= parameters(*places[node.args[0].id])  # type: ignore[attr-defined]
    return taken


def test_every_option_of_a_command_has_an_effect() -> None:
    """One that no parameter of the library has the name of would do nothing, and nobody would be told."""
    folder = ROOT / "tmtv_tf" / "commands"
    shared = [
        one
        for name in ("_archive.py", "_options.py")
        for one in ast.parse((folder / name).read_text("utf-8")).body
        if isinstance(one, ast.FunctionDef)
    ]
    idle = {}
    for place, command in commands().items():
        tree = ast.parse((ROOT / place.partition(":")[0]).read_text("utf-8"))
        imported = {
            alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        own = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("_")]
        taken = options_taken([command, *own, *(one for one in shared if one.name in {*imported, "query"})])
        options = {one.arg for one in (*command.args.args, *command.args.kwonlyargs)} - {
            "version"
        }  # typer's own call
        if "postprocess/cli.py" in place:
            options -= parameters("postprocess.config", "Config")  # Config.of takes them
        if options - taken:
            idle[place] = options - taken
    assert idle == {}


def has_its_test(module: Path) -> bool:
    """`a/b/c.py` is tested by `tests/a/b/test_c.py`, or by `test_b_c.py` where another test has that name."""
    folder = ROOT / "tests" / module.parent
    return any(
        (folder / f"test_{name}.py").is_file()
        for name in (module.stem, f"{module.parent.name}_{module.stem}")
    )


def test_every_module_has_a_test_file_of_its_name() -> None:
    """Not what is private, a command (its tests call it) or holds no function; nor the parts of PROVED_BY."""
    found = {
        path.relative_to(ROOT)
        for path, text in modules().items()
        if not path.stem.startswith("_") and path.parent.name != "commands" and "def " in text
    }
    without = {str(path.with_suffix("")) for path in found if not has_its_test(path)}
    proved = {f"{folder}/{name}" for folder, (_, names) in PROVED_BY.items() for name in names.split()}
    assert sorted(without) == sorted(proved)


def test_what_proves_the_others_is_there() -> None:
    names = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for why, _ in PROVED_BY.values() for name in re.findall(r"test_\w+", why)} <= names


def test_nobody_appends_to_the_warnings_of_a_caller() -> None:
    """A function returns `(value, warnings)`: a list that it was given stays as it was."""
    found = []
    for path, text in modules().items():
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef):
                continue
            given = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
            said = given & {"warnings", "notes", "problems", "messages", "failed", "skipped"}
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr in ("append", "extend", "insert"):
                    changed = node.value
                elif isinstance(node, ast.AugAssign):
                    changed = node.target
                else:
                    continue
                if isinstance(changed, ast.Name) and changed.id in said:
                    found.append(f"{path}: {function.name}")
    assert found == []


def test_a_percentage_has_a_space_before_its_sign() -> None:
    """In texts for people: 41 %, as the pages and the papers' tables have it."""
    glued = re.compile(r":\.?\d*%\}")  # in the specification of an f-string
    assert [str(path) for path, text in modules().items() if glued.search(text)] == []
