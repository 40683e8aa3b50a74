"""The words of the source text, and every way a stored candidate would continue them.

A word is a run of whitespace and the run of other characters after it. Before each source token
stands the *state*: the word as far as the source has written it. A candidate for that token then
spells a text that the target's own tokenizer can be asked about::

    tokens      " earn"   "ed"     " $"    "12"
    states      (start)   " earn"  " earned"  " $"
    candidates             "ed" -> " earned",  "s" -> " earns",  " a" -> " a" (a new word)

States and candidates are nodes of one trie over source ids, so that equal texts met again cost a
look-up. The trie outlives a shard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.compiled import allocating, kernel
from align.threads import over_samples
from align.vocabulary import Vocabulary

# What a source id does to a word (bits).
LEADS = 1  # begins with whitespace
INKS = 2  # leaves a word that holds more than whitespace
SPELLS = 4  # spells any text at all
CUTS = 8  # holds a word's end: whitespace after other characters
ENDS = 16  # is the end of sequence

# Nodes that every trie has.
START = 0  # nothing yet, at the start of the text
WORD = 1  # before a token that begins a new word
CUT = 2  # before the part of a token behind its last word end
LONG = 3  # a word of more than MAX_DEPTH tokens: no longer followed
ROOTS = 4

MAX_DEPTH = 24

# What a stored entry would do to the word before it.
CONTINUES = 0  # its node is that word and the entry
BEGINS = 1  # its node is a new word
END = 2  # the text ends
SILENT = 3  # nothing: it spells nothing
UNFOLLOWED = 4  # the word is too long

# Instead of a node.
MISSING = -1  # not in the trie yet
FULL = -2  # not in the trie, which has no room left


class Source(NamedTuple):
    """Source tokens of many samples, and the stored candidates for each.

    ``indptr`` (samples + 1,), ``ids`` (n,), ``row_ptr`` (n + 1,), ``entries`` (stored,) ids.
    """

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    row_ptr: NDArray[np.int64]
    entries: NDArray[np.int32]


class Walk(NamedTuple):
    """Where the words of a shard stand in a trie.

    ``state`` (n,) is the node before each source token; ``begins`` (n,) tells that the token
    begins a new word; ``node`` and ``role`` (stored,) belong to the stored entries.
    """

    state: NDArray[np.int32]
    begins: NDArray[np.bool_]
    node: NDArray[np.int32]
    role: NDArray[np.uint8]


class Trie(NamedTuple):
    """``table`` (capacity, 2) int64 hashes (parent, token) to a node, open addressing; ``parent``,
    ``token``, ``depth`` and ``inks`` describe nodes; ``word`` (V,) holds the children of WORD;
    ``size`` (1,) is the number of nodes; ``bits`` and ``cut`` (V,) describe source ids."""

    table: NDArray[np.int64]
    parent: NDArray[np.int32]
    token: NDArray[np.int32]
    depth: NDArray[np.uint8]
    inks: NDArray[np.uint8]
    word: NDArray[np.int32]
    size: NDArray[np.int64]
    bits: NDArray[np.uint8]
    cut: NDArray[np.int32]


def new_trie(source: Vocabulary, *, capacity: int = 1 << 14) -> Trie:
    """An empty trie over the ids of ``source``; ``capacity`` is a power of two."""
    bits, cut = _classify(source.indptr, source.data)
    if source.eos is not None:
        bits[source.eos] = ENDS
    inks, depth = np.zeros(capacity // 2, np.uint8), np.zeros(capacity // 2, np.uint8)
    inks[LONG], depth[LONG] = INKS, MAX_DEPTH
    return Trie(
        np.full((capacity, 2), -1, np.int64),
        np.full(capacity // 2, -1, np.int32),
        np.full(capacity // 2, -1, np.int32),
        depth,
        inks,
        np.full(len(source), -1, np.int32),
        np.array([ROOTS], np.int64),
        bits,
        cut,
    )


def grow(trie: Trie) -> Trie:
    """The same nodes with twice the room."""
    capacity, room = 2 * len(trie.table), len(trie.parent)
    grown = trie._replace(
        table=np.full((capacity, 2), -1, np.int64),
        parent=np.concatenate([trie.parent, np.full(room, -1, np.int32)]),
        token=np.concatenate([trie.token, np.full(room, -1, np.int32)]),
        depth=np.concatenate([trie.depth, np.zeros(room, np.uint8)]),
        inks=np.concatenate([trie.inks, np.zeros(room, np.uint8)]),
    )
    _rehash(grown)
    return grown


def walk(trie: Trie, source: Source, *, threads: int = 1) -> tuple[Trie, Walk]:
    """The trie, grown where it had to be, and where the shard's words stand in it."""
    found = Walk(
        np.empty(len(source.ids), np.int32),
        np.empty(len(source.ids), np.bool_),
        np.empty(len(source.entries), np.int32),
        np.empty(len(source.entries), np.uint8),
    )
    missed = np.zeros(len(source.indptr) - 1, np.int32)
    over_samples(threads, len(missed), _walk_all, trie, source, found, missed)
    at = 0
    while (at := _insert_all(trie, source, found, missed, at)) < len(missed):
        trie = grow(trie)
    return trie, found


