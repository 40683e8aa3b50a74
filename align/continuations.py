"""What words that were only begun became, on the texts that were really written.

A candidate that the teacher did not choose may leave its word open: after " $" a number follows,
and the student has pieces like " $12" for both. What the teacher would have written then is not in
the store; what it wrote wherever it did begin a word so, is::

    word begun   " $"     became, over a store   " $1" 120 times, " $2" 97, " $12" 31, ...

For each node of the trie of words (``words.py``) the target tokens of the words that began so are
counted, one after the other. A candidate's mass is parted by these counts, with one more for the
word as it stands (``prefix.py``); a word never met again stays as it stands. This is an estimate,
and the only one in the projection: everything on the teacher's own path stays exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.compiled import inlined, kernel
from align.places import NOWHERE, Places, Words
from align.resolve import Resolved
from align.table import empty_table, mixed, paired, place_of
from align.trie import LONG, START
from align.vocabulary import SPECIAL, UNKNOWN

MOST = 16  # next tokens told apart; what came otherwise is tail
FAR = 4  # target tokens of a word that are looked at

SILENT = -1  # instead of a token that stands for no text of its own; also where its mass goes


class Counts(NamedTuple):
    """How often words went on how, as a trie.

    Behind place 0 come the nodes that were met, as ``token``, then target tokens or SILENT, one
    after the other. ``times`` (places,) is how often that was so, ``parent`` the place before;
    ``table`` finds a place by both (``table.py``), and ``size`` (1,) of them are in use.
    """

    table: NDArray[np.uint64]
    parent: NDArray[np.int32]
    token: NDArray[np.int32]
    times: NDArray[np.int64]
    size: NDArray[np.int64]


class Seen(NamedTuple):
    """The counts as shares of a candidate's mass.

    What came next has a block at some place p > 0: ``tokens[p]`` says how many tokens were told
    apart, ``share[p]`` how much went otherwise: to tokens rarer than those, or the word was over.
    Behind p stand these tokens, the most frequent first, each with its share, and in ``behind`` the
    place of what came next, or 0. ``whole`` (nodes,) is the place of what came first, or -1 of a
    node that was never met or always became the word that it is.
    """

    tokens: NDArray[np.int32]
    share: NDArray[np.float32]
    behind: NDArray[np.int32]
    whole: NDArray[np.int32]


def no_counts(*, room: int = 1 << 14) -> Counts:
    """Nothing seen yet; ``room``, a power of two, is how many places there may be."""
    return Counts(
        empty_table(2 * room),
        np.zeros(room, np.int32),
        np.zeros(room, np.int32),
        np.zeros(room, np.int64),
        np.ones(1, np.int64),
    )


def count_words(
    counts: Counts,
    sides: tuple[Side, Side],
    state: NDArray[np.int32],
    places: Places,
    words: Words,
) -> Counts:
    """``counts``, grown where it had to be, with every word of a shard counted.

    Args:
        sides: source and target.
        state: (n,) the node of the word before each source token.
        places: where target tokens begin. words: where the words before source tokens do.
    """
    samples = len(sides[0].indptr) - 1
    at = 0
    while (at := _count(counts, sides[0], sides[1], state, places, words, at)) < samples:
        counts = _with_room(counts, len(counts.times))
    return counts


@kernel
def _count(
    counts: Counts,
    source: Side,
    target: Side,
    state: NDArray[np.int32],
    places: Places,
    words: Words,
    at: int,
) -> int:
    """Count samples from ``at`` on; the first that may find no room."""
    for s in range(at, len(source.indptr) - 1):
        start, row, stop = source.indptr[s], target.indptr[s], target.indptr[s + 1]
        if counts.size[0] + (1 + FAR) * (source.indptr[s + 1] - start) > len(counts.times):
            return s
        for j in range(1, source.indptr[s + 1] - start):
            node, anchor = state[start + j], words.anchor[start + j]
            if node in (START, LONG) or anchor == NOWHERE:
                continue
            place, i = _once_more(counts, 0, node), row + anchor
            last = min(i + FAR, stop)
            while i < last and places.token[i] != NOWHERE and places.token[i] < j:
                place = _once_more(counts, place, _told(target.ids[i], target.flags))
                i += 1
    return len(source.indptr) - 1


@inlined
def _told(token: int, flags: NDArray[np.uint8]) -> int:
    return SILENT if flags[token] & (SPECIAL | UNKNOWN) else token


@kernel
def _once_more(counts: Counts, parent: int, token: int) -> int:
    """Count ``token`` behind the place ``parent``; its own place."""
    key = paired(parent, token - SILENT)
    at = place_of(counts.table, key, mixed(key))
    place = int(np.int64(counts.table[at + np.uint64(1)]))
    if place == 0:
        place = int(counts.size[0])
        counts.size[0] += 1
        counts.parent[place], counts.token[place] = parent, token
        counts.table[at], counts.table[at + np.uint64(1)] = key, place
    counts.times[place] += 1
    return place


def _with_room(counts: Counts, more: int) -> Counts:
    """A copy with room for ``more`` places."""
    copy = no_counts(room=1 << (int(counts.size[0]) + more - 1).bit_length())
    _refill(counts, copy)
    return copy


@kernel
def _refill(counts: Counts, copy: Counts) -> None:
    for place in range(1, counts.size[0]):
        _once_more(copy, counts.parent[place], counts.token[place])
        copy.times[place] = counts.times[place]


def summarize(counts: Counts, resolved: Resolved, flags: NDArray[np.uint8]) -> Seen:
    """What was counted, as shares.

    Args:
        resolved: the target tokens of every node's word as it stands.
        flags: (V,) of target ids.
    """
    met = counts.token[: counts.size[0]][counts.parent[: counts.size[0]] == 0][1:]
    counts = _with_room(counts, int(resolved.length[met].sum()))
    _count_as_it_stands(counts, resolved, flags)
    parent, token, times = (array[: counts.size[0]] for array in counts[1:4])
    top, depth = np.zeros(len(times), np.int32), np.zeros(len(times), np.int32)
    _look_up(parent, top, depth)
    total = times[top]
    # Where one way was all there was, it was the word as it stands, which counts once as well.
    several = np.zeros(len(times), np.bool_)
    several[top[(depth > 0) & (times < total)]] = True
    order = np.flatnonzero((depth > 0) & several[top])
    order = order[np.lexsort((token[order], -times[order], parent[order]))]
    starts = _starts(parent[order])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    told = order[rank < MOST]
    starts = _starts(parent[told])
    size = np.diff(np.append(starts, len(told)))
    block = 1 + starts + np.arange(len(starts))
    entry = 2 + np.arange(len(told)) + np.repeat(np.arange(len(starts)), size)
    before = parent[told[starts]]
    at = np.zeros(len(times), np.int32)
    at[before] = block
    tokens, behind = np.zeros((2, 1 + len(told) + len(starts)), np.int32)
    share = np.zeros(len(tokens), np.float32)
    tokens[block], tokens[entry], behind[entry] = size, token[told], at[told]
    share[entry] = times[told] / total[told]
    others = times[before] - np.add.reduceat(times[told], starts) if len(starts) else starts
    share[block] = others / total[before]
    whole = np.full(len(resolved.first), -1, np.int32)
    tops = np.flatnonzero(several & (at > 0))
    whole[token[tops]] = at[tops]
    return Seen(tokens, share, behind, whole)


@kernel
def _count_as_it_stands(counts: Counts, resolved: Resolved, flags: NDArray[np.uint8]) -> None:
    """Count every node that was met once more, as the word that it is; words that began like it
    are taken to go on like it where they were not looked at."""
    for top in range(1, counts.size[0]):
        if counts.parent[top] == 0:
            node, place = counts.token[top], top
            counts.times[top] += 1
            for k in range(resolved.length[node]):
                token, before = resolved.ids[resolved.start[node] + k], place
                place = _once_more(counts, place, _told(token, flags))
                if k >= FAR:
                    counts.times[place] = counts.times[before]


@kernel
def _look_up(parent: NDArray[np.int32], top: NDArray[np.int32], depth: NDArray[np.int32]) -> None:
    """The place of the node that each place is behind, and how many tokens."""
    for place in range(1, len(parent)):
        before = parent[place]
        top[place] = top[before] if before > 0 else place
        depth[place] = depth[before] + 1 if before > 0 else 0


def _starts(key: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])


def for_nodes(seen: Seen, nodes: int) -> Seen:
    """The same for a trie that has grown to so many ``nodes``; new ones were never met."""
    new = nodes - len(seen.whole)
    if new == 0:
        return seen
    return seen._replace(whole=np.concatenate([seen.whole, np.full(new, -1, np.int32)]))


@inlined
def read_on(
    seen: Seen, c: int, ids: NDArray[np.int32], flags: NDArray[np.uint8], span: tuple[int, int]
) -> tuple[int, float]:
    """What came behind the tokens ``ids[span]`` of words with a block at ``c``: the place of that
    block, or 0, and how often they were read, as a share."""
    share = np.float32(1.0)
    for k in range(span[0], span[1]):
        token = _told(ids[k], flags)
        e, last = c + 1, c + 1 + seen.tokens[c]
        while e < last and seen.tokens[e] != token:
            e += 1
        if e == last:
            return 0, np.float32(0.0)
        c, share = seen.behind[e], seen.share[e]
    return c, share
