"""Public docstrings say what goes in, what comes out and what is refused.

The public names are those of ``align`` and ``specialize``, with the public methods of their
classes: the reference of the documentation shows them all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import align
import specialize
from tests.test_floors import modules

Definition = ast.FunctionDef | ast.ClassDef
SECTIONS = "Args|Attributes|Returns|Yields|Raises"


def definition(module: str, name: str) -> tuple[str, Definition]:
    """The source and the node of ``name``; follows imports from module to module."""
    source = modules()[module].read_text()
    for node in ast.parse(source).body:
        if isinstance(node, Definition) and node.name == name:
            return source, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(node.module or "", alias.name)
    raise LookupError(f"{module} has no {name}")


def public() -> Iterator[tuple[str, str, Definition]]:
    """Name, source and node of every public definition; a method's name is ``Class.method``."""
    names = {there: module for module, there in specialize._NAMES.values()}
    for name, module in sorted((names | dict.fromkeys(align.__all__, "align")).items()):
        source, node = definition(module, name)
        yield name, source, node
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                yield f"{name}.{method.name}", source, method


PUBLIC = {name: node for name, _, node in public()}
LINES = {name: source.splitlines() for name, source, _ in public()}
METHODS = [name for name in PUBLIC if "." in name]
CLASSES = [name for name, node in PUBLIC.items() if isinstance(node, ast.ClassDef)]
FUNCTIONS = [name for name in PUBLIC if name not in (*METHODS, *CLASSES)]


def sections(node: Definition) -> dict[str, str]:
    """The text of each section; what comes before the first is under ""."""
    parts = re.split(rf"^({SECTIONS}):$", ast.get_docstring(node) or "", flags=re.MULTILINE)
    return {"": parts[0].strip(), **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(node: Definition, section: str) -> set[str]:
    """The names that a section describes: ``a, b: what they are`` at its first level."""
    text = sections(node).get(section, "")
    entries = re.findall(r"^ {4}(?! )([\w*, .]+):", text, flags=re.MULTILINE)
    return {name.strip("* ") for entry in entries for name in entry.split(",")}


def mentioned(node: Definition) -> set[str]:
    return set(re.findall(r"``(\w+)``", ast.get_docstring(node) or ""))


def parameters(node: ast.FunctionDef) -> set[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return {one.arg for one in every} - {"self", "cls"}


def raised(node: ast.FunctionDef) -> set[str]:
    """The exceptions that the function itself raises."""
    calls = [one.exc for one in ast.walk(node) if isinstance(one, ast.Raise)]
    names = [one.func for one in calls if isinstance(one, ast.Call)]
    return {one.id for one in names if isinstance(one, ast.Name)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_goes_in_and_comes_out(name: str) -> None:
    node = PUBLIC[name]
    assert isinstance(node, ast.FunctionDef)
    assert sections(node)[""]
    assert described(node, "Args") == parameters(node)
    if node.returns is not None and ast.unparse(node.returns) != "None":
        assert sections(node).keys() & {"Returns", "Yields"}
    assert raised(node) <= described(node, "Raises")


@pytest.mark.parametrize("name", METHODS)
def test_methods_name_what_they_take_and_refuse(name: str) -> None:
    """What a method returns may be its first line."""
    node = PUBLIC[name]
    assert isinstance(node, ast.FunctionDef)
    assert sections(node)[""]
    assert parameters(node) <= described(node, "Args") | mentioned(node)
    assert raised(node) <= described(node, "Raises")


@pytest.mark.parametrize("name", CLASSES)
def test_classes_say_what_they_hold(name: str) -> None:
    """Fields in the docstring, in a comment of their own line, or in the schema of a recipe."""
    node = PUBLIC[name]
    assert isinstance(node, ast.ClassDef)
    assert sections(node)[""]
    wanted = set()
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            wanted |= parameters(one)
        if isinstance(one, ast.AnnAssign) and "  # " not in LINES[name][one.lineno - 1]:
            wanted.add(ast.unparse(one.target))
    known = described(node, "Args") | described(node, "Attributes") | mentioned(node)
    if name == "Recipe":
        known |= {key for key, field in specialize.Recipe.model_fields.items() if field.description}
    assert {field for field in wanted if not field.startswith("_")} <= known
