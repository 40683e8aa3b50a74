"""What can be said of numbers of half precision from their bits.

    -0.25  0xb400    -1.5  0xbe00    -inf  0xfc00    0.0  0x0000    -0.0  0x8000

Of numbers that are not above 0, the larger one has the smaller bits; and there are so few of all
that a table holds the exponential of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from specialize.store.ragged import Number

NOTHING = 0xFC00  # the bits of -inf
_SIGN = 0x8000

with np.errstate(over="ignore", invalid="ignore"):
    EXPONENTIALS = np.exp(np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64))


def _bits(values: NDArray[Number]) -> NDArray[np.uint16]:
    if values.dtype != np.float16:
        raise ValueError(f"numbers of half precision are needed, not {values.dtype}")
    return np.ascontiguousarray(values).view(np.uint16)


def exp_half(values: NDArray[Number]) -> NDArray[np.float64]:
    """``np.exp`` of half-precision ``values`` in double precision, looked up."""
    found: NDArray[np.float64] = EXPONENTIALS[_bits(values)]
    return found


def are_logprobs(values: NDArray[Number]) -> bool:
    """Whether no value is above 0 or no number."""
    distance = _bits(values) ^ _SIGN  # 0 for -0.0, and more the smaller the number is
    if distance.max(initial=0) <= NOTHING ^ _SIGN:
        return True
    return bool(((distance <= NOTHING ^ _SIGN) | (distance == _SIGN)).all())


def are_nothing(values: NDArray[Number]) -> NDArray[np.bool_]:
    """Which values are -inf, of any precision."""
    if values.dtype != np.float16:
        return np.isneginf(values)
    found: NDArray[np.bool_] = _bits(values) == NOTHING
    return found
