"""The words of the source text, and every way a stored candidate would continue them.

A word is a run of whitespace and the run of other characters after it. Before each source token
stands the *state*: the word as far as the source has written it. A candidate for that token then
spells a text that the target's own tokenizer can be asked about::

    tokens      " earn"   "ed"     " $"    "12"
    states      (start)   " earn"  " earned"  " $"
    candidates             "ed" -> " earned",  "s" -> " earns",  " a" -> " a" (a new word)

States and candidates are nodes of one trie over source ids (``trie.py``), so that equal texts met
again cost a look-up. The trie outlives a shard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import allocating, kernel
from align.kernels.threads import over_samples
from align.prefix.trie import (
    CUT,
    FULL,
    LONG,
    MAX_DEPTH,
    START,
    WORD,
    Trie,
    Word,
    child,
    empty_trie,
    grow,
    new_word,
    root,
    spelled,
)
from align.vocabulary import Vocabulary

# What a source id does to a word (bits).
LEADS = 1  # begins with whitespace
INKS = 2  # leaves a word that holds more than whitespace
SPELLS = 4  # spells any text at all
CUTS = 8  # holds a word's end: whitespace after other characters
ENDS = 16  # is the end of sequence

# What a stored entry would do to the word before it.
CONTINUES = 0  # its node is that word and the entry
BEGINS = 1  # its node is a new word
END = 2  # the text ends
SILENT = 3  # nothing: it spells nothing
UNFOLLOWED = 4  # the word is too long
WRITTEN = 5  # it is what was written, see ``state`` of the next token


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

    ``state`` (n,) is the node before each source token, ``inks`` (n,) whether that is more than
    whitespace; ``begins`` (n,) tells that the token begins a new word; ``node`` and ``role``
    (stored,) belong to the stored entries.
    """

    state: NDArray[np.int32]
    inks: NDArray[np.bool_]
    begins: NDArray[np.bool_]
    node: NDArray[np.int32]
    role: NDArray[np.uint8]


def new_trie(source: Vocabulary) -> Trie:
    """An empty trie over the ids of ``source``."""
    bits, cut = _classify(source.indptr, source.data)
    if source.eos is not None:
        bits[source.eos] = ENDS
    return empty_trie(bits, cut)


def walk(trie: Trie, source: Source, *, threads: int = 1) -> tuple[Trie, Walk]:
    """The trie, grown where it had to be, and where the shard's words stand in it."""
    found = Walk(
        np.empty(len(source.ids), np.int32),
        np.empty(len(source.ids), np.bool_),
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
    """Fill ``found`` for sample ``s``; 0, or MISSING or FULL where it stopped.

    All that says where to look is reckoned from the tokens, not read from nodes found before, so
    that look-ups need not wait for one another.
    """
    word, inks = root(START), False
    for j in range(source.indptr[s], source.indptr[s + 1]):
        written = source.ids[j]
        found.state[j], found.inks[j] = word.node, inks
        for e in range(source.row_ptr[j], source.row_ptr[j + 1]):
            token = source.entries[e]
            bits = trie.bits[token]
            found.node[e] = START
            if token == written:
                found.role[e] = WRITTEN
            elif bits & SPELLS:
                begins = inks and bits & LEADS != 0
                node = new_word(trie, token, insert) if begins else child(trie, word, token, insert)
                if node < 0:
                    return node
                found.node[e] = node
                found.role[e] = UNFOLLOWED if node == LONG else (BEGINS if begins else CONTINUES)
            else:
                found.role[e] = END if bits & ENDS else SILENT
        bits = trie.bits[written]
        begins = inks and bits & LEADS != 0
        found.begins[j] = begins
        if bits & SPELLS:
            if bits & CUTS or begins:
                word, inks = root(CUT if bits & CUTS else WORD), False
            node = child(trie, word, written, insert)
            if node < 0:
                return node
            long = word.depth == MAX_DEPTH
            word = Word(node, word.depth + (not long), spelled(word.key, written))
            inks = inks or long or bits & INKS != 0
    return 0


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
