"""Imports point downwards, and what needs no model starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "align": 0,
    "specialize": 0,
    "specialize.errors": 0,
    "specialize.files": 1,
    "specialize.progress": 1,
    "specialize.questions": 1,
    "specialize.strict": 1,
    "specialize.plugins": 1,
    "specialize.records": 1,
    "specialize.answers": 1,
    "specialize.datasets": 2,
    "specialize.formats": 2,
    "specialize.hyperparameters": 2,
    "specialize.adapters": 3,
    "specialize.predictions": 2,
    "specialize.scores": 2,
    "specialize.selection": 2,
    "specialize.paired": 3,
    "specialize.rules": 3,
    "specialize.recipe": 3,
    "specialize.store": 3,
    "specialize.tokens": 3,
    "specialize.faults": 0,
    "specialize.recipe_files": 4,
    "specialize.sets": 4,
    "specialize.rows": 4,
    "specialize.losses": 4,
    "specialize.models": 4,
    "specialize.teacher": 5,
    "specialize.imports": 6,
    "specialize.target_counts": 4,
    "specialize.targets": 5,
    "specialize.batches": 5,
    "specialize.new_students": 5,
    "specialize.checkpoints": 5,
    "specialize.train": 6,
    "specialize.evaluate": 6,
    "specialize.select": 6,
    "specialize.averages": 6,
    "specialize.inspection": 6,
    "specialize.exports": 6,
    "specialize.schemas": 6,
    "specialize.inspection_page": 7,
    "specialize.report": 7,
    "specialize.views": 7,
    "specialize.recipes": 8,
    "specialize.run": 9,
    "specialize.quickstart": 10,
    "specialize.console": 11,
    "specialize.cli_stores": 12,
    "specialize.cli": 13,
    "specialize.__main__": 14,
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted([*ROOT.glob("align/**/*.py"), *ROOT.glob("specialize/**/*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def unit(module: str) -> str:
    """The named floor that a module stands on: itself, or the package it is part of."""
    parts = module.split(".")
    if parts[0] == "align":
        return "align"
    return ".".join(parts[:2])


def imported(path: Path) -> set[str]:
    """Our own modules that a file imports at any depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in ("align", "specialize")}


def test_every_module_has_a_floor() -> None:
    assert {unit(module) for module in modules()} <= FLOORS.keys()


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_point_downwards(module: str) -> None:
    here = unit(module)
    for name in imported(modules()[module]):
        there = unit(name) if unit(name) in FLOORS else "specialize"
        if there != here:
            assert FLOORS[there] < FLOORS[here], f"{module} imports {name}"


def test_align_is_pure() -> None:
    allowed = {"align", "numpy", "numba", "rapidfuzz", "collections", "dataclasses", "typing"}
    allowed |= {"__future__", "functools", "itertools", "math", "bisect", "concurrent", "re"}
    for path in ROOT.glob("align/**/*.py"):
        here = allowed | ({"os", "threading"} if path.name == "threads.py" else set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {a.name.split(".")[0] for a in node.names} <= here, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in here, path


def only_cli_imports_inside_functions(path: Path) -> list[int]:
    lines = []
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = (n for n in ast.walk(function) if isinstance(n, (ast.Import, ast.ImportFrom)))
            lines += [node.lineno for node in inner]
    return lines


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_stand_at_the_top(module: str) -> None:
    late = only_cli_imports_inside_functions(modules()[module])
    # stage bodies import what is slow, so that --help is not
    assert not late or module in LATE_IMPORTS, f"{module}: lines {late}"


LATE_IMPORTS = {
    "specialize.adapters",
    "specialize.cli",
    "specialize.cli_stores",
    "specialize.run",
    "specialize.datasets.hub",
}


@pytest.mark.parametrize(
    "code",
    [
        "import specialize.cli",
        "import align",
        "import specialize.tokens, specialize.store, specialize.targets, specialize.select",
        "import specialize.report, specialize.recipes, specialize.rows, specialize.datasets",
        "import specialize.teacher.dump, specialize.teacher.served",
        "import specialize.run, specialize.imports.codex",
    ],
)
def test_starts_without_torch(code: str) -> None:
    check = f"{code}; import sys; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [[], ["dump"], ["align"], ["verify"], ["select"], ["train"]])
def test_help_starts_without_torch(command: list[str]) -> None:
    check = (
        "import sys; from specialize.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, *command, "--help"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_files_and_functions_stay_small() -> None:
    for path in modules().values():
        text = path.read_text()
        assert text.count("\n") <= 300, f"{path.name}: split it by concept"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 45, f"{path.name}:{node.lineno} {node.name} has {length} lines"
