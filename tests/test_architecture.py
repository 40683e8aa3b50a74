"""What ARCHITECTURE.md says of the tree is true, and the tree stays one that people can live in."""

from __future__ import annotations

import ast
import re
import tokenize
from pathlib import Path

import pytest

from tests.test_floors import FLOORS, ROOT, modules

TEXT = (ROOT / "ARCHITECTURE.md").read_text()
WALK = TEXT.split("## A walk")[1].split("\n## ")[0]
PICTURE = TEXT.split("```text")[1].split("```")[0]
QUOTED = re.findall(r"`([^`\n]+)`", TEXT)
COMPILED = {"kernel", "entry", "quick_entry"}  # the decorators of align.kernels.jit


# Words of a private language: siblings, assigned, distinguished, split, before, cannot are right.
BANNED = re.compile(
    r"\b(kin|gifts?|told apart|parted|parting|twins|in front of|can not|so often|so many)\b"
)


def test_no_private_words() -> None:
    """Except in ``answers``, which quotes what models write."""
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]
    paths = [path for path in modules().values() if path.parent.name != "answers"]
    found = {str(path): BANNED.findall(path.read_text()) for path in [*paths, *pages]}
    assert {path: words for path, words in found.items() if words} == {}


def top(folder: str) -> list[str]:
    return sorted(path.name for path in (ROOT / folder).glob("*.py"))


def test_few_files_are_at_the_top() -> None:
    assert len(top("align")) <= 12
    assert len(top("specialize")) <= 6


def test_the_picture_has_every_package() -> None:
    names = {name.split(".")[1] for name in FLOORS if "." in name}
    assert names - {"__main__"} <= set(re.findall(r"\w+", PICTURE))


def test_the_walk_names_at_most_seven_types() -> None:
    """Their list at the end of the walk is that of the types in it."""
    classes = {
        node.name
        for path in modules().values()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    walk, summary = WALK.split("Seven types in all:")
    listed = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", summary)))
    assert len(listed) == 7
    assert listed <= classes
    quoted = {name.split(".")[-1] for name in re.findall(r"`([\w.]+)`", walk)}
    helpers = {"Sample", "ScoredText", "Response", "Projector"}  # views and tools, not stations
    assert quoted & classes == listed | helpers


def exists(name: str) -> bool:
    """Whether a file or folder, of a package or of the project, or a qualified name is there."""
    if any((ROOT / base / name).exists() for base in ("", "align", "specialize")):
        return True
    if any((ROOT / base / f"{name}.py").exists() for base in ("align", "specialize")):
        return True
    module, _, there = name.rpartition(".")
    path = next((modules()[m] for m in (module, f"specialize.{module}") if m in modules()), None)
    return path is not None and there in path.read_text()


@pytest.mark.parametrize(
    "name", sorted({name for name in QUOTED if re.fullmatch(r"[a-z_]+[/.][\w./]*", name)})
)
def test_what_is_named_exists(name: str) -> None:
    places = ("", "specialize/teacher/served")
    assert exists(name) or any((ROOT / place / name).exists() for place in places)


def with_kernels() -> list[Path]:
    return [path for path in modules().values() if kernels(path)]


def kernels(path: Path) -> list[ast.FunctionDef]:
    found = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))
    return [one for one in found if COMPILED & {ast.unparse(each) for each in one.decorator_list}]


def test_there_are_kernels() -> None:
    assert len(with_kernels()) > 15


@pytest.mark.parametrize("path", with_kernels(), ids=lambda path: str(path.relative_to(ROOT)))
def test_kernels_say_why(path: Path) -> None:
    with path.open() as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    lines = [token.start[0] for token in tokens if token.type == tokenize.COMMENT]
    inside = [n for n in lines for one in kernels(path) if one.lineno <= n <= (one.end_lineno or 0)]
    assert len(inside) >= 3
