"""How kernels are compiled that allocate nothing.

Numba counts references to every array that a compiled function takes apart, atomically; in a kernel
over tuples of arrays that costs several times the work itself. A function that only reads and
writes arrays given to it needs no counts: whoever calls it holds them. Numba's option for it is not
in its typed interface.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """``function``, compiled to be called from Python or from other kernels."""
    compiler = njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
    return cast("F", compiler(function))


def inlined(function: F) -> F:
    """``function``, compiled into every kernel that calls it."""
    compiler = njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[call-overload]
    return cast("F", compiler(function))
