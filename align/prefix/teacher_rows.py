"""The teacher's rows, made proper, and sorted by what their entries would do.

row after " earn"   "s" .6 (written)   "ed" .2   " a" .1   "s" listed twice   tail .1
kin "ed" .2         new words " a" .1  written .6          rest .1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import allocating, inlined, kernel
from align.prefix.retokenize import BECAME, TOKEN
from align.prefix.shard_arrays import UNASKED, Rows, Slots, Sums
from align.prefix.word_states import BEGINS, CONTINUES, END, SILENT, WRITTEN

# Marks that tell whether a source id may have been listed: so few that they stay in a processor's
# cache, and so many that ids seldom share one.
LEAST = 1024
SPREAD = 64  # times the widest row


@allocating
def room(first: int, last: int, source_ptr: NDArray[np.int64], rows: Rows, tokens: int) -> Slots:
    """Slots for the largest of the samples ``first:last``, of so many source ``tokens``."""
    count = entries = widest = 0
    for s in range(first, last):
        start, stop = source_ptr[s], source_ptr[s + 1]
        count = max(count, stop - start)
        entries = max(entries, rows.ptr[stop] - rows.ptr[start])
        for r in range(start, stop):
            widest = max(widest, rows.ptr[r + 1] - rows.ptr[r])
    marks = LEAST
    while marks < min(SPREAD * widest, tokens):
        marks *= 2
    floats = np.empty((5, count), np.float32)
    return Slots(
        np.empty(entries, np.int32),
        np.empty(entries, np.float32),
        np.empty(entries, np.int32),
        np.empty(entries, np.int32),
        np.empty(entries, np.int32),
        np.empty(count + 1, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        Sums(floats[0], floats[1], floats[2], floats[3], floats[4]),
        np.full(marks, -1, np.int32),
    )


@inlined
def arrange(
    rows: Rows, words: NDArray[np.int32], asked: bool, start: int, stop: int, slots: Slots
) -> None:  # fmt: skip
    """Sort the entries of rows ``start:stop`` of a shard into ``slots``.

    ``words`` are those of ``resolve.Resolved``, where the target's tokenizer was ``asked``.
    """
    base, first = rows.ptr[start], 0
    for r in range(start, stop):
        here, last = r - start, rows.ptr[r + 1] - base
        _make_proper(rows, r, slots.met)
        kin, low = first, last
        given = begun = ended = silent = np.float32(0.0)
        for e in range(first, last):
            id_, mass = rows.ids[base + e], rows.prob[base + e]
            role, node = rows.role[base + e], rows.node[base + e]
            if mass == 0.0:
                continue
            if role == WRITTEN:
                given += mass
            elif role == BEGINS and asked:
                begun += mass
                low -= 1
                _put(slots, low, id_, mass, node, words[node, TOKEN], words[node, BECAME])
            elif role == END:
                ended += mass
            elif role == SILENT:
                silent += mass
            else:
                if asked and role == CONTINUES:
                    _put(slots, kin, id_, mass, node, words[node, TOKEN], words[node, BECAME])
                else:
                    _put(slots, kin, id_, mass, node, -1, UNASKED)
                kin += 1
        slots.ptr[here], slots.middle[here], slots.low[here] = first, kin, low
        sums = slots.sums
        sums.written[here], sums.begun[here], sums.ended[here] = given, begun, ended
        sums.silent[here], sums.rest[here] = silent, rows.rest[r]
        first = last
    slots.ptr[stop - start] = first


@inlined
def _put(
    slots: Slots, at: int, token: int, mass: float, node: int, first: int, context: int
) -> None:
    slots.ids[at], slots.mass[at], slots.node[at] = token, mass, node
    slots.first[at], slots.seen[at] = first, context


@inlined
def _make_proper(rows: Rows, r: int, met: NDArray[np.int32]) -> None:
    """Let row ``r`` sum to 1, an id that is listed twice counting once."""
    prob, start, stop = rows.prob, rows.ptr[r], rows.ptr[r + 1]
    total = np.float64(rows.rest[r])
    for e in range(start, stop):
        mark = rows.ids[e] & (len(met) - 1)
        if met[mark] == r and _is_listed(rows.ids, start, e):
            prob[e] = 0.0
        met[mark] = r
        total += prob[e]
    if total <= 0.0:
        rows.rest[r] = 1.0
    elif abs(total - 1.0) > 1e-6:
        for e in range(start, stop):
            prob[e] /= total
        rows.rest[r] /= total


@kernel
def _is_listed(ids: NDArray[np.int32], start: int, e: int) -> bool:
    """Whether entry ``e`` repeats one from ``start`` on."""
    listed = False
    for other in range(start, e):
        listed |= ids[other] == ids[e]
    return listed
