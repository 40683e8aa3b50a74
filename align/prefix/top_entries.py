"""The entries of one target row while it is made, and the choice of those that are kept.

A token holds its mass in an array over all of them, so that a row costs what is given to it,
however many entries it gets. The tail and what can not be have places there like the others: which
of all a candidate's mass goes to can not be foreseen, and a mistaken guess costs a processor more
than the work itself, so that nothing here branches on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import allocating, inlined, kernel
from align.prefix.next_token import TAIL, WRONG

FEW = 5  # entries that are chosen in one pass over all; as many as a row usually keeps
MANY = 40  # entries beyond which passes cost more than a heap, of rows of 60 to 200
LOW = np.int64((1 << 29) - 1)  # bits of a mass that single precision does not have
HALF = np.int64(1 << 28)

Greatest = tuple[float, float, float, float, float]  # FEW keys, the greatest first; 0 for none
NONE = (0.0, 0.0, 0.0, 0.0, 0.0)


class Found(NamedTuple):
    """The row being made: what each token ``held`` so far, by id less WRONG, all 0 between rows;
    the ``ids`` of those that hold anything, in the order they came; room for each one's ``key``, by
    which they are chosen, and for the ``best`` keys."""

    held: NDArray[np.float64]
    ids: NDArray[np.int32]
    key: NDArray[np.float64]
    best: NDArray[np.float64]


@allocating
def nothing(tokens: int) -> Found:
    """Nothing found of so many target tokens."""
    return Found(
        np.zeros(tokens - WRONG),
        np.empty(tokens + 1, np.int32),
        np.empty(tokens + 1),
        np.empty(tokens + FEW),
    )


@inlined
def give(found: Found, count: int, token: int, mass: float) -> int:
    """Give ``mass``, more than 0, to ``token``, which may be TAIL or WRONG; the number of tokens
    after it."""
    before = found.held[token - WRONG]
    found.held[token - WRONG] = mass + before
    found.ids[count] = token
    # All bits are 0 where the token held nothing and is one: two comparisons at the price of one.
    bits = np.float64(before).view(np.int64) | (np.int64(token) >> np.int64(63))
    return count + int(bits == 0)


@inlined
def forget(found: Found, count: int) -> None:
    """Give the row up, and be ready to make it again."""
    for k in range(count):
        found.held[found.ids[k] - WRONG] = 0.0
    found.held[TAIL - WRONG] = found.held[0] = 0.0


@inlined
def choose(
    found: Found, count: int, ids: NDArray[np.int32], prob: NDArray[np.float32], keep: int
) -> tuple[int, float, float]:
    """Write the ``keep`` most probable tokens of a row, conditioned on what can follow, and be
    ready for the next row.

    Most probable first, by single precision, then by id. Returns how many, the tail with what was
    left out, and what all tokens together held.
    """
    placed, tail, size, greatest = 0.0, found.held[TAIL - WRONG], min(keep, count), NONE
    for k in range(count):
        token = np.int64(found.ids[k])
        p = found.held[token - WRONG]
        found.held[token - WRONG] = 0.0
        placed += p
        rounded = np.float64(p).view(np.int64) + HALF
        key = np.int64((rounded | LOW) - token).view(np.float64)
        found.key[k] = key
        greatest = _with(greatest, key)
    found.held[TAIL - WRONG] = found.held[0] = 0.0
    _put(found, 0, greatest)
    if size <= MANY:
        for at in range(FEW, size, FEW):
            _find_few(found, count, at)
    else:
        _find_many(found, count, size)
    scale, left = 1.0 / (placed + tail), placed
    for at in range(size):
        bits = np.float64(found.best[at]).view(np.int64)
        p = np.int64(bits & ~LOW).view(np.float64)
        left -= p
        ids[at], prob[at] = LOW - (bits & LOW), p * scale
    left = left if count > size else 0.0
    return size, (tail + max(left, 0.0)) * scale, placed * scale


@inlined
def _with(greatest: Greatest, key: float) -> Greatest:
    """The FEW greatest of ``greatest`` and ``key``, greatest first.

    In registers and without a branch: a row's entries come in no order that could be foreseen.
    """
    a, b, c, d, e = greatest
    a, key = max(a, key), min(a, key)
    b, key = max(b, key), min(b, key)
    c, key = max(c, key), min(c, key)
    d, key = max(d, key), min(d, key)
    return a, b, c, d, max(e, key)


@inlined
def _put(found: Found, at: int, greatest: Greatest) -> None:
    best = found.best
    best[at], best[at + 1], best[at + 2], best[at + 3], best[at + 4] = greatest


@inlined
def _find_few(found: Found, count: int, at: int) -> None:
    """The FEW greatest of ``count`` keys that are less than the best ``at`` that are known."""
    greatest = NONE
    for k in range(count):
        key = found.key[k]
        greatest = _with(greatest, key if key < found.best[at - 1] else 0.0)
    _put(found, at, greatest)


@kernel
def _find_many(found: Found, count: int, size: int) -> None:
    """The ``size`` greatest of ``count`` keys, greatest first, by a heap."""
    for k in range(count // 2 - 1, -1, -1):
        _sink(found.key, k, count)
    for at in range(size):
        found.best[at] = found.key[0]
        found.key[0] = found.key[count - 1 - at]
        _sink(found.key, 0, count - 1 - at)


@inlined
def _sink(heap: NDArray[np.float64], k: int, count: int) -> None:
    """Let ``heap[k]`` sink until none of the ``count`` keys is greater than the one above it."""
    key = heap[k]
    while 2 * k + 1 < count:
        child = 2 * k + 1
        child += child + 1 < count and heap[child + 1] > heap[child]
        if heap[child] <= key:
            break
        heap[k] = heap[child]
        k = child
    heap[k] = key
