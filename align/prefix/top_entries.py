"""The entries of target rows, from the mass that was assigned to each token.

assigned to one row   " $12" .5   tail .1   " $1" .2   " $12" .1   inconsistent .1
the row, 1 entry      " $12" .6 / .9,  tail (.1 + .2) / .9
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import entry, integer, kernel
from align.projection import EMPTY, MID

# Instead of a target token, in ``Assigned.tokens``.
TAIL = -1  # undetermined: the mass joins the tail
INCONSISTENT = -2  # the candidate contradicts what comes before the row

# Columns of ``Assigned.tokens`` behind the token: what it comes from, for ``next_token``.
READING = 1
CANDIDATE = 2  # a source id, or -1

# Columns of ``Rows.mass``.
TAIL_MASS = 0
KEPT = 1
WRONG = 2


class Assigned(NamedTuple):
    """Masses assigned to target tokens, row by row.

    ``used`` (1,) is their number so far; ``tokens`` (room, 3) are the target token, and what it
    comes from; ``mass`` (room,).
    """

    used: NDArray[np.int64]
    tokens: NDArray[np.int32]
    mass: NDArray[np.float64]


class Rows(NamedTuple):
    """Target rows: ``written`` and ``kind`` (rows,) their own tokens and an index into
    ``projection.KINDS``; ``size`` (rows,) their entries; ``mass`` (rows, 3) of the tail, of all
    tokens that were found, and of what contradicted the row.
    """

    written: NDArray[np.int32]
    kind: NDArray[np.uint8]
    size: NDArray[np.int64]
    mass: NDArray[np.float32]


class Entries(NamedTuple):
    """Room for the entries of rows: ``ids`` and ``prob`` (room,), and ``held`` (V + 2,) of target
    ids, the mass of each, all 0 between rows."""

    ids: NDArray[np.int32]
    prob: NDArray[np.float32]
    held: NDArray[np.float64]


@entry
def choose(
    assigned: Assigned,
    ptr: NDArray[np.int64],
    rows: Rows,
    first: int,
    keep: int,
    entries: Entries,
) -> int:
    """Make rows of what was assigned, each of its ``keep`` most probable tokens.

    Most probable first, by single precision, then by id; masses are conditioned on what can follow.

    Args:
        ptr: (n + 1,) where the masses of each of n rows are in ``assigned``.
        rows: from ``first`` on those rows are written, and ``entries`` from its start on.

    Returns:
        The number of their entries.
    """
    ids, prob, held, mass = entries.ids, entries.prob, entries.held, rows.mass
    at = integer(0)
    for k in range(len(ptr) - 1):
        row, count = first + k, _gather(assigned, ptr[k], ptr[k + 1], ids[at:], held)
        if count == 0:
            ids[at], count, held[TAIL] = rows.written[row], 1, 0.0
            held[ids[at]] = 1.0
            if rows.kind[row] <= MID:
                rows.kind[row] = EMPTY
        placed, size = _sort(ids[at : at + count], prob[at:], held, keep)
        tail, mass[row, WRONG] = held[TAIL], held[INCONSISTENT]
        held[TAIL] = held[INCONSISTENT] = 0.0
        scale, left = 1.0 / (placed + tail), placed
        for e in range(at, at + size):
            left -= prob[e]
            prob[e] *= scale
        if count > size:
            tail += max(left, 0.0)
        mass[row, TAIL_MASS], mass[row, KEPT] = tail * scale, placed * scale
        rows.size[row] = size
        at += size
    return at


@kernel
def _gather(
    assigned: Assigned, start: int, stop: int, ids: NDArray[np.int32], held: NDArray[np.float64]
) -> int:
    """Add up ``start:stop`` in ``held``; write the different tokens, and count them."""
    count = 0
    for k in range(start, stop):
        token = assigned.tokens[k, 0]
        if token >= 0 and held[token] == 0.0:
            ids[count] = token
            count += 1
        held[token] += assigned.mass[k]
    return count


@kernel
def _sort(
    ids: NDArray[np.int32], prob: NDArray[np.float32], held: NDArray[np.float64], keep: int
) -> tuple[float, int]:
    """Let the ``keep`` most probable of ``ids`` come first, with ``prob``, and clear ``held``.

    Returns:
        What all held together, and how many are kept.
    """
    placed, size = 0.0, 0
    for k in range(len(ids)):
        token = ids[k]
        p = np.float32(held[token])
        placed += held[token]
        held[token] = 0.0
        # sorted in from behind: whatever is beyond ``keep`` drops out
        to = size
        while to > 0 and (p > prob[to - 1] or (p == prob[to - 1] and token < ids[to - 1])):
            to -= 1
            if to + 1 < keep:
                ids[to + 1], prob[to + 1] = ids[to], prob[to]
        if to < keep:
            ids[to], prob[to] = token, p
            size = min(size + 1, keep)
    return placed, size
