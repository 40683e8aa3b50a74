"""How partly written words continue, counted over the texts of the store.

A candidate that the teacher did not choose may leave its word open: after " $" a number follows,
and the student has pieces like " $12" for both. What the teacher would have written then is not in
the store; what it wrote wherever it did begin a word so, is::

    word begun   " $"     continued, over a store   " $1" 120 times, " $2" 97, " $12" 31, ...

For each node of the trie of words (``word_states.py``) the target tokens of the words that began so
are counted, one after the other. A candidate's mass is split by these counts, with one more for the
word as it is written (``row_kernel.py``); a word never met again stays as it is. This is an
estimate, and the only one in the projection: everything on the teacher's own path stays exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.hash_table import HALF, PRIME, empty_table, fill_table, mixed, slot_of
from align.kernels.jit import entry, integer
from align.prefix.shard_arrays import (
    ANCHOR,
    AT,
    ID,
    LENGTH,
    NO_TEXT,
    NOWHERE,
    STATE,
    TOKEN,
    Source,
    Words,
)
from align.prefix.trie import LONG, START
from align.vocabulary import SPECIAL, UNKNOWN

MOST = 16  # next tokens that are remembered; a word that went on otherwise is not followed
PART = 4  # a next token with less than 1 / PART of an equal share of a row is merged into the tail
FAR = 4  # target tokens of a word that are looked at


class Counts(NamedTuple):
    """How often words continued how, as a trie.

    After position 0 come the nodes that were met, and after each of these target tokens or NO_TEXT,
    one after the other. ``keys`` (room,) hold the position before and the node or token, ``table``
    finds a position by its key, ``times`` is how often that was so; ``size`` (1,) positions are in
    use.
    """

    table: NDArray[np.int32]
    keys: NDArray[np.uint64]
    times: NDArray[np.int64]
    size: NDArray[np.int64]


class Continuations(NamedTuple):
    """The counts as shares of a candidate's mass.

    What followed has a block at some position p > 0, whose first row says in ``steps`` (positions,
    2) how many tokens are distinguished and how many follow at all. The tokens follow in the next
    rows, the most frequent first, each with the block of what came after it, or 0.
    ``left[p]`` is the share of words that came as far as the block, ``left[p + k]`` what the first
    k tokens leave of it: other tokens, and words that had ended.
    """

    steps: NDArray[np.int32]
    left: NDArray[np.float32]


def no_counts(*, room: int = 1 << 16) -> Counts:
    """Nothing counted yet; ``room``, a power of two, is how many positions there may be."""
    return Counts(
        empty_table(room), np.zeros(room, np.uint64), np.zeros(room, np.int64), np.ones(1, np.int64)
    )


def count_words(
    counts: Counts,
    source: Source,
    target: NDArray[np.int64],
    table: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> Counts:
    """``counts``, grown where it had to be, with every word of a shard counted.

    Args:
        source: the source's tables, see ``shard_arrays``.
        target: (samples + 1,) pointers of the target's samples; ``table`` are their tokens.
        flags: (V,) of target ids.
    """
    node, anchor = source.tokens[:, STATE], source.tokens[:, ANCHOR].astype(np.int64)
    begun = (node != START) & (node != LONG) & (anchor != NOWHERE)
    begun[source.indptr[:-1][np.diff(source.indptr) > 0]] = False
    j = np.flatnonzero(begun)
    first, stop = anchor[j], np.repeat(target[1:], np.diff(source.indptr))[j]
    # how the word went on up to the end of what was written of it
    last, token = first.copy(), np.append(table[:, TOKEN], NOWHERE)
    goes_on = np.flatnonzero(first < stop)
    for _ in range(FAR):
        following = token[last[goes_on]]
        goes_on = goes_on[(following != NOWHERE) & (following < j[goes_on])]
        last[goes_on] += 1
        goes_on = goes_on[last[goes_on] < stop[goes_on]]
    return _count_all(counts, node[j], (first, last), np.ascontiguousarray(table[:, ID]), flags)


def _count_all(
    counts: Counts,
    nodes: NDArray[np.integer],
    spans: tuple[NDArray[np.int64], NDArray[np.int64]],
    ids: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> Counts:
    """``counts`` with room for, and with, the target tokens ``ids`` of one span after each node."""
    more = len(nodes) + int((spans[1] - spans[0]).sum())
    if int(counts.size[0]) + more > len(counts.times):
        counts = _with_room(counts, more)
    jobs = np.stack([nodes, *spans], axis=1)
    tokens = np.where(flags[ids] & (SPECIAL | UNKNOWN) > 0, NO_TEXT, ids).astype(np.int32)
    _count(counts.table, counts.keys, counts.times, counts.size, jobs, tokens)
    return counts


@entry
def _count(
    table: NDArray[np.int32],
    keys: NDArray[np.uint64],
    times: NDArray[np.int64],
    size: NDArray[np.int64],
    jobs: NDArray[np.int64],
    tokens: NDArray[np.int32],
) -> None:
    """Count a node and the tokens after it, of each of ``jobs`` (J, 3): the node, and the first and
    the last of its tokens in ``tokens``."""
    for k in range(len(jobs)):
        before, first = integer(0), jobs[k, 1]
        # the node itself is counted as the step before its first token
        for i in range(first - 1, jobs[k, 2]):
            token = jobs[k, 0] if i < first else integer(tokens[i])
            key = (np.uint64(before) << HALF) | np.uint64(token - NO_TEXT)
            slot = slot_of(table, keys, key, mixed(key))
            position = integer(table[slot])
            if position == 0:  # there is room: ``_count_all`` grew the arrays before
                position = size[0]
                size[0] += 1
                keys[position], table[slot] = key, position
            times[position] += 1
            if i - first >= FAR:  # words are not looked at so far: all are taken to go on alike
                times[position] = times[before]
            before = position


def add_counts(
    counts: Counts,
    keys: NDArray[np.uint64],
    times: NDArray[np.int64],
    nodes: NDArray[np.int64],
) -> Counts:
    """``counts``, grown where it had to be, with what was counted elsewhere.

    Args:
        keys, times: (positions,) those in use elsewhere.
        nodes: where each node of that trie of words is in this one.
    """
    if int(counts.size[0]) + len(keys) > len(counts.times):
        counts = _with_room(counts, len(keys))
    _add_counts(counts.table, counts.keys, counts.times, counts.size, keys, times, nodes)
    return counts


@entry
def _add_counts(
    table: NDArray[np.int32],
    keys: NDArray[np.uint64],
    times: NDArray[np.int64],
    size: NDArray[np.int64],
    more: NDArray[np.uint64],
    more_times: NDArray[np.int64],
    nodes: NDArray[np.int64],
) -> None:
    """Add each position of ``more``, which come after the position before them."""
    places = np.zeros(len(more), np.int64)
    for i in range(1, len(more)):
        before, token = integer(more[i] >> HALF), integer(more[i] & np.uint64(0xFFFFFFFF))
        if before == 0:
            token = nodes[token + NO_TEXT] - NO_TEXT
        key = (np.uint64(places[before]) << HALF) | np.uint64(token)
        slot = slot_of(table, keys, key, mixed(key))
        position = integer(table[slot])
        if position == 0:  # there is room: ``add_counts`` made it
            position = size[0]
            size[0] += 1
            keys[position], table[slot] = key, position
        times[position] += more_times[i]
        places[i] = position


def _with_room(counts: Counts, more: int) -> Counts:
    """A copy with room for ``more`` positions."""
    size = int(counts.size[0])
    copy = no_counts(room=1 << (size + more - 1).bit_length())
    copy.keys[:size], copy.times[:size] = counts.keys[:size], counts.times[:size]
    copy.size[0] = size
    hashes = copy.keys[:size] * PRIME
    fill_table(copy.table, hashes ^ (hashes >> HALF), 1, size)
    return copy


def _split(counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The position before each, and its token or node."""
    before, token = np.divmod(counts.keys[: counts.size[0]].astype(np.int64), 1 << 32)
    return before, token + NO_TEXT


