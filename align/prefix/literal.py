"""The target token that a source candidate spells by itself, without its context.

The longest target piece that is a prefix of what the candidate still has to say; a piece equal to
it is the longest there can be. Used where no tokenizer is at hand, and for words too long to
follow::

    bytes before the row " sp"     candidate " spend"     says "end"     piece "en" or "end"
"""

from __future__ import annotations

from align.blocks import Side
from align.kernels.jit import kernel
from align.prefix.word_states import is_space
from align.vocabulary import PrefixIndex, narrow

NOTHING = -1  # no piece begins like this


@kernel
def spelled_token(
    index: PrefixIndex,
    source: Side,
    span: tuple[int, int, int],
    candidate: int,
    start: tuple[bool, bool, bool],
) -> int:
    """The longest piece that begins a text.

    Args:
        index: the target's pieces.
        span: (first, last, offset): the text is source tokens ``first:last`` (of all samples)
            from byte ``offset`` of the first on, then the candidate; where there is no token, the
            text is the candidate from byte ``offset`` on.
        candidate: a source id, or -1 for none.
        start: whether whitespace folds, whether whitespace stands before the text, and whether
            the target puts a space before it that the source lacks.
    """
    first, last, offset = span
    fold, behind, lead = start
    walk = (0, len(index.order), 0, NOTHING)
    if lead:
        walk, behind = _feed(index, walk, 32), fold
    for j in range(first, last + 1):
        token = source.ids[j] if j < last else candidate
        if token < 0:
            break
        size = source.bytes_ptr[token + 1] - source.bytes_ptr[token]
        for at in range(offset if j == first else 0, size):
            byte = int(source.data[source.bytes_ptr[token] + at])
            if fold and is_space(byte):
                byte = 32
                if behind:
                    continue
            behind = byte == 32
            walk = _feed(index, walk, byte)
            if walk[0] == walk[1]:
                return walk[3]
    return walk[3]


@kernel
def _feed(
    index: PrefixIndex, walk: tuple[int, int, int, int], byte: int
) -> tuple[int, int, int, int]:
    """Range, depth and longest whole piece after one more byte."""
    low, high, depth, best = walk
    low, high = narrow(index, low, high, depth, byte)
    if low < high:
        token = index.order[low]
        if index.indptr[token + 1] - index.indptr[token] == depth + 1:
            best = token
    return low, high, depth + 1, best
