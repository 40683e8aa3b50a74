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
from align.kernels.hash_table import empty_table, mixed, paired, slot_of
from align.kernels.jit import inlined, kernel
from align.prefix.retokenize import AT, LENGTH, Resolved
from align.prefix.token_offsets import NOWHERE, Places, Words
from align.prefix.trie import LONG, START
from align.vocabulary import SPECIAL, UNKNOWN

MOST = 16  # next tokens that are remembered; a word that went on otherwise is not followed
PART = 4  # a next token with less than this part of an equal share of a row is not told apart
FAR = 4  # target tokens of a word that are looked at

NO_TEXT = -1  # instead of a token that stands for none of its own; its mass is given to the tail


class Counts(NamedTuple):
    """How often words went on how, as a trie.

    Behind place 0 come the nodes that were met, and behind them target tokens or NO_TEXT, one after
    the other. ``keys`` (places,) hold the place before and the node or token, ``table`` finds a
    place by its key (``table.py``), ``times`` is how often that was so; ``size`` (1,) places are in
    use.
    """

    table: NDArray[np.int32]
    keys: NDArray[np.uint64]
    times: NDArray[np.int64]
    size: NDArray[np.int64]


class Seen(NamedTuple):
    """The counts as shares of a candidate's mass.

    What came next has a block at some place p > 0: behind p stand ``behind[p]`` tokens, the most
    frequent first, each with the place of what came next, or 0, in ``behind``. ``left[p]`` is the
    share that came so far as the block, ``left[p + k]`` what the first k tokens leave of it: other
    tokens, and words that were over. Only the first ``tokens[p]`` of them are told apart. ``whole``
    (nodes,) is the place of what came first, or -1 of a node that was never met or always became
    the word that it is.
    """

    tokens: NDArray[np.int32]
    left: NDArray[np.float32]
    behind: NDArray[np.int32]
    whole: NDArray[np.int32]