def summarize(
    counts: Counts, words: Words, flags: NDArray[np.uint8], keep: int | None
) -> tuple[Continuations, NDArray[np.int32]]:
    """The counts as shares.

    Args:
        words, flags: the target tokens of every node, and (V,) the flags of target ids.
        keep: entries that a row keeps, None for all. Of one candidate, no more next tokens are
            distinguished, and only those that get 1 / (PART keep) of it.

    Returns:
        The shares, and (nodes,) the block of each node, -1 where nothing else was met.
    """
    counts = _with_whole_words(counts, words, flags)
    before, token = _split(counts)
    top = np.where(before > 0, before, np.arange(len(before)))
    while before[top].any():
        top = top[top]
    times = counts.times[: len(top)]
    total = times[top]
    # Where there was one way only, it was the word itself, which counts once as well.
    several = np.bincount(top, times < total, len(top)) > 0
    kept, rank = _ranked(before, token, times, (before > 0) & several[top])
    starts = _starts(before[kept])
    size = np.diff(np.append(starts, len(kept)))
    which = np.repeat(np.arange(len(starts)), size)
    block, entry = 1 + starts + np.arange(len(starts)), 2 + np.arange(len(kept)) + which
    parent = before[kept[starts]]
    distinct = token[kept] != NO_TEXT  # which come last in their block
    if keep is not None:
        distinct &= (rank < keep) & (PART * keep * times[kept] >= times[parent][which])
    block_of = np.zeros(len(top), np.int32)
    block_of[parent] = block
    steps = np.zeros((1 + len(kept) + len(starts), 2), np.int32)
    left = np.zeros(len(steps), np.float32)
    steps[block, 0], steps[block, 1] = np.bincount(which[distinct], minlength=len(starts)), size
    steps[entry, 0], steps[entry, 1] = token[kept], block_of[kept]
    gone = np.cumsum(times[kept])
    gone -= (gone - times[kept])[starts][which]  # of each block alone
    left[block] = times[parent] / total[parent]
    left[entry] = (times[parent][which] - gone) / total[kept]
    context = np.full(len(words.spans), -1, np.int32)
    tops = np.flatnonzero(several & (block_of > 0))
    context[token[tops]] = block_of[tops]
    return Continuations(steps, left), context


def _ranked(
    before: NDArray[np.int64],
    token: NDArray[np.int64],
    times: NDArray[np.int64],
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The wanted positions, block by block, the MOST frequent of each; and their rank there."""
    order = np.flatnonzero(wanted)
    columns = (token, -times, token == NO_TEXT, before)
    order = order[np.lexsort([column[order] for column in columns])]
    starts = _starts(before[order])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < MOST], rank[rank < MOST]


def _starts(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])


def _with_whole_words(counts: Counts, words: Words, flags: NDArray[np.uint8]) -> Counts:
    """A copy in which every node counts once more, as the word that it is.

    Words that began like one are taken to go on like it where they were not looked at.
    """
    before, token = _split(counts)
    nodes = token[1:][before[1:] == 0]
    spans = words.spans[nodes].astype(np.int64)
    first = spans[:, AT]
    counts = _with_room(counts, 0)
    return _count_all(counts, nodes, (first, first + spans[:, LENGTH]), words.ids, flags)
