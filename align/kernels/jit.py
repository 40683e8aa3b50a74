"""How kernels are compiled that allocate nothing.

Numba counts references to every array that a compiled function takes apart, atomically; in a kernel
over tuples of arrays that costs several times the work itself. A function that only reads and
writes arrays given to it needs no counts: whoever calls it holds them. Numba's option for it is not
in its typed interface.

And Numba lets an index count from an array's end, as Python does, which costs a load, a comparison
and an addition at every access and keeps loops from being vectorized. An index in a kernel never
does: it is taken as unsigned (so that with ``NUMBA_BOUNDSCHECK=1`` a negative one is an error).

And no kernel looks whether it divides by 0 before it does (``error_model``): none does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.core.typing.templates import Signature

F = TypeVar("F", bound=Callable[..., object])


@register_pass(mutates_CFG=False, analysis_only=False)
class UnsignedIndices(FunctionPass):
    """Array accesses by signed integers become those by unsigned ones."""

    _name = "unsigned_indices"

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            accesses = [*block.find_exprs("getitem"), *block.find_insts(ir.SetItem)]
            for access in accesses:
                called = state.calltypes.pop(access)
                array, index, *value = called.args
                if isinstance(array, types.Array):
                    called = Signature(called.return_type, (array, _unsigned(index), *value), None)
                state.calltypes[access] = called
        return True


def _unsigned(index: Any) -> Any:
    """The type of an index, its integers without a sign."""
    if isinstance(index, types.Integer):
        return types.uintp
    parts = getattr(index, "types", ())  # of a tuple
    if parts and all(isinstance(part, types.Integer) for part in parts):
        return types.UniTuple(types.uintp, len(parts))
    return index


class Compiler(CompilerBase):
    """Numba's own passes, and that."""

    def define_pipelines(self) -> list[Any]:
        passes: Any = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(UnsignedIndices, NopythonTypeInference)
        passes.finalize()
        return [passes]


def kernel(function: F) -> F:
    """``function``, which allocates nothing, compiled to be called from Python or from kernels."""
    return _compiled(function, _nrt=False)


def inlined(function: F) -> F:
    """``function``, which allocates nothing, compiled into every kernel that calls it."""
    return _compiled(function, _nrt=False, forceinline=True)


def allocating(function: F) -> F:
    """``function``, compiled, which may allocate; kernels may call it."""
    return _compiled(function, _nrt=True)  # left out, it would be what the caller is compiled with


def _compiled(function: F, **options: bool) -> F:
    compiler = njit(  # type: ignore[call-overload]
        pipeline_class=Compiler, cache=True, nogil=True, error_model="numpy", **options
    )
    return cast("F", compiler(function))
