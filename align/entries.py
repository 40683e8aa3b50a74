"""The entries of one target row while it is made, and the choice of those that are kept.

An entry is found by its id in one look-up, so that a row costs what is given to it, however many
entries it gets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined
from align.outcome import WRONG


class Found(NamedTuple):
    """The entries of the row being made, in the order they came: ``ids``, ``prob`` and, by id,
    their ``slot``, which holds where the id at that place of ``ids`` is this id."""

    ids: NDArray[np.int32]
    prob: NDArray[np.float64]
    slot: NDArray[np.int32]


# What a row was given: the number of entries, and the masses of the tail and of what can not be.
Given = tuple[int, float, float]


@inlined
def give(found: Found, given: Given, token: int, mass: float) -> Given:
    """Give ``mass`` to ``token``, which may be TAIL or WRONG."""
    count, tail, wrong = given
    if token >= 0:
        return _add(found, count, token, mass), tail, wrong
    if token == WRONG:
        return count, tail, wrong + mass
    return count, tail + mass, wrong


@inlined
def _add(found: Found, count: int, token: int, mass: float) -> int:
    """Add ``mass`` to the entry of ``token``; the number of entries after it."""
    at = found.slot[token]
    if at < count and found.ids[at] == token:
        found.prob[at] += mass
        return count
    if mass <= 0.0:
        return count
    found.slot[token] = count
    found.ids[count], found.prob[count] = token, mass
    return count + 1


@inlined
def choose(
    found: Found, count: int, tail: float, ids: NDArray[np.int32], prob: NDArray[np.float32],
    keep: int,
) -> tuple[int, float, float]:  # fmt: skip
    """Write the ``keep`` most probable entries of a row, conditioned on what can follow.

    Most probable first, ties by id. Returns how many, the tail with what was left out, and what
    all entries together held.
    """
    placed, size = 0.0, 0
    for k in range(count):
        placed += found.prob[k]
        if size < keep:
            at, size = size, size + 1
        elif _before(found, k, ids[keep - 1]):
            at = keep - 1
        else:
            continue
        while at > 0 and _before(found, k, ids[at - 1]):
            ids[at] = ids[at - 1]  # places in ``found`` until all are chosen
            at -= 1
        ids[at] = k
    scale, left = 1.0 / (placed + tail), placed if count > size else 0.0
    for at in range(size):
        k = ids[at]
        left -= found.prob[k] if count > size else 0.0
        ids[at], prob[at] = found.ids[k], found.prob[k] * scale
    return size, (tail + max(left, 0.0)) * scale, placed * scale


@inlined
def _before(found: Found, k: int, other: int) -> bool:
    p, q = found.prob[k], found.prob[other]
    return bool(p > q or (p == q and found.ids[k] < found.ids[other]))
