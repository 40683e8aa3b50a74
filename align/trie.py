"""A trie of words: every sequence of source ids that was met, as a node.

    node 7   " earn"          parent WORD, token " earn"
    node 9   " earn" "ed"     parent 7, token "ed"

Where to look for a node is reckoned from the tokens of its word alone, so that no look-up has to
wait for the one before it; parent and token are compared, so that no word is taken for another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined, kernel
from align.table import empty_table, mixed, paired, place_of

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
    hash of these tokens (``key``), from which its children's are made."""

    node: int
    depth: int
    key: np.uint64


class Trie(NamedTuple):
    """``table`` has the node of parent and token, as one key, from the hash of all of its tokens on
    (``table.py``); ``parent`` and ``token`` describe nodes; ``word`` (V,) holds the children of
    WORD; ``size`` (1,) is the number of nodes; ``bits`` and ``cut`` (V,) describe source ids, see
    ``words``."""

    table: NDArray[np.uint64]
    parent: NDArray[np.int32]
    token: NDArray[np.int32]
    word: NDArray[np.int32]
    size: NDArray[np.int64]
    bits: NDArray[np.uint8]
    cut: NDArray[np.int32]


def empty_trie(bits: NDArray[np.uint8], cut: NDArray[np.int32], *, capacity: int = 1 << 14) -> Trie:
    """No nodes but the roots; ``capacity`` is a power of two."""
    return Trie(
        empty_table(capacity),
        np.full(capacity // 2, -1, np.int32),
        np.full(capacity // 2, -1, np.int32),
        np.full(len(bits), -1, np.int32),
        np.array([ROOTS], np.int64),
        bits,
        cut,
    )


def grow(trie: Trie) -> Trie:
    """The same nodes with twice the room."""
    room = len(trie.parent)
    grown = trie._replace(
        table=empty_table(len(trie.table)),  # two numbers for each key
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
    pair = paired(word.node, token)
    place = place_of(trie.table, pair, spelled(word.key, token))
    node = int(np.int64(trie.table[place + np.uint64(1)]))
    if node == 0:
        return _add(trie, word.node, token, place) if insert else MISSING
    return node


@kernel
def _add(trie: Trie, parent: int, token: int, place: np.uint64) -> int:
    """A new node at the free ``place`` of the table, or FULL."""
    new = int(trie.size[0])
    if new >= len(trie.parent):
        return FULL
    trie.size[0] = new + 1
    trie.parent[new], trie.token[new] = parent, token
    if parent == WORD:
        trie.word[token] = new
    trie.table[place], trie.table[place + np.uint64(1)] = paired(parent, token), new
    return new


@inlined
def spelled(key: np.uint64, token: int) -> np.uint64:
    """The hash of a word after one more token."""
    return mixed(key + np.uint64(token) + np.uint64(1))


@kernel
def _rehash(trie: Trie, keys: NDArray[np.uint64]) -> None:
    """Fill an empty table with the nodes there are; ``keys`` is room for one of each."""
    for node in range(ROOTS):
        keys[node] = root(node).key
    for node in range(ROOTS, trie.size[0]):
        parent, token = trie.parent[node], trie.token[node]
        pair, keys[node] = paired(parent, token), spelled(keys[parent], token)
        place = place_of(trie.table, pair, keys[node])
        trie.table[place], trie.table[place + np.uint64(1)] = pair, node
