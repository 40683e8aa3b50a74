"""The teacher's rows, made proper, and sorted by what their entries would do.

row after " earn"   "s" .6 (written)   "ed" .2   " a" .1   "s" listed twice   tail .1
kin "ed" .2         new words " a" .1  written .6          rest .1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined, kernel
from align.continuations import Seen
from align.resolve import Resolved
from align.shard import UNASKED, Rows, Sums
from align.sparse import SparseDistributions
from align.threads import over_samples
from align.words import BEGINS, CONTINUES, END, SILENT, UNFOLLOWED, Walk


def arrange(
    rows: SparseDistributions,
    written: NDArray[np.int32],
    walk: Walk,
    known: tuple[Resolved, Seen] | None,
    *,
    threads: int,
) -> Rows:
    """The rows as the kernels read them.

    Args:
        rows: one for each source token. An id that is listed twice counts once; a row that does not
            sum to 1 is scaled.
        written: (n,) the source tokens.
        walk: what the entries would do.
        known: what the target's tokenizer said, and what was met in the store; None if it was not
            asked.
    """
    count, entries = len(written), len(rows.ids)
    prob, rest = np.exp(rows.logprobs), np.exp(rows.tail)
    of_node = np.full(0, -1, np.int32)
    first, seen = (known[0].first, known[1].whole) if known else (of_node, of_node)
    zeros = [np.zeros(count, np.float32) for _ in range(4)]
    sums = Sums(zeros[0], zeros[1], zeros[2], zeros[3], rest)
    arranged = Rows(
        rows.indptr,
        rows.ids,
        prob,
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(entries, np.int64),
        np.empty(entries, np.float32),
        np.empty(entries, np.int32),
        np.empty(entries, np.int32),
        np.empty(entries, np.int32),
        sums,
    )
    over_samples(threads, count, _arrange, arranged, written, walk.node, walk.role, first, seen)
    return arranged


@kernel
def _arrange(
    begin: int,
    end: int,
    rows: Rows,
    written: NDArray[np.int32],
    node: NDArray[np.int32],
    role: NDArray[np.uint8],
    first: NDArray[np.int32],
    seen: NDArray[np.int32],
) -> None:
    """Rows ``begin:end``."""
    ids, prob, sums, known = rows.ids, rows.prob, rows.sums, len(first) > 0
    for r in range(begin, end):
        start, stop = rows.ptr[r], rows.ptr[r + 1]
        _make_proper(ids, prob, sums.rest, r, start, stop)
        to = start
        for e in range(start, stop):
            if ids[e] == written[r]:
                sums.written[r] += prob[e]
            elif role[e] == CONTINUES or role[e] == UNFOLLOWED or (role[e] == BEGINS and not known):
                _put(rows, node, first, seen, to, e, known and role[e] == CONTINUES)
                to += prob[e] > 0.0
        rows.middle[r] = to
        for e in range(start, stop):
            if ids[e] == written[r]:
                continue
            if role[e] == BEGINS and known:
                sums.begun[r] += prob[e]
                _put(rows, node, first, seen, to, e, True)
                to += prob[e] > 0.0
            elif role[e] == END:
                sums.ended[r] += prob[e]
            elif role[e] == SILENT:
                sums.silent[r] += prob[e]
        rows.last[r] = to


@inlined
def _put(
    rows: Rows,
    node: NDArray[np.int32],
    first: NDArray[np.int32],
    seen: NDArray[np.int32],
    to: int,
    e: int,
    asked: bool,
) -> None:
    """Entry ``e`` goes to slot ``to``; a later one may take its place, if it has no mass."""
    if rows.prob[e] <= 0.0:
        return
    rows.entry[to], rows.mass[to], rows.node[to] = e, rows.prob[e], node[e]
    rows.first[to] = first[node[e]] if asked else -1
    rows.seen[to] = seen[node[e]] if asked else UNASKED


@inlined
def _make_proper(
    ids: NDArray[np.int32],
    prob: NDArray[np.float32],
    rest: NDArray[np.float32],
    r: int,
    start: int,
    stop: int,
) -> None:
    """Let row ``r`` sum to 1, an id that is listed twice counting once."""
    total = np.float64(rest[r])
    for e in range(start, stop):
        for before in range(start, e):
            if ids[before] == ids[e]:
                prob[e] = 0.0
        total += prob[e]
    if total <= 0.0:
        rest[r] = 1.0
    elif abs(total - 1.0) > 1e-6:
        for e in range(start, stop):
            prob[e] /= total
        rest[r] /= total
