"""``import specialize`` offers the public names, lazily, and type checkers see the same ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import specialize

ROOT = Path(specialize.__file__).parent


def stub_names() -> dict[str, tuple[str, str]]:
    """name -> (module, name there), as ``__init__.pyi`` imports them."""
    names: dict[str, tuple[str, str]] = {}
    for node in ast.parse((ROOT / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: (node.module or "", a.name) for a in node.names}
    return names


def test_type_checkers_see_the_same_names() -> None:
    assert stub_names() == specialize._NAMES


@pytest.mark.parametrize("name", sorted(specialize._NAMES))
def test_every_name_is_what_it_says(name: str) -> None:
    module, there = specialize._NAMES[name]
    assert getattr(specialize, name) is getattr(import_module(module), there)
    assert name in dir(specialize)


def test_no_name_is_that_of_a_subpackage() -> None:
    assert not {path.stem for path in ROOT.iterdir()} & specialize._NAMES.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Projecter'"):
        _ = specialize.Projecter


@pytest.mark.parametrize("package", ["align", "specialize"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT.parent / package / "py.typed").is_file()


def test_the_import_alone_loads_nothing() -> None:
    check = (
        "import specialize, sys; print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'numpy', 'numba', 'transformers', 'pydantic', 'align'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT.parent, check=True
    )
    assert done.stdout.strip() == "[]"
