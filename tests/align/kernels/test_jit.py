"""How kernels are compiled and kept."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from align.kernels import jit

ROOT = Path(__file__).parents[3]
ALIGN = "from align import align_pieces; align_pieces([b'She'], [b' She'])"


FORMS = f"""
import json, sys
{ALIGN}
{ALIGN}
forms = {{}}
for module in [m for n, m in sys.modules.items() if n.startswith("align.")]:
    for value in vars(module).values():
        kernel = getattr(value, "compiled", value)
        if hasattr(kernel, "signatures"):
            forms[f"{{kernel.__module__}}.{{kernel.__name__}}"] = len(kernel.signatures)
print(json.dumps(forms))
"""


def python(code: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """What a fresh process says that keeps its kernels in ``cache``."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def first(cache: Path) -> subprocess.CompletedProcess[str]:
    """A process that compiles every kernel it needs."""
    return python(FORMS, cache)


def test_a_changed_source_changes_the_key(tmp_path: Path) -> None:
    copy = tmp_path / "align"
    shutil.copytree(jit.SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    key = jit.sources_key(copy, "1")
    assert key == jit.sources_key(jit.SOURCES, "1")
    assert key != jit.sources_key(copy, "2")
    for path in sorted(copy.rglob("*.py")):
        source = path.read_bytes()
        path.write_bytes(source + b"\n")
        assert jit.sources_key(copy, "1") != key, path
        path.write_bytes(source)
    assert jit.sources_key(copy, "1") == key
    (copy / "blocks.py").rename(copy / "stones.py")
    assert jit.sources_key(copy, "1") != key


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The folder is looked for anew."""
    jit.cache_folder.cache_clear()
    monkeypatch.setattr(jit.config, "CACHE_DIR", "")
    yield monkeypatch
    monkeypatch.undo()
    jit.cache_folder.cache_clear()


def test_kernels_are_kept_where_the_user_says(fresh, tmp_path: Path) -> None:
    fresh.setattr(jit.config, "CACHE_DIR", str(tmp_path / "here"))
    folder = jit.cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path / "here"
    assert folder.is_dir()


def test_kernels_are_kept_beside_the_sources_or_else_in_the_users_cache(
    fresh, tmp_path: Path
) -> None:
    fresh.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    fresh.setattr(jit, "SOURCES", tmp_path / "align")
    (tmp_path / "align").mkdir()
    assert jit.cache_folder().parent == tmp_path / "align" / "__pycache__"
    jit.cache_folder.cache_clear()
    refused = tmp_path / "align"
    writable = jit.is_writable
    fresh.setattr(jit, "is_writable", lambda path: refused not in path.parents and writable(path))
    assert jit.cache_folder().parent == tmp_path / "user" / "specialize"
    jit.cache_folder.cache_clear()
    fresh.setattr(jit, "is_writable", lambda path: False)
    assert jit.cache_folder() is None


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not jit.is_writable(tmp_path / "file" / "below")


def test_waiting_is_announced_once_and_only_where_something_is_compiled(
    first: subprocess.CompletedProcess[str], cache: Path, tmp_path: Path
) -> None:
    assert first.stderr == f"compiling kernels, once: about {jit.SECONDS} s\n"
    assert python(ALIGN, cache).stderr == ""
    assert python("import align", tmp_path).stderr == ""


@pytest.mark.parametrize("collects", [True, False])
def test_kernels_are_compiled_quickly_and_nothing_else_is(
    collects: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without collecting garbage and at the first level, which are as before afterwards."""
    wrong: list[ValueError] = []

    def found() -> tuple[bool, int]:
        for error in wrong:
            raise error
        return gc.isenabled(), int(jit.config.OPT)

    monkeypatch.setattr(jit, "kernel", lambda function: function)
    monkeypatch.setattr(jit, "is_cached", lambda compiled: False)
    monkeypatch.delenv("NUMBA_OPT", raising=False)
    collected, level = gc.isenabled(), int(jit.config.OPT)
    try:
        (gc.enable if collects else gc.disable)()
        entry = jit.entry(found)
        assert [entry(), entry()] == [(False, 1), (collects, level)]
        wrong.append(ValueError("it cannot be compiled"))
        with pytest.raises(ValueError, match="it cannot be compiled"):
            jit.entry(found)()
        wrong.clear()
        assert found() == (collects, level)
        monkeypatch.setenv("NUMBA_OPT", "2")
        assert jit.entry(found)() == (False, level)
    finally:
        (gc.enable if collected else gc.disable)()


def test_what_is_compiled_at_once_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(jit, "kernel", lambda function: function)
    monkeypatch.setattr(jit, "is_cached", lambda compiled: False)
    monkeypatch.setattr(jit, "announce", lambda: said.append("about 6 s"))
    assert (jit.quick_entry(len)("ab"), said) == (2, [])
    assert (jit.entry(len)("ab"), said) == (2, ["about 6 s"])


def test_a_kernel_has_one_form(first: subprocess.CompletedProcess[str]) -> None:
    """Each kernel is compiled for one signature; what is not needed is not compiled."""
    forms = json.loads(first.stdout)
    assert set(forms.values()) <= {0, 1}, forms
    assert forms["align.spans._mark_plain"] == 1
    assert forms["align.spans._mark_range"] == 0
    assert forms["align.exact.windows._nearest"] == 0
    assert forms["align.prefix.row_kernel.assign"] == 0


def test_nothing_private_of_numba_is_used() -> None:
    for path in ROOT.glob("align/**/*.py"):
        source = path.read_text()
        for private in ("numba.core", "numba.np", "numba.cpython", "numba.targets", "_nrt"):
            assert private not in source, path
        assert "pipeline_class" not in source, path
        assert "forceinline" not in source, path
    assert numba.config is jit.config
