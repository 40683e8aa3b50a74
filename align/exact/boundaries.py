"""Boundaries: where the tokens of two sides end, on one common scale, and the blocks that follow.

A boundary that both sides may share gets the same place on both; one that cannot be shared (inside
a character that the other side spells otherwise, inside whitespace that the other side folds) gets
a place that only its own side uses. Blocks then are a merge::

    source  "."  "\\n"  "She"      places  1  (1)  5        (1): cannot be shared
    target  "."  " She"           places  1  5
    blocks  {.} <-> {.}   {\\n, She} <-> { She}

A token that adds nothing to what both sides share is drawn *forward* into the next block.

A boundary is one number, ``place << 4 | owner << 2 | kind``: the owner is 0 where it may be shared,
else 1 (source) or 2 (target); the kind is the worst of the sections that the token reaches into.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import LITERAL, WINDOW
from align.exact.sections import EMPTY, FORM, KIND, OPAQUE, PLAIN
from align.kernels.jit import entry, kernel

_PLACE_BITS = 4
_OWNER_BITS = 2


class Tokens(NamedTuple):
    """Tokens of many samples: ``indptr`` (samples + 1,); ``ends`` (tokens,), where each ends in the
    symbols of its sample, strictly rising; ``boundaries`` (tokens,)."""

    indptr: NDArray[np.int64]
    ends: NDArray[np.int32]
    boundaries: NDArray[np.int32]


class Room(NamedTuple):
    """Room for the blocks of samples: those from s on may use ``groups[ptr[s]:]``, and follow one
    another without gaps, as far as one range of samples goes. ``counts`` (samples,) are the numbers
    of blocks."""

    ptr: NDArray[np.int64]
    groups: NDArray[np.int32]
    kind: NDArray[np.uint8]
    counts: NDArray[np.int64]


@kernel
def mark(
    tokens: Tokens, s: int, start: int, sections: NDArray[np.int32], count: int, side: int
) -> None:
    """Write the boundaries of one side (0 source, 1 target) of sample ``s``.

    Args:
        start: the symbol with which the side begins.
        sections: ``count`` of them, of the whole sample.
    """
    first, last = tokens.indptr[s], tokens.indptr[s + 1]
    ends, boundaries, owner = tokens.ends, tokens.boundaries, (side + 1) << _OWNER_BITS
    # ``carried`` is the kind of token t so far
    t, at, place, carried = first, start, 0, LITERAL
    for k in range(count):
        stop, form, kind = sections[k, side], sections[k, FORM], sections[k, KIND]
        if form == PLAIN:
            while t < last and ends[t] <= stop:
                boundaries[t] = (place + ends[t] - at) << _PLACE_BITS | carried
                t, carried = t + 1, LITERAL
            place, at, carried = place + stop - at, stop, max(carried, kind)
            continue
        if stop > at:
            carried = max(carried, kind)
            while t < last and ends[t] <= stop:
                if form == OPAQUE and ends[t] == stop:
                    boundaries[t] = (place + 1) << _PLACE_BITS | carried
                else:
                    # of an empty section the first boundary counts, as where the section starts
                    taken = place == (boundaries[t - 1] >> _PLACE_BITS if t > first else 0)
                    own = 0 if form == EMPTY and not taken else owner
                    boundaries[t] = place << _PLACE_BITS | own | carried
                t, carried = t + 1, kind
            if t > first and ends[t - 1] == stop:
                carried = LITERAL
        place, at = place + (form == OPAQUE), stop


def of_ends(
    indptr: NDArray[np.int64], ends: NDArray[np.int32], glued: NDArray[np.bool_], side: int
) -> Tokens:
    """Tokens of one side (0 source, 1 target) whose ``ends`` in a common text are known.

    No boundary before a token that is ``glued`` to the one before it, or that ends where it does.
    """
    hidden = np.zeros(len(ends), np.bool_)
    hidden[:-1] = glued[1:] | (ends[1:] == ends[:-1])
    hidden[indptr[1:][np.diff(indptr) > 0] - 1] = False
    # below the shared boundary of the same place, which may still come
    boundaries = (ends << _PLACE_BITS) - hidden * np.int32((side + 1) << _OWNER_BITS)
    return Tokens(indptr, ends, boundaries.astype(np.int32))


@entry
def merge(first: int, last: int, source: Tokens, target: Tokens, room: Room) -> tuple[int, int]:
    """Write the blocks of samples ``first:last``; where they begin and end in ``room``.

    There are at most min(n, m) blocks of a sample, or one. Tokens after the last shared boundary
    belong to the last block.
    """
    one, other, groups, kinds = source.boundaries, target.boundaries, room.groups, room.kind
    at = room.ptr[first]
    for s in range(first, last):
        start, stop = source.indptr[s], source.indptr[s + 1]
        other_start, other_stop = target.indptr[s], target.indptr[s + 1]
        # the block under way begins at tokens (a, b) and was read up to (i, j)
        a, b, kind, base = start, other_start, LITERAL, at
        i, j = a, b
        while i < stop and j < other_stop:
            here, there = one[i], other[j]
            # both sides go on where place and owner are the same, else the one that is behind
            order = (here >> _OWNER_BITS) - (there >> _OWNER_BITS)
            if order <= 0:
                kind |= here & 3
                i += 1
            if order >= 0:
                kind |= there & 3
                j += 1
            if order == 0:
                groups[at, 0], groups[at, 1] = a - start, i - start
                groups[at, 2], groups[at, 3] = b - other_start, j - other_start
                kinds[at] = min(kind, WINDOW)
                a, b, at, kind = i, j, at + 1, LITERAL
        if a < stop or b < other_stop:
            for t in range(a, stop):
                kind = max(kind, one[t] & 3)
            for t in range(b, other_stop):
                kind = max(kind, other[t] & 3)
            if at == base:
                groups[at, 0] = groups[at, 2] = kinds[at] = 0
                at += 1
            groups[at - 1, 1], groups[at - 1, 3] = stop - start, other_stop - other_start
            kinds[at - 1] = max(kinds[at - 1], min(kind, WINDOW))
        room.counts[s] = at - base
    return room.ptr[first], at


def link_blocks(
    source: Tokens, target: Tokens, groups: NDArray[np.int32], swapped: bool
) -> NDArray[np.int32]:
    """Links (L, 2) that chain the tokens of every block of one sample: those whose stretches
    overlap.

    Where two boundaries that cannot be shared have the same place, ``swapped`` says which side
    goes first.
    """
    one, other = ((side.boundaries >> _PLACE_BITS).tolist() for side in (source, target))
    links: list[tuple[int, int]] = []
    for i, stop, j, other_stop in groups.tolist():
        while i < stop and j < other_stop:
            links.append((i, j))
            if i + 1 == stop and j + 1 == other_stop:
                break
            goes_first = one[i] < other[j] or (one[i] == other[j] and not swapped)
            on_source = i + 1 < stop and (j + 1 == other_stop or goes_first)
            i, j = i + on_source, j + (not on_source)
    return np.array(links, np.int32).reshape(-1, 2)