def no_counts(*, room: int = 1 << 14) -> Counts:
    """Nothing seen yet; ``room``, a power of two, is how many places there may be."""
    return Counts(
        empty_table(room), np.zeros(room, np.uint64), np.zeros(room, np.int64), np.ones(1, np.int64)
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
    return NO_TEXT if flags[token] & (SPECIAL | UNKNOWN) else token


@kernel
def _once_more(counts: Counts, before: int, token: int) -> int:
    """Count ``token`` behind the place ``before``; its own place."""
    key = paired(before, token - NO_TEXT)
    slot = slot_of(counts.table, counts.keys, key, mixed(key))
    place = int(counts.table[slot])
    if place == 0:
        place = int(counts.size[0])
        counts.size[0] += 1
        counts.keys[place], counts.table[slot] = key, place
    counts.times[place] += 1
    return place


def _with_room(counts: Counts, more: int) -> Counts:
    """A copy with room for ``more`` places."""
    size = int(counts.size[0])
    copy = no_counts(room=1 << (size + more - 1).bit_length())
    copy.keys[:size], copy.times[:size] = counts.keys[:size], counts.times[:size]
    copy.size[0] = size
    _rehash(copy)
    return copy


@kernel
def _rehash(counts: Counts) -> None:
    """Fill an empty table with the places there are."""
    for place in range(1, counts.size[0]):
        key = counts.keys[place]
        counts.table[slot_of(counts.table, counts.keys, key, mixed(key))] = place


def _split(counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place before each, and its token or node."""
    before, token = np.divmod(counts.keys[: counts.size[0]].astype(np.int64), 1 << 32)
    return before, token + NO_TEXT


def summarize(
    counts: Counts, resolved: Resolved, flags: NDArray[np.uint8], keep: int | None
) -> Seen:
    """What was counted, as shares.

    Args:
        resolved: the target tokens of every node's word as it stands.
        flags: (V,) of target ids.
        keep: entries that a row keeps, None for all. Of one candidate, no more next tokens are told
            apart, and only those that get at least 1 / (PART keep) of it: others are hardly ever
            among the entries kept.
    """
    counts = _as_words_stand(counts, resolved, flags)
    before, token = _split(counts)
    top = np.where(before > 0, before, np.arange(len(before)))
    while before[top].any():
        top = top[top]
    times = counts.times[: len(top)]
    total = times[top]
    # Where one way was all there was, it was the word as it stands, which counts once as well.
    several = np.zeros(len(top), np.bool_)
    several[top[times < total]] = True
    kept, rank = _ranked(before, token, times, (before > 0) & several[top])
    starts = _starts(before[kept])
    size = np.diff(np.append(starts, len(kept)))
    which = np.repeat(np.arange(len(starts)), size)
    block, entry = 1 + starts + np.arange(len(starts)), 2 + np.arange(len(kept)) + which
    read = before[kept[starts]]
    told = token[kept] != NO_TEXT  # these come last in their block
    if keep is not None:
        told &= (rank < keep) & (PART * keep * times[kept] >= times[read][which])
    at = np.zeros(len(top), np.int32)
    at[read] = block
    tokens, behind = np.zeros((2, 1 + len(kept) + len(starts)), np.int32)
    left = np.zeros(len(tokens), np.float32)
    tokens[block], tokens[entry] = np.bincount(which[told], minlength=len(starts)), token[kept]
    behind[block], behind[entry] = size, at[kept]
    gone = np.cumsum(times[kept])
    gone -= (gone - times[kept])[starts][which]  # of each block alone
    left[block] = times[read] / total[read]
    left[entry] = (times[read][which] - gone) / total[kept]
    whole = np.full(len(resolved.words), -1, np.int32)
    tops = np.flatnonzero(several & (at > 0))
    whole[token[tops]] = at[tops]
    return Seen(tokens, left, behind, whole)


def _ranked(
    before: NDArray[np.int64],
    token: NDArray[np.int64],
    times: NDArray[np.int64],
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The wanted places, block behind block, the MOST frequent of each; and their rank there."""
    order = np.flatnonzero(wanted)
    columns = (token, -times, token == NO_TEXT, before)
    order = order[np.lexsort([column[order] for column in columns])]
    starts = _starts(before[order])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < MOST], rank[rank < MOST]


def _as_words_stand(counts: Counts, resolved: Resolved, flags: NDArray[np.uint8]) -> Counts:
    """A copy in which every node counts once more, as the word that it is.

    Words that began like one are taken to go on like it where they were not looked at.
    """
    before, token = _split(counts)
    tops = 1 + np.flatnonzero(before[1:] == 0)
    nodes = token[tops]
    counts = _with_room(counts, int(resolved.words[nodes, LENGTH].sum()))
    _count_nodes(counts, tops, nodes, resolved, flags)
    return counts


@kernel
def _count_nodes(
    counts: Counts,
    tops: NDArray[np.int64],
    nodes: NDArray[np.int64],
    resolved: Resolved,
    flags: NDArray[np.uint8],
) -> None:
    for t in range(len(tops)):
        node, place = nodes[t], tops[t]
        counts.times[place] += 1
        for k in range(resolved.words[node, LENGTH]):
            token, before = resolved.ids[resolved.words[node, AT] + k], place
            place = _once_more(counts, place, _told(token, flags))
            if k >= FAR:
                counts.times[place] = counts.times[before]


def _starts(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])


@inlined
def read_on(
    seen: Seen, c: int, ids: NDArray[np.int32], flags: NDArray[np.uint8], span: tuple[int, int]
) -> tuple[int, np.float32]:
    """What came behind the tokens ``ids[span]`` of words with a block at ``c``: the place of that
    block, or 0, and in which share of them these were read."""
    share = np.float32(1.0)
    for k in range(span[0], span[1]):
        token = _told(ids[k], flags)
        e, last = c + 1, c + 1 + seen.behind[c]
        while e < last and seen.tokens[e] != token:
            e += 1
        if e == last:
            return 0, np.float32(0.0)
        c, share = seen.behind[e], seen.left[e - 1] - seen.left[e]
    return c, share
