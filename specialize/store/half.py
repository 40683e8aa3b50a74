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

with np.errstate(over="ignore", invalid="ignore"):
    _EXPONENTIALS = np.exp(np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64))


def _bits(values: NDArray[Number]) -> NDArray[np.uint16]:
    if values.dtype != np.float16:
        raise ValueError(f"numbers of half precision are needed, not {values.dtype}")
    return np.ascontiguousarray(values).view(np.uint16)


def exp_half(values: NDArray[Number]) -> NDArray[np.float64]:
    """``np.exp`` of half-precision ``values`` in double precision, looked up."""
    found: NDArray[np.float64] = _EXPONENTIALS[_bits(values)]
    return found


def are_logprobs(values: NDArray[Number]) -> bool:
    """Whether no value is above 0 or no number."""
    bits = _bits(values)
    return bool(((bits == 0) | ((bits >= 0x8000) & (bits <= NOTHING))).all())


def never_rise(values: NDArray[Number]) -> bool:
    """Whether no row (R, K) of log-probabilities rises; False may be wrong beside a -0.0."""
    bits = _bits(values)
    if bits.shape[1] < 2:
        return True
    falls: NDArray[np.bool_] = bits.ravel()[1:] >= bits.ravel()[:-1]
    falls[bits.shape[1] - 1 :: bits.shape[1]] = True  # from the end of a row to the next
    return bool(falls.all())
