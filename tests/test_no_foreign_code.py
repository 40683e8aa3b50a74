"""No file is read in a way that can run code: by the syntax tree of every module and script."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted([*ROOT.glob("align/**/*.py"), *ROOT.glob("specialize/**/*.py")])
SCRIPTS = sorted([*ROOT.glob("scripts/**/*.py"), *ROOT.glob("docs/*.py")])
MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
    "jsonpickle", "pickletools", "torch.package",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "unsafe_load_all"}


def problems(source: str, *, script: bool = False) -> list[str]:
    """What in ``source`` can run code that came with data."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _forbidden(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if _forbidden(name)]
        elif isinstance(node, ast.Call):
            found += _call_problems(node, script)
    return found


def _forbidden(name: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in MODULES)


def _call_problems(call: ast.Call, script: bool) -> list[str]:
    name = ast.unparse(call.func)
    options = {option.arg: ast.unparse(option.value) for option in call.keywords}
    last = name.rsplit(".", 1)[-1]
    wrong: list[str] = []
    if name in CALLS or last in METHODS:
        wrong.append(name)
    if name == "torch.load" and not (script and options.get("weights_only") == "True"):
        wrong.append("torch.load")
    if name == "torch.save" and not script:
        wrong.append("torch.save")
    if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        wrong.append("np.load without allow_pickle=False")
    if last == "from_pretrained" and options.get("trust_remote_code") == "True":
        wrong.append("trust_remote_code without being asked")
    if last == "from_pretrained" and name.startswith(("AutoModel", "kind.")):
        if options.get("use_safetensors") != "True":
            wrong.append("weights that may be a pickle")
        if "trust_remote_code" not in options:
            wrong.append("trust_remote_code left open")
    return wrong


def test_nothing_that_is_read_can_run() -> None:
    scripts = {*SCRIPTS}
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in (*PACKAGES, *SCRIPTS)
        if (wrong := problems(path.read_text(encoding="utf-8"), script=path in scripts))
    }
    assert found == {}


def test_yaml_is_read_by_a_safe_loader() -> None:
    for path in PACKAGES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bases = {
            node.name: [ast.unparse(base) for base in node.bases]
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load":
                assert bases[ast.unparse(node.args[1])] == ["yaml.SafeLoader"], path


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import torch.package", "eval(x)",
        "torch.load(p)", "torch.load(p, weights_only=True)", "np.load(p)", "pd.read_pickle(p)",
        "np.load(p, allow_pickle=True)", "AutoModel.from_pretrained(p, use_safetensors=True)",
        "kind.from_pretrained(p, trust_remote_code=False)", "yaml.unsafe_load(x)",
        "AutoConfig.from_pretrained(p, trust_remote_code=True)",
    ],
)  # fmt: skip
def test_the_check_finds(source: str) -> None:
    assert problems(source)