@kernel
def _walk_all(
    first: int, last: int, trie: Trie, source: Source, found: Walk, missed: NDArray[np.int32]
) -> None:
    """Look samples ``first:last`` up; ``missed`` is MISSING where a node is not there, else 0."""
    for s in range(first, last):
        missed[s] = _walk_sample(trie, source, found, s, False)


@kernel
def _insert_all(trie: Trie, source: Source, found: Walk, missed: NDArray[np.int32], at: int) -> int:
    """Walk the missed samples from ``at`` on and add their nodes; the sample that found no room."""
    for s in range(at, len(missed)):
        if missed[s] != 0 and _walk_sample(trie, source, found, s, True) == FULL:
            return s
    return len(missed)


@kernel
def _walk_sample(trie: Trie, source: Source, found: Walk, s: int, insert: bool) -> int:
    """Fill ``found`` for sample ``s``; 0, or MISSING or FULL where it stopped."""
    now = START
    for j in range(source.indptr[s], source.indptr[s + 1]):
        inks = trie.inks[now] != 0
        for e in range(source.row_ptr[j], source.row_ptr[j + 1]):
            token = source.entries[e]
            bits = trie.bits[token]
            found.node[e] = START
            if bits & SPELLS:
                begins = inks and bits & LEADS != 0
                node = _child(trie, WORD if begins else now, token, insert)
                if node < 0:
                    return node
                found.node[e] = node
                found.role[e] = UNFOLLOWED if node == LONG else (BEGINS if begins else CONTINUES)
            else:
                found.role[e] = END if bits & ENDS else SILENT
        token = source.ids[j]
        bits = trie.bits[token]
        found.state[j] = now
        found.begins[j] = inks and bits & LEADS != 0
        if bits & SPELLS:
            parent = CUT if bits & CUTS else (WORD if found.begins[j] else now)
            now = _child(trie, parent, token, insert)
            if now < 0:
                return now
    return 0


@kernel
def _child(trie: Trie, parent: int, token: int, insert: bool) -> int:
    """The node after ``parent`` and ``token``; MISSING or FULL where there is none."""
    if trie.depth[parent] >= MAX_DEPTH:
        return LONG
    if parent == WORD and trie.word[token] >= 0:
        return int(trie.word[token])
    mask = len(trie.table) - 1
    key = _key(parent, token)
    slot = _slot(key, mask)
    while trie.table[slot, 0] != -1:
        if trie.table[slot, 0] == key:
            return int(trie.table[slot, 1])
        slot = (slot + 1) & mask
    if not insert:
        return MISSING
    return _add(trie, parent, token, slot)


@kernel
def _add(trie: Trie, parent: int, token: int, slot: int) -> int:
    """A new node in the free ``slot`` of the table, or FULL."""
    new = int(trie.size[0])
    if new >= len(trie.parent):
        return FULL
    trie.size[0] = new + 1
    trie.parent[new], trie.token[new] = parent, token
    trie.depth[new] = trie.depth[parent] + 1
    trie.inks[new] = trie.inks[parent] | (trie.bits[token] & INKS)
    if parent == WORD:
        trie.word[token] = new
    trie.table[slot, 0], trie.table[slot, 1] = _key(parent, token), new
    return new


@kernel
def _key(parent: int, token: int) -> int:
    return int((np.int64(parent) << 32) | np.int64(token))


@kernel
def _slot(key: int, mask: int) -> int:
    """Where to look for ``key`` first (multiplicative hashing)."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return int(np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(mask)))


@kernel
def _rehash(trie: Trie) -> None:
    """Fill an empty table with the nodes there are."""
    mask = len(trie.table) - 1
    for node in range(ROOTS, trie.size[0]):
        key = _key(trie.parent[node], trie.token[node])
        slot = _slot(key, mask)
        while trie.table[slot, 0] != -1:
            slot = (slot + 1) & mask
        trie.table[slot, 0], trie.table[slot, 1] = key, node


@allocating
def _classify(
    indptr: NDArray[np.int64], data: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The bits of every id, and where in its bytes the last word ends (0: nowhere)."""
    count = len(indptr) - 1
    bits = np.zeros(count, np.uint8)
    cut = np.zeros(count, np.int32)
    for v in range(count):
        inked = False
        for at in range(indptr[v], indptr[v + 1]):
            bits[v] |= SPELLS
            space = is_space(data[at])
            if space and at == indptr[v]:
                bits[v] |= LEADS
            if space and inked:
                bits[v] |= CUTS
                cut[v] = at - indptr[v]
            inked = not space
        if inked:
            bits[v] |= INKS
    return bits, cut


@kernel
def is_space(byte: int) -> bool:
    """Whether ``byte`` is ASCII whitespace."""
    return byte == 32 or 9 <= byte <= 13
