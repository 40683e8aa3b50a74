"""A trie of words: every sequence of source ids that was met, as a node.

    node 7   " earn"          parent WORD, token " earn"
    node 9   " earn" "ed"     parent 7, token "ed"

A node is found by a key that is reckoned from the tokens of its word alone, so that no look-up has
to wait for the one before it; parent and token are compared, so that no word is taken for another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined, kernel

# Nodes that every trie has.
START = 0  # nothing yet, at the start of the text
WORD = 1  # before a token that begins a new word
CUT = 2  # before the part of a token behind its last word end
LONG = 3  # a word of more than MAX_DEPTH tokens: no longer followed
ROOTS = 4

MAX_DEPTH = 24

# Instead of a node.
MISSING = -1  # not in the trie yet
FULL = -2  # not in the trie, which has no room left


class Word(NamedTuple):
    """A word as far as it was written: its ``node``, of how many tokens it is (``depth``), and the
    ``key`` of these tokens, where its children are looked for first."""

    node: int
    depth: int
    key: np.uint64


class Trie(NamedTuple):
    """``table`` (2 capacity,) int64: parent and token as one, then the node, found by the key of
    the node's tokens, open addressing; ``parent`` and ``token`` describe nodes; ``word`` (V,) holds
    the children of WORD; ``size`` (1,) is the number of nodes; ``bits`` and ``cut`` (V,) describe
    source ids, see ``words``."""

    table: NDArray[np.int64]
    parent: NDArray[np.int32]
    token: NDArray[np.int32]
    word: NDArray[np.int32]
    size: NDArray[np.int64]
    bits: NDArray[np.uint8]
    cut: NDArray[np.int32]


def empty_trie(bits: NDArray[np.uint8], cut: NDArray[np.int32], *, capacity: int = 1 << 14) -> Trie:
    """No nodes but the roots; ``capacity`` is a power of two."""
    return Trie(
        np.full(2 * capacity, -1, np.int64),
        np.full(capacity // 2, -1, np.int32),
        np.full(capacity // 2, -1, np.int32),
        np.full(len(bits), -1, np.int32),
        np.array([ROOTS], np.int64),
        bits,
        cut,
    )


def grow(trie: Trie) -> Trie:
    """The same nodes with twice the room."""
    capacity, room = len(trie.table), len(trie.parent)
    grown = trie._replace(
        table=np.full(2 * capacity, -1, np.int64),
        parent=np.concatenate([trie.parent, np.full(room, -1, np.int32)]),
        token=np.concatenate([trie.token, np.full(room, -1, np.int32)]),
    )
    _rehash(grown, np.empty(room, np.uint64))
    return grown


@inlined
def root(node: int) -> Word:
    """Nothing of a word yet, at a node that every trie has."""
    return Word(node, 0, np.uint64(node))


@inlined
def new_word(trie: Trie, token: int, insert: bool) -> int:
    """The node of a word that begins with ``token``; MISSING or FULL where there is none."""
    node = int(trie.word[token])
    return node if node >= 0 else child(trie, root(WORD), token, insert)


@inlined
def child(trie: Trie, word: Word, token: int, insert: bool) -> int:
    """The node after ``word`` and ``token``; MISSING or FULL where there is none."""
    if word.depth == MAX_DEPTH:
        return LONG
    mask = np.uint64(len(trie.table) - 2)
    pair = _pair(word.node, token)
    slot = spelled(word.key, token) & mask
    while trie.table[slot] != -1:
        if trie.table[slot] == pair:
            return int(trie.table[slot + np.uint64(1)])
        slot = (slot + np.uint64(2)) & mask
    if not insert:
        return MISSING
    return _add(trie, word.node, token, slot)


@kernel
def _add(trie: Trie, parent: int, token: int, slot: np.uint64) -> int:
    """A new node in the free ``slot`` of the table, or FULL."""
    new = int(trie.size[0])
    if new >= len(trie.parent):
        return FULL
    trie.size[0] = new + 1
    trie.parent[new], trie.token[new] = parent, token
    if parent == WORD:
        trie.word[token] = new
    trie.table[slot], trie.table[slot + np.uint64(1)] = _pair(parent, token), new
    return new


@inlined
def _pair(parent: int, token: int) -> int:
    return int((np.int64(parent) << 32) | np.int64(token))


@inlined
def spelled(key: np.uint64, token: int) -> np.uint64:
    """The key of a word after one more token."""
    mixed = (key + np.uint64(token) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32))


@kernel
def _rehash(trie: Trie, keys: NDArray[np.uint64]) -> None:
    """Fill an empty table with the nodes there are; ``keys`` is room for one of each."""
    mask = np.uint64(len(trie.table) - 2)
    for node in range(ROOTS):
        keys[node] = root(node).key
    for node in range(ROOTS, trie.size[0]):
        parent, token = trie.parent[node], trie.token[node]
        keys[node] = spelled(keys[parent], token)
        slot = keys[node] & mask
        while trie.table[slot] != -1:
            slot = (slot + np.uint64(2)) & mask
        trie.table[slot] = _pair(parent, token)
        trie.table[slot + np.uint64(1)] = node
