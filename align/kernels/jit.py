"""How kernels are compiled, and where they are kept.

A kernel is compiled on its first call and kept in a folder that is named by a hash of all sources
of ``align`` and Numba's version: a kernel does not notice by itself that one it calls has changed.
The folder is in NUMBA_CACHE_DIR where that is set, else beside the sources, else in the user's
cache.

Numba counts references to arrays that a compiled function takes apart. A kernel that loops names
the arrays that it uses before the loop, once: that is faster, and compiled faster.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, update_wrapper
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Generic, ParamSpec, Protocol, TypeVar, cast

import numba
import numpy as np
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


class _Config(Protocol):
    """What is used of ``numba.config``."""

    CACHE_DIR: str
    DISABLE_JIT: int
    OPT: int


config = cast("_Config", numba.config)

# Gives integers one type: what is called with the literal 0 would be compiled for it alone.
integer = cast("Callable[[int], int]", np.int64)

_log = logging.getLogger(__name__)
_compiling = Lock()  # what is set for it is of the whole process
SOURCES = Path(__file__).parents[1]
SECONDS = 6  # that all kernels take to compile that plain texts need in ``specialize align``


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, compiled on its first call; kernels may call it."""
    folder, ours = config.CACHE_DIR, cache_folder()
    if ours is None:
        return cast("Callable[P, R]", njit(nogil=True, error_model="numpy")(function))
    config.CACHE_DIR = str(ours)  # read when a function is decorated
    try:
        compiled = njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = folder
    return cast("Callable[P, R]", compiled)


class entry(Generic[P, R]):  # noqa: N801 - a decorator
    """A kernel that is called from Python alone; says so where it has to be compiled first."""

    def __init__(self, function: Callable[P, R], *, announced: bool = True) -> None:
        self.compiled, self._called, self._announced = kernel(function), False, announced
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._called:
            self._called = True
            if not is_cached(self.compiled):
                if self._announced:
                    announce()
                with quickly_compiled():
                    return self.compiled(*args, **kwargs)
        return self.compiled(*args, **kwargs)


def quick_entry(function: Callable[P, R]) -> entry[P, R]:
    """An ``entry`` that is compiled within two seconds, so that nothing is said."""
    return entry(function, announced=False)


@contextmanager
def quickly_compiled() -> Iterator[None]:
    """Compile what is called inside faster.

    Of the millions of small objects that compiling makes nearly all are still in use: looking
    through them for garbage took a sixth of the time. LLVM's first level of optimization saves a
    fifteenth, and these kernels run as fast; NUMBA_OPT has precedence.
    """
    with _compiling:
        collects, level = gc.isenabled(), config.OPT
        gc.disable()
        if "NUMBA_OPT" not in os.environ:
            config.OPT = type(level)(1)  # which knows more than a number does
        try:
            yield
        finally:
            config.OPT = level
            if collects:
                gc.enable()


def is_cached(compiled: Callable[..., object]) -> bool:
    """Whether a kernel is in the cache, or never compiled at all."""
    if config.DISABLE_JIT:
        return True
    folder = cache_folder()
    return folder is not None and any(folder.glob(f"**/*.{compiled.__name__}-*.nbi"))


@lru_cache
def announce() -> None:
    """Say once that the user has to wait."""
    _log.warning("compiling kernels, once: about %d s", SECONDS)


def sources_key(folder: Path, version: str) -> str:
    """A hash of all sources in ``folder``, and of Numba's version."""
    key = sha256(version.encode())
    for path in sorted(folder.glob("**/*.py")):
        source = path.read_bytes()
        key.update(f"\n{path.relative_to(folder).as_posix()} {len(source)}\n".encode() + source)
    return key.hexdigest()[:16]


@lru_cache
def cache_folder() -> Path | None:
    """Where kernels are kept; None where no folder can be written."""
    name = f"kernels-{sources_key(SOURCES, numba.__version__)}"
    user = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    folders = [SOURCES / "__pycache__", Path(user or Path.home() / ".cache") / "specialize"]
    if config.CACHE_DIR:
        folders = [Path(config.CACHE_DIR)]
    return next((folder / name for folder in folders if is_writable(folder / name)), None)


def is_writable(folder: Path) -> bool:
    """Whether files can be written into ``folder``, which is made if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
