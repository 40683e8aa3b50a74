"""The words of the source text, and every way a stored candidate would continue them.

A word is a run of whitespace and the run of other characters after it. Before each source token
is the *state*: the word as far as the source has written it. A candidate for that token then
spells a text that the target's own tokenizer can be asked about::

    tokens      " earn"   "ed"     " $"    "12"
    states      (start)   " earn"  " earned"  " $"
    candidates             "ed" -> " earned",  "s" -> " earns",  " a" -> " a" (a new word)

States and candidates are nodes of one trie over source ids (``trie.py``), so that equal texts met
again cost a look-up. The trie outlives a shard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.kernels.hash_table import mixed
from align.kernels.jit import entry, integer, kernel
from align.kernels.threads import over_samples
from align.prefix.shard_arrays import (
    BEGINS,
    CONTINUES,
    END,
    ID,
    INKS,
    NODE,
    ROLE,
    SILENT,
    STARTS,
    STATE,
    WRITTEN,
    Source,
)
from align.prefix.trie import (
    CUT,
    FULL,
    MAX_DEPTH,
    MISSING,
    START,
    WORD,
    Trie,
    add_child,
    child,
    grow,
)
from align.vocabulary import Vocabulary

# What a source id does to a word (bits).
LEADS = 1  # begins with whitespace
INK = 2  # leaves a word that holds more than whitespace
SPELLS = 4  # spells any text at all
CUTS = 8  # holds a word's end: whitespace after other characters
ENDS = 16  # is the end of sequence


def classify(vocabulary: Vocabulary) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(V,) The bits of every id, and where in its bytes its last word begins (0: nowhere else)."""
    indptr, sizes = vocabulary.indptr, np.diff(vocabulary.indptr)
    space = is_space(vocabulary.data)
    spells = np.flatnonzero(sizes > 0)
    bits, cut = np.zeros(len(sizes), np.uint8), np.zeros(len(sizes), np.int32)
    bits[spells] = SPELLS | LEADS * space[indptr[spells]] | INK * ~space[indptr[spells + 1] - 1]
    ends_word = np.flatnonzero(space[1:] & ~space[:-1]) + 1
    token = np.searchsorted(indptr, ends_word, "right") - 1
    inside = ends_word > indptr[token]
    cut[token[inside]] = (ends_word - indptr[token])[inside]  # of several the last
    bits[cut > 0] |= CUTS
    if vocabulary.eos is not None:
        bits[vocabulary.eos] = ENDS
    return bits, cut


def is_space(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes are ASCII whitespace."""
    space: NDArray[np.bool_] = (data == 32) | (data - np.uint8(9) <= 4)
    return space


def walk(trie: Trie, source: Source, bits: NDArray[np.uint8], *, threads: int = 1) -> Trie:
    """Find the words of a shard in the trie, which is grown where it has to be.

    Writes the columns STATE, INKS and BEGINS of the tokens, NODE and ROLE of the candidates.
    """
    result = np.full(len(source.indptr) - 1, MISSING, np.int64)
    if threads > 1:  # all that is in the trie already; what is not is added in its order, alone
        over_samples(threads, len(result), _walk, trie, source, bits, result, False)
    _walk(0, len(result), trie, source, bits, result, True)
    while result.any():
        trie = grow(trie)
        _walk(0, len(result), trie, source, bits, result, True)
    return trie


@entry
def _walk(
    first: int,
    last: int,
    trie: Trie,
    source: Source,
    bits: NDArray[np.uint8],
    result: NDArray[np.int64],
    insert: bool,
) -> None:
    """Walk those of the samples ``first:last`` whose ``result`` (samples,) is not 0, which then
    is 0, MISSING or FULL; the first that is FULL is the last to be walked."""
    for s in range(first, last):
        if result[s] != 0:
            result[s] = _walk_sample(trie, source, bits, s, insert)
            if result[s] == FULL:
                break


@kernel
def _walk_sample(trie: Trie, source: Source, bits: NDArray[np.uint8], s: int, insert: bool) -> int:
    """Fill the tables for sample ``s``; 0, or MISSING or FULL where it stopped."""
    tokens, entries, row_ptr = source.tokens, source.entries, source.row_ptr
    table, keys = trie.table, trie.keys
    # the word so far: its node, its number of tokens, their hash, whether it holds any ink
    node, depth, key, inks = START, integer(0), np.uint64(START), 0
    for j in range(source.indptr[s], source.indptr[s + 1]):
        written = integer(tokens[j, ID])
        tokens[j, STATE], tokens[j, INKS] = node, inks
        for e in range(row_ptr[j], row_ptr[j + 1]):
            token = integer(entries[e, ID])
            role, found = WRITTEN, START
            if token != written:
                role = END if bits[token] & ENDS else SILENT
                if bits[token] & SPELLS:
                    parent, length, start, role = node, depth, key, CONTINUES
                    if inks & bits[token] & LEADS:
                        parent, length, start, role = WORD, integer(0), np.uint64(WORD), STARTS
                    found = child(table, keys, parent, length, start, token)
                    if found == MISSING and insert:
                        found = add_child(trie, parent, start, token)
                    if found < 0:  # other threads read the trie: nodes are added later, alone
                        return found
            entries[e, NODE], entries[e, ROLE] = found, role
        begins = inks & bits[written] & LEADS
        tokens[j, BEGINS] = begins
        if bits[written] & SPELLS:
            if begins or bits[written] & CUTS:
                node, depth, inks = CUT if bits[written] & CUTS else WORD, integer(0), 0
                key = np.uint64(node)
            found = child(table, keys, node, depth, key, written)
            if found == MISSING and insert:
                found = add_child(trie, node, key, written)
            if found < 0:
                return found
            node = found
            key = mixed(key + np.uint64(written + 1))
            # a word so long is taken to hold ink, so that the next space begins another
            if depth == MAX_DEPTH or bits[written] & INK:
                inks = 1
            depth = min(depth + 1, MAX_DEPTH)
    return 0
