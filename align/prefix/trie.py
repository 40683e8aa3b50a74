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

from align.kernels.hash_table import empty_table, mixed, paired, slot_of
from align.kernels.jit import inlined, kernel

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
    """``keys`` (room,) hold the parent and the token of every node; ``table`` finds a node by them,
    from the hash of all of its tokens on (``table.py``). ``word`` (V,) holds the children of WORD;
    ``size`` (1,) is the number of nodes; ``bits`` and ``cut`` (V,) describe source ids, see
    ``words``."""

    table: NDArray[np.int32]
    keys: NDArray[np.uint64]
    word: NDArray[np.int32]
    size: NDArray[np.int64]
    bits: NDArray[np.uint8]
    cut: NDArray[np.int32]

    def spelling(self, node: int) -> tuple[int, int]:
        """The parent and the token of ``node``."""
        return divmod(int(self.keys[node]), 1 << 32)


def empty_trie(bits: NDArray[np.uint8], cut: NDArray[np.int32], *, room: int = 1 << 13) -> Trie:
    """No nodes but the roots; ``room``, a power of two, is how many there may be."""
    return Trie(
        empty_table(room),
        np.zeros(room, np.uint64),
        np.full(len(bits), -1, np.int32),
        np.array([ROOTS], np.int64),
        bits,
        cut,
    )


def grow(trie: Trie) -> Trie:
    """The same nodes with twice the room."""
    keys = np.concatenate([trie.keys, np.zeros_like(trie.keys)])
    grown = trie._replace(table=empty_table(len(keys)), keys=keys)
    _rehash(grown, np.empty(len(trie.keys), np.uint64))
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
    key = paired(word.node, token)
    slot = slot_of(trie.table, trie.keys, key, spelled(word.key, token))
    node = int(trie.table[slot])
    if node == 0:
        return _add(trie, key, slot) if insert else MISSING
    return node


@kernel
def _add(trie: Trie, key: np.uint64, slot: np.uint64) -> int:
    """A new node at the free ``slot`` of the table, or FULL."""
    new = int(trie.size[0])
    if new >= len(trie.keys):
        return FULL
    trie.size[0] = new + 1
    trie.keys[new], trie.table[slot] = key, new
    if key >> np.uint64(32) == WORD:
        trie.word[key & np.uint64(0xFFFFFFFF)] = new
    return new


@inlined
def spelled(key: np.uint64, token: int) -> np.uint64:
    """The hash of a word after one more token."""
    return mixed(key + np.uint64(token) + np.uint64(1))


@kernel
def _rehash(trie: Trie, hashes: NDArray[np.uint64]) -> None:
    """Fill an empty table with the nodes there are; ``hashes`` is room for one of each."""
    for node in range(ROOTS):
        hashes[node] = root(node).key
    for node in range(ROOTS, trie.size[0]):
        key = trie.keys[node]
        parent, token = key >> np.uint64(32), int(np.int64(key & np.uint64(0xFFFFFFFF)))
        hashes[node] = spelled(hashes[parent], token)
        trie.table[slot_of(trie.table, trie.keys, key, hashes[node])] = node
