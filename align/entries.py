"""The entries of one target row while it is made, and the choice of those that are kept.

An entry is found by its id in one look-up, so that a row costs what is given to it, however many
entries it gets. The tail and what can not be are entries like the others, the first two: which of
all a candidate's mass goes to can not be foreseen, and a mistaken guess costs a processor more than
the work itself, so that nothing here branches on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined
from align.outcome import TAIL, WRONG

RESERVED = 2  # places before the first entry that is a token: of WRONG and of TAIL
FEW = 24  # entries of which each is compared with all others


class Found(NamedTuple):
    """The entries of the row being made, in the order they came: ``ids``, ``prob`` and, by id less
    WRONG, their ``slot``, which holds where the id at that place of ``ids`` is this id. ``key`` is
    what tokens are ordered by."""

    ids: NDArray[np.int32]
    prob: NDArray[np.float64]
    slot: NDArray[np.int32]
    key: NDArray[np.uint64]


@inlined
def begin(found: Found) -> int:
    """No entries but the first two; how many entries there are."""
    found.ids[0], found.prob[0], found.slot[0] = WRONG, 0.0, 0
    found.ids[1], found.prob[1], found.slot[TAIL - WRONG] = TAIL, 0.0, 1
    return RESERVED


@inlined
def give(found: Found, count: int, token: int, mass: float) -> int:
    """Give ``mass`` to ``token``, which may be TAIL or WRONG; the number of entries after it."""
    at = found.slot[token - WRONG]
    new = (at >= count) | (found.ids[at] != token)
    at = count if new else at
    before = found.prob[at]
    found.slot[token - WRONG], found.ids[at] = at, token
    found.prob[at] = mass + (0.0 if new else before)
    return count + int(new & (mass > 0.0))


@inlined
def choose(
    found: Found, count: int, ids: NDArray[np.int32], prob: NDArray[np.float32], keep: int
) -> tuple[int, float, float]:
    """Write the ``keep`` most probable tokens of a row, conditioned on what can follow.

    Most probable first, ties (in single precision) by id. Returns how many, the tail with what was
    left out, and what all tokens together held.
    """
    placed, tail, tokens = 0.0, found.prob[1], count - RESERVED
    for k in range(tokens):
        p, token = found.prob[RESERVED + k], found.ids[RESERVED + k]
        placed += p
        bits = np.uint64(np.float32(p).view(np.uint32))
        found.key[k] = (bits << np.uint64(32)) | np.uint64(np.uint32(~token))
    size = min(keep, tokens)
    if tokens <= FEW:
        for k in range(tokens):
            key, rank = found.key[k], 0
            for other in range(tokens):
                rank += found.key[other] > key
            if rank < size:
                ids[rank] = k
    else:
        _insert(found.key, tokens, ids, size)
    scale, left = 1.0 / (placed + tail), placed
    for at in range(size):
        k = RESERVED + ids[at]
        left -= found.prob[k]
        ids[at], prob[at] = found.ids[k], found.prob[k] * scale
    left = left if tokens > size else 0.0
    return size, (tail + max(left, 0.0)) * scale, placed * scale


@inlined
def _insert(key: NDArray[np.uint64], count: int, order: NDArray[np.int32], size: int) -> None:
    """The places of the ``size`` greatest of ``count`` keys, greatest first."""
    used = 0
    for k in range(count):
        if used < size:
            at, used = used, used + 1
        elif key[k] > key[order[size - 1]]:
            at = size - 1
        else:
            continue
        while at > 0 and key[k] > key[order[at - 1]]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = k
