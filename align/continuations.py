"""What words that were only begun became, on the texts that were really written.

A candidate that the teacher did not choose may leave its word open: after " $" a number follows,
and the student has pieces like " $12" for both. What the teacher would have written then is not in
the store; what it wrote wherever it did begin a word so, is::

    word begun   " $"     became, over a store   " $1" 120 times, " $2" 97, " $12" 31, ...

For each node of the trie of words (``words.py``) and the target tokens already read of the word,
the next target tokens are counted. A candidate's mass is parted by these counts, with one more for
the word as it stands (``prefix.py``); a word never met again stays as it stands. This is an
estimate, and the only one in the projection: everything on the teacher's own path stays exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.compiled import inlined, kernel
from align.places import NOWHERE, Places, Words
from align.table import empty_table, mixed, place_of
from align.trie import LONG, START

MOST = 16  # next tokens told apart; what came otherwise is tail
FAR = 4  # target tokens of a word that are looked at

NO_TOKENS = np.uint64(0)  # the context in which nothing of the word was read yet
OTHERS = -1  # next tokens beyond MOST, special and unknown ones


class Counts(NamedTuple):
    """How often ``token`` came next in the context ``key`` of ``node``; ``size`` (1,) slots are in
    use. Open addressing; a slot with ``times`` 0 is free."""

    key: NDArray[np.uint64]
    node: NDArray[np.int32]
    token: NDArray[np.int32]
    times: NDArray[np.int64]
    size: NDArray[np.int64]


class Seen(NamedTuple):
    """The counts as shares of a candidate's mass.

    A context, a node and the target tokens read of its word, has a block at some place p > 0 of
    ``tokens`` and ``share``: ``tokens[p]`` says how many next tokens it has and ``share[p]`` what
    their shares make; behind p stand these tokens, or OTHERS, with a share each. Of a node of which
    nothing was read, ``whole`` (nodes,) is the place, or -1; its shares make 1. Else the table
    ``contexts`` has it; and ``alone`` (nodes,) is the share of the word as it stands, 0 where the
    node was never met.
    """

    tokens: NDArray[np.int32]
    share: NDArray[np.float32]
    contexts: NDArray[np.uint64]
    whole: NDArray[np.int32]
    alone: NDArray[np.float32]


def no_counts(*, capacity: int = 1 << 14) -> Counts:
    """Nothing seen yet; ``capacity`` is a power of two."""
    return Counts(
        np.zeros(capacity, np.uint64),
        np.zeros(capacity, np.int32),
        np.zeros(capacity, np.int32),
        np.zeros(capacity, np.int64),
        np.zeros(1, np.int64),
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
        counts = _grown(counts)
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
        most = FAR * (source.indptr[s + 1] - start)
        if 2 * (counts.size[0] + most) > len(counts.key):
            return s
        for j in range(1, source.indptr[s + 1] - start):
            node, anchor = state[start + j], words.anchor[start + j]
            if node in (START, LONG) or anchor == NOWHERE:
                continue
            read, i = NO_TOKENS, row + anchor
            last = min(i + FAR, stop)
            while i < last and places.token[i] != NOWHERE and places.token[i] < j:
                _add(counts, node, context(node, read), target.ids[i])
                read = reading(read, target.ids[i])
                i += 1
    return len(source.indptr) - 1


@kernel
def _add(counts: Counts, node: int, key: np.uint64, token: int) -> None:
    mask = np.uint64(len(counts.key) - 1)
    slot = mixed(key ^ np.uint64(token)) & mask
    while counts.times[slot] > 0:
        if counts.key[slot] == key and counts.token[slot] == token:
            counts.times[slot] += 1
            return
        slot = (slot + np.uint64(1)) & mask
    counts.key[slot], counts.node[slot] = key, node
    counts.token[slot], counts.times[slot] = token, 1
    counts.size[0] += 1


@kernel
def context(node: int, read: np.uint64) -> np.uint64:
    """The key of a node of which the tokens ``read`` were read.

    64 bits of a hash: that two contexts share one is too rare to matter to an estimate.
    """
    return mixed(read ^ (np.uint64(node) + np.uint64(1)))


@kernel
def reading(read: np.uint64, token: int) -> np.uint64:
    """What was read, with one more token."""
    return mixed(read + np.uint64(token) + np.uint64(1)) | np.uint64(1)


def _grown(counts: Counts) -> Counts:
    grown = no_counts(capacity=2 * len(counts.key))
    _refill(counts, grown)
    return grown


@kernel
def _refill(counts: Counts, grown: Counts) -> None:
    mask = np.uint64(len(grown.key) - 1)
    for at in range(len(counts.key)):
        if counts.times[at] > 0:
            slot = mixed(counts.key[at] ^ np.uint64(counts.token[at])) & mask
            while grown.times[slot] > 0:
                slot = (slot + np.uint64(1)) & mask
            grown.key[slot], grown.node[slot] = counts.key[at], counts.node[at]
            grown.token[slot], grown.times[slot] = counts.token[at], counts.times[at]
    grown.size[0] = counts.size[0]


def summarize(counts: Counts, first: NDArray[np.int32], silent: NDArray[np.bool_]) -> Seen:
    """What was counted, as shares.

    Args:
        first: (nodes,) the first target token of every node's word as it stands, or -1.
        silent: (V,) True for target ids that stand for no text of their own.
    """
    used = np.flatnonzero(counts.times)
    key, node = counts.key[used], counts.node[used]
    token, count = counts.token[used], counts.times[used]
    start_key = np.empty(len(first), np.uint64)
    _start_keys(start_key)
    at_start = key == start_key[node]
    total = np.bincount(node[at_start], weights=count[at_start], minlength=len(first))
    met = np.flatnonzero(total).astype(np.int32)
    key = np.concatenate([key, start_key[met]])  # the word as it stands, once more
    node, token = np.concatenate([node, met]), np.concatenate([token, first[met]])
    count = np.concatenate([count, np.ones(len(met), np.int64)])
    token = np.where((token < 0) | silent[token], OTHERS, token)
    key, node, token, count = _merged(key, node, token, count)
    order = np.lexsort((token, -count, key))
    starts = _starts(key)
    rank = np.arange(len(key)) - np.repeat(starts, np.diff(np.append(starts, len(key))))
    token[order[rank >= MOST]] = OTHERS
    key, node, token, count = _merged(key, node, token, count)
    starts, share = _starts(key), count / (total[node] + 1)
    size = np.diff(np.append(starts, len(key)))
    context_of = np.repeat(np.arange(len(starts)), size)
    place = 1 + starts + np.arange(len(starts))
    tokens = np.zeros(1 + len(key) + len(starts), np.int32)
    shares = np.zeros(len(tokens), np.float32)
    tokens[place], shares[place] = size, np.bincount(context_of, share, len(starts))
    entry = 2 + np.arange(len(key)) + context_of
    tokens[entry], shares[entry] = token, share
    contexts = empty_table(1 << (2 * len(starts)).bit_length())
    _index(contexts, key[starts], place)
    several = np.flatnonzero(size > 1)  # else the word as it stands says as much
    several = several[key[starts[several]] == start_key[node[starts[several]]]]
    whole = np.full(len(first), -1, np.int32)
    whole[node[starts[several]]] = place[several]
    alone = np.where(total > 0, 1 / (total + 1), 0).astype(np.float32)
    return Seen(tokens, shares, contexts, whole, alone)


def for_nodes(seen: Seen, nodes: int) -> Seen:
    """The same for a trie that has grown to so many ``nodes``; new ones were never met."""
    new = nodes - len(seen.whole)
    if new == 0:
        return seen
    return seen._replace(
        whole=np.concatenate([seen.whole, np.full(new, -1, np.int32)]),
        alone=np.concatenate([seen.alone, np.zeros(new, np.float32)]),
    )


def _starts(key: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])


def _merged(
    key: NDArray[np.uint64],
    node: NDArray[np.int32],
    token: NDArray[np.int32],
    count: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Sorted by key and token, with the counts of equal ones summed."""
    order = np.lexsort((token, key))
    key, node, token, count = key[order], node[order], token[order], count[order]
    new = np.append(True, (key[1:] != key[:-1]) | (token[1:] != token[:-1]))[: len(key)]
    starts = np.flatnonzero(new)
    total = np.add.reduceat(count, starts) if len(starts) else count
    return key[starts], node[starts], token[starts], total


@kernel
def _start_keys(keys: NDArray[np.uint64]) -> None:
    for node in range(len(keys)):
        keys[node] = context(node, NO_TOKENS)


@kernel
def _index(
    contexts: NDArray[np.uint64], keys: NDArray[np.uint64], places: NDArray[np.int64]
) -> None:
    """Make places findable by the keys of their contexts."""
    for c in range(len(keys)):
        at = place_of(contexts, keys[c], keys[c])
        contexts[at], contexts[at + np.uint64(1)] = keys[c], places[c]


@inlined
def find(contexts: NDArray[np.uint64], key: np.uint64) -> int:
    """The place of the context with this key, or 0."""
    return int(np.int64(contexts[place_of(contexts, key, key) + np.uint64(1)]))
