"""A trie of words: every sequence of source ids that was met, as a node.

    node 7   " earn"          parent WORD, token " earn"
    node 9   " earn" "ed"     parent 7, token "ed"

Where to look for a node follows from the tokens of its word alone, so that no look-up has to wait
for the one before it; parent and token are compared, so that no word is taken for another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.hash_table import HALF, empty_table, fill_table, mixed, slot_of
from align.kernels.jit import entry, integer, kernel

# Nodes that every trie has.
START = 0  # nothing yet, at the start of the text
WORD = 1  # before a token that begins a new word
CUT = 2  # before the part of a token after its last word end
LONG = 3  # a word of more than MAX_DEPTH tokens: no longer followed
ROOTS = 4

MAX_DEPTH = 24

# Instead of a node.
MISSING = -1  # not in the trie yet
FULL = -2  # not in the trie, which has no room left


class Trie(NamedTuple):
    """``keys`` (room,) hold the parent and the token of every node, ``hashes`` (room,) a hash of
    all tokens of its word, by which ``table`` finds it; ``size`` (1,) is the number of nodes."""

    table: NDArray[np.int32]
    keys: NDArray[np.uint64]
    hashes: NDArray[np.uint64]
    size: NDArray[np.int64]

    def spelling(self, node: int) -> tuple[int, int]:
        """The parent and the token of ``node``."""
        return divmod(int(self.keys[node]), 1 << 32)


def empty_trie(*, room: int = 1 << 16) -> Trie:
    """No nodes but the roots; ``room``, a power of two, is how many there may be."""
    hashes = np.zeros(room, np.uint64)
    hashes[:ROOTS] = range(ROOTS)
    return Trie(empty_table(room), np.zeros(room, np.uint64), hashes, np.array([ROOTS], np.int64))


def grow(trie: Trie) -> Trie:
    """The same nodes with twice the room."""
    keys, hashes = (np.concatenate([old, np.zeros_like(old)]) for old in (trie.keys, trie.hashes))
    table = empty_table(len(keys))
    fill_table(table, hashes, ROOTS, int(trie.size[0]))
    return Trie(table, keys, hashes, trie.size)


def add_words(trie: Trie, keys: NDArray[np.uint64]) -> tuple[Trie, NDArray[np.int64]]:
    """The trie with the words of another, and where each node of that one is in it.

    Args:
        keys: (nodes,) those of the other, whose nodes come after their parents.
    """
    while len(trie.keys) < int(trie.size[0]) + len(keys):
        trie = grow(trie)
    nodes = np.arange(len(keys))
    _add_words(trie, keys, nodes)
    return trie, nodes


@entry
def _add_words(trie: Trie, keys: NDArray[np.uint64], nodes: NDArray[np.int64]) -> None:
    """Write into ``nodes``, behind the roots, where the words of ``keys`` are now."""
    for i in range(ROOTS, len(keys)):
        parent = nodes[integer(keys[i] >> HALF)]
        token = integer(keys[i] & np.uint64(0xFFFFFFFF))
        # the depth was looked at where the word was met first
        node = child(trie.table, trie.keys, parent, integer(0), trie.hashes[parent], token)
        if node == MISSING:
            node = add_child(trie, parent, trie.hashes[parent], token)
        nodes[i] = node


@kernel
def child(
    table: NDArray[np.int32],
    keys: NDArray[np.uint64],
    parent: int,
    depth: int,
    key: np.uint64,
    token: int,
) -> int:
    """The node of the word ``parent`` and ``token``, or LONG, or MISSING.

    Args:
        table, keys: those of the trie; few arrays, for this is called for every candidate.
        depth: the number of tokens of the parent's word.
        key: their hash.
    """
    # endless words (a line of dashes) would fill the trie with nodes that are met once
    if depth == MAX_DEPTH:
        return LONG
    pair = (np.uint64(parent) << HALF) | np.uint64(token)
    node = table[slot_of(table, keys, pair, mixed(key + np.uint64(token + 1)))]
    return integer(node) if node > 0 else MISSING


@kernel
def add_child(trie: Trie, parent: int, key: np.uint64, token: int) -> int:
    """Add the node that ``child`` misses; FULL where there is no room."""
    # arrays cannot grow in a kernel: the caller makes room and walks the sample again
    node = trie.size[0]
    if node == len(trie.keys):
        return FULL
    # the pair decides, the hash of the whole word only where it is looked for
    pair = (np.uint64(parent) << HALF) | np.uint64(token)
    hashed = mixed(key + np.uint64(token + 1))
    trie.table[slot_of(trie.table, trie.keys, pair, hashed)] = node
    trie.keys[node], trie.hashes[node] = pair, hashed
    trie.size[0] += 1
    return int(node)
