"""The entries of target rows, from the masses that were assigned to their tokens.

assigned to one row   " $12" .5   tail .1   " $1" .2   " $12" .1   inconsistent .1
the row, 1 entry      " $12" .6 / .9,  tail (.1 + .2) / .9
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.hash_table import HALF
from align.kernels.jit import entry, integer
from align.prefix.continuations import Continuations
from align.prefix.readings import INCONSISTENT, TAIL
from align.prefix.row_kernel import CONTINUED, DETAIL, GIVEN, MASS, MET, PARTS, Assigned
from align.projection import EMPTY, MID

# Columns of ``Rows.mass``.
TAIL_MASS = 0
KEPT = 1  # of all tokens that were found
WRONG = 2  # of what contradicted the row


class Rows(NamedTuple):
    """Target rows: ``kind`` (rows,) an index into ``projection.KINDS``, ``size`` (rows,) the
    number of their entries, ``mass`` (rows, 3)."""

    kind: NDArray[np.uint8]
    size: NDArray[np.int64]
    mass: NDArray[np.float32]


class Sums(NamedTuple):
    """The sums of rows: row k has the different tokens ``ids[ptr[k]:ptr[k + 1]]`` and their
    ``mass``; ``other`` (rows, 2) is that of the tail and what is inconsistent. ``held`` (V + 2,) is
    room for what each target id holds, and INCONSISTENT and TAIL; all 0 between rows."""

    ptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    mass: NDArray[np.float64]
    other: NDArray[np.float64]
    held: NDArray[np.float64]


def sums_for(rows: int, masses: int, held: NDArray[np.float64]) -> Sums:
    """Room for the sums of ``rows`` rows, to which ``masses`` masses are assigned."""
    return Sums(
        np.zeros(rows + 1, np.int64),
        np.empty(masses, np.int32),
        np.empty(masses, np.float64),
        np.empty((rows, 2), np.float64),
        held,
    )


@entry
def add_up(
    bounds: NDArray[np.int64], assigned: Assigned, continuations: Continuations, sums: Sums
) -> None:
    """Add up what is assigned to each row; ``bounds`` (rows + 1,) are those of its readings."""
    steps, left, ids, held = continuations.steps, continuations.left, sums.ids, sums.held
    ptr, tokens, mass, n = assigned.ptr, assigned.tokens, assigned.mass, integer(0)
    part_tokens, part_mass = assigned.part_tokens, assigned.part_mass
    for row in range(len(bounds) - 1):
        for p in range(bounds[row], bounds[row + 1]):
            for k in range(ptr[p], ptr[p + 1] + PARTS):
                if k < ptr[p + 1]:
                    token, share, left_of = tokens[k, GIVEN], mass[k, MASS], mass[k, MET]
                else:
                    part, left_of = k - ptr[p + 1], 1.0
                    token, share = part_tokens[p, part], part_mass[p, part]
                step, last = integer(0), integer(-1 if share == 0.0 else 0)
                if token == CONTINUED:
                    block, token = tokens[k, DETAIL], TAIL
                    step, last = block + 1, block + 1 + steps[block, 0]
                    held[INCONSISTENT] += share * (1.0 - left_of)
                    left_of = left[block] if block > 0 else left_of
                # what followed the word, and then the mass itself, or what is left of it
                while step <= last:
                    to, given = token, share * left_of
                    if step < last:
                        to, given = steps[step, 0], share * (left_of - left[step])
                        left_of = left[step]
                    step += 1
                    if to >= 0 and held[to] == 0.0 and given > 0.0:
                        ids[n] = to
                        n += 1
                    held[to] += given
        # only what was touched is reset: clearing all of ``held`` would cost V a row
        for k in range(sums.ptr[row], n):
            sums.mass[k] = held[ids[k]]
            held[ids[k]] = 0.0
        sums.ptr[row + 1] = n
        sums.other[row, 0], sums.other[row, 1] = held[TAIL], held[INCONSISTENT]
        held[TAIL] = held[INCONSISTENT] = 0.0


class Entries(NamedTuple):
    """Room for the entries of rows: ``ids`` and ``prob`` (room,); ``keys`` (keep,) for those of one
    row, by which they are sorted: the less probable, the larger."""

    ids: NDArray[np.int32]
    prob: NDArray[np.float32]
    keys: NDArray[np.uint64]


def entries_for(masses: int, keep: int) -> Entries:
    """Room for rows to which ``masses`` masses are assigned, of which ``keep`` entries are kept."""
    return Entries(
        np.empty(masses, np.int32), np.empty(masses, np.float32), np.empty(keep, np.uint64)
    )


@entry
def choose(
    first: int, written: NDArray[np.int32], sums: Sums, keep: int, rows: Rows, entries: Entries
) -> int:
    """Make rows of the sums, each of its ``keep`` most probable tokens; the number of entries.

    Most probable first, by single precision, then by id; masses are conditioned on what can follow.

    Args:
        first: the row in ``rows`` of the first one.
        written: (n,) the tokens that are really there.
    """
    ids, prob, keys, at, kind = entries.ids, entries.prob, entries.keys, integer(0), rows.kind
    for k in range(len(written)):
        row, start, stop = first + k, sums.ptr[k], sums.ptr[k + 1]
        tail, placed, size = sums.other[k, 0], 0.0, 0
        # one number orders probability and id: bits of numbers that are not below 0 rise with them
        for e in range(start, stop):
            bits = np.uint64(np.float32(sums.mass[e]).view(np.uint32))
            key, to = ~bits << HALF | np.uint64(sums.ids[e]), size
            placed += sums.mass[e]
            if size == keep and key > keys[size - 1]:
                continue
            to = min(to, keep - 1)  # the last one drops out
            size = to + 1
            while to > 0 and key < keys[to - 1]:
                keys[to] = keys[to - 1]
                to -= 1
            keys[to] = key
        for e in range(size):
            ids[at + e] = integer(keys[e] & np.uint64(0xFFFFFFFF))
            prob[at + e] = np.uint32(~keys[e] >> HALF).view(np.float32)
        if start == stop:  # nothing is left that can follow
            ids[at], prob[at], tail, placed, size = written[k], 1.0, 0.0, 1.0, 1
            kind[row] = EMPTY if kind[row] <= MID else kind[row]
        # what contradicts the row cannot follow: the others share its mass
        scale, left = 1.0 / (placed + tail), placed
        for e in range(at, at + size):
            left -= prob[e]
            prob[e] *= scale
        if stop - start > size:
            tail += max(left, 0.0)
        rows.mass[row, TAIL_MASS], rows.mass[row, KEPT] = tail * scale, placed * scale
        rows.mass[row, WRONG], rows.size[row] = sums.other[k, 1], size
        at += size
    return at
