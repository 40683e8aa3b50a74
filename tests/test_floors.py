"""Imports point downwards, and what needs no model starts without torch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.fresh import Run

ROOT = Path(__file__).parents[1]
# Bottom up; a module imports only from floors below its own, and freely within its own unit.
ORDER = """
align.kernels
align.ragged align.pieces align.alignment
align.sparse align.vocabulary align.blocks
align.projection
align.exact align.dtw
align.spans
align.prefix align.baselines
align.project
align
specialize.errors specialize.records
specialize specialize.losses specialize.io
specialize.answers specialize.objects
specialize.formats specialize.tokens specialize.models specialize.store specialize.artifacts
specialize.selection
specialize.config specialize.targets
specialize.engines
specialize.datasets specialize.students specialize.teacher specialize.recipes
specialize.rows specialize.imports specialize.report specialize.pairs specialize.compare
specialize.evaluate specialize.train specialize.choosing specialize.stages
specialize.rollouts
specialize.pipeline specialize.inspection
specialize.planning
specialize.quickstart
specialize.experiments
specialize.cli
specialize.__main__
"""
FLOORS = {unit: floor for floor, line in enumerate(ORDER.split("\n")) for unit in line.split()}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted([*ROOT.glob("align/**/*.py"), *ROOT.glob("specialize/**/*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def unit(module: str) -> str:
    """The named floor that a module is on: itself, or the package it is part of."""
    return ".".join(module.split(".")[:2])


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


def test_imports_point_downwards() -> None:
    wrong = []
    for module, path in modules().items():
        here = unit(module)
        for name in imported(path):
            there = unit(name) if unit(name) in FLOORS else "specialize"
            if there != here and FLOORS[there] >= FLOORS[here]:
                wrong.append(f"{module} imports {name}")
    assert wrong == []


COMPILING = {
    "os",
    "sys",
    "threading",
    "hashlib",
    "pathlib",
    "gc",
    "contextlib",
    "logging",
}  # the kernels' cache, and threads


def test_align_is_pure() -> None:
    allowed = {"align", "numpy", "numba", "rapidfuzz", "collections", "dataclasses", "typing"}
    allowed |= {
        "__future__",
        "copy",
        "functools",
        "itertools",
        "math",
        "bisect",
        "concurrent",
        "re",
    }
    for path in ROOT.glob("align/**/*.py"):
        here = allowed | (COMPILING if path.parent.name == "kernels" else set())
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


def test_imports_are_at_the_top() -> None:
    late = {name: only_cli_imports_inside_functions(path) for name, path in modules().items()}
    # stage bodies import what is slow, so that --help is not
    wrong = {name: lines for name, lines in late.items() if lines and name not in LATE_IMPORTS}
    assert wrong == {}, "lines of imports inside functions"


LATE_IMPORTS = {
    "align.project",  # what one policy needs
    "specialize.io.progress",  # what a terminal needs
    "specialize.store.passes",  # what much that is to be read needs
    "specialize.objects.bucket",  # what an address needs
    "specialize.targets.thoughts",  # what texts with thinking need
    "specialize.tokens.chat_template",  # what one form of tokenizer needs
    "specialize.tokens.load",
    "specialize.students.lora",
    "specialize.models.gguf",
    "specialize.cli.stages",
    "specialize.cli.compare",
    "specialize.cli.console",
    "specialize.cli.align",
    "specialize.cli.data",
    "specialize.cli.dump",
    "specialize.cli.plan",
    "specialize.planning.stage",  # what a pilot needs
    "specialize.experiments.cells",  # what rounds need
    "specialize.experiments.x11_real_pair",  # what measuring a checkpoint needs
    "specialize.experiments.x12_rationales",
    "specialize.engines.pool",  # what the process that starts others needs
    "specialize.cli.environment",
    "specialize.cli.evaluate",
    "specialize.cli.experiment",
    "specialize.cli.export",
    "specialize.cli.imports",
    "specialize.cli.inspect",
    "specialize.cli.pair",
    "specialize.cli.rollouts",
    "specialize.cli.select",
    "specialize.pipeline",
    "specialize.stages.stores",
    "specialize.engines.engine",
    "specialize.datasets.hub",
    "specialize.evaluate.stage",
    "specialize.teacher.opening",
}


@pytest.mark.parametrize(
    "code",
    [
        "import specialize.cli.stages",
        "import align",
        "import specialize.tokens, specialize.store, specialize.targets.stage",
        "import specialize.selection.stage",
        "import specialize.report, specialize.recipes, specialize.rows, specialize.datasets",
        "import specialize.teacher.dump, specialize.teacher.served",
        "import specialize.pipeline, specialize.imports.codex, specialize.train.preparation",
        "import specialize.evaluate",
    ],
)
def test_starts_without_torch(python: Run, code: str) -> None:
    check = f"{code}; import sys; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = python(check)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("command", [[], ["dump"], ["align"], ["verify"], ["select"], ["train"]])
def test_help_starts_without_torch(python: Run, command: list[str]) -> None:
    check = (
        "import sys; from specialize.cli.stages import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = python(check, *command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


UNNEEDED = (  # by an alignment to a plain tokenizer, off a terminal
    "align.baselines.byte_prefix",
    "align.baselines.link_rules",
    "specialize.answers",
    "specialize.config",
    "specialize.io.bar",
    "specialize.tokens.gguf_tokenizer",
    "specialize.tokens.sandbox",
    "specialize.tokens.sentencepiece_model",
)


def test_align_loads_what_it_needs(python: Run) -> None:
    """A fifth of a second, on a store that takes two."""
    done = python(
        "import sys, specialize.cli.stages, specialize.engines, specialize.stages.stores\n"
        f"import specialize.targets.stage; print([m for m in {UNNEEDED} if m in sys.modules])"
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_files_and_functions_stay_small() -> None:
    for path in modules().values():
        text = path.read_text()
        assert text.count("\n") <= 400, f"{path.name}: split it by concept"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 45, f"{path.name}:{node.lineno} {node.name} has {length} lines"
