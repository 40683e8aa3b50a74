"""A user's own Python file as part of a run: a dataset or a teacher in one short file.

    train_on: {set: my_set.py, path: data/mine}         read(path, split) -> list[Example], KIND
    teachers: {mine: {model: my_teacher.py}}            open_teacher(settings) -> a Teacher

The file runs as code, so only one that the user named or allowed is (``trust``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from specialize.config.trust import check_code
from specialize.errors import ConfigurationError


def is_own_file(name: str) -> bool:
    """Whether ``name`` is a Python file's and not that of something built in or on the hub."""
    return name.endswith(".py")


def load_file(name: str, *wanted: str) -> ModuleType:
    """The module in the file ``name``, with every name in ``wanted`` defined; loaded once.

    Raises:
        ConfigurationError: no such file, it was not allowed, it fails, or a name is missing.
    """
    path = Path(name)
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    check_code(path)
    module = _run(path.resolve())
    missing = [attribute for attribute in wanted if attribute not in vars(module)]
    if missing:
        raise ConfigurationError(f"{path} does not define {', '.join(missing)}")
    return module


@cache
def _run(path: Path) -> ModuleType:
    known = f"specialize_own_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(known, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module  # dataclasses of the file look themselves up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[known]
        raise ConfigurationError(
            f"{path} cannot be run: {type(error).__name__}: {error}"
        ) from error
    return module
