"""Texts as streams of bytes, read from both tokenizations at once.

Where the target folds whitespace, a run of it is one space in the source's pieces too, and a token
that follows a space loses its own. A space before the text that only one side writes is given to
the other's first token, or taken from it::

    source  "She" " earns" ".\\n" "\\n"      target  " She" " earns" "."
    reads   " She" " earns" ". " ""
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.ragged import Ragged, pointers
from align.vocabulary import Vocabulary, build_vocabulary

NOWHERE = -1
PLAIN, LEADS, SWALLOWS = range(3)  # nothing; a space comes first; a space at the start is dropped
_SPACE = 32


class Text(NamedTuple):
    """Tokens and what they spell in their places.

    ``indptr`` (samples + 1,), ``ids`` (n,); token v in the place of token k spells
    ``data[bytes_ptr[v + shift[k]]:bytes_ptr[v + shift[k] + 1]]``.
    """

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    bytes_ptr: NDArray[np.int64]
    data: NDArray[np.uint8]
    shift: NDArray[np.int64]


class Places(NamedTuple):
    """(m,) of each target token the source ``token`` in which it begins, or NOWHERE, the ``offset``
    in its bytes, and where the text of its sample ``stop``\\s among the source's tokens."""

    token: NDArray[np.int64]
    offset: NDArray[np.int64]
    stop: NDArray[np.int64]


class _Bytes(NamedTuple):
    """What tokens spell, one after another: ``data``, where each token ``begins`` (n + 1,), and
    each sample (samples + 1,)."""

    data: NDArray[np.uint8]
    begins: NDArray[np.int64]
    samples: NDArray[np.int64]


def in_contexts(vocabulary: Vocabulary, *, folds: bool) -> Vocabulary:
    """The pieces as they are, then with a space in front, then without the one in front."""
    pieces = vocabulary.all_pieces()
    if folds:
        pieces = [re.sub(rb"\s+", b" ", piece) for piece in pieces]
    led = [b" " + piece if piece and piece[:1] != b" " else piece for piece in pieces]
    return build_vocabulary([*pieces, *led, *(piece.removeprefix(b" ") for piece in pieces)])


def text_of(
    spelled: Vocabulary, source: Ragged, target: Vocabulary, tokens: Ragged, *, folds: bool
) -> Text:
    """The source's text as the target reads it.

    Args:
        spelled: the source's pieces ``in_contexts``.
        source: the source's tokens.
        target: the other side's pieces.
        tokens: its tokens of the same texts.
        folds: whether it folds whitespace.
    """
    size, count = len(spelled) // 3, len(source.ids)
    own, other = (_ink(v.indptr, side.ids) for v, side in ((spelled, source), (target, tokens)))
    context = np.full(count, PLAIN, np.int64)
    if folds:
        last = np.append(spelled.data, 0)[spelled.indptr[source.ids[own] + 1] - 1] == _SPACE
        after = np.zeros(count, np.bool_)
        after[1:] = np.append(last, False)[np.searchsorted(own, np.arange(1, count)) - 1]
        context[after] = SWALLOWS
    first, its = _first(source.indptr, own), _first(tokens.indptr, other)
    context[source.indptr[:-1][np.diff(source.indptr) > 0]] = PLAIN
    both = (first != NOWHERE) & (its != NOWHERE)
    first, its = first[both], its[both]
    mine = spelled.data[spelled.indptr[source.ids[first]]] == _SPACE
    theirs = target.data[target.indptr[tokens.ids[its]]] == _SPACE
    context[first] = np.where(mine == theirs, PLAIN, np.where(mine, SWALLOWS, LEADS))
    return Text(source.indptr, source.ids, spelled.indptr, spelled.data, context * size)


def place(text: Text, target: Vocabulary, tokens: Ragged, ends: tuple[int, int]) -> Places:
    """Where in the source's text the target's tokens begin, up to the first byte that differs.

    Args:
        ends: both sides' ends of sequence, -1 where there is none.
    """
    mine = _bytes_of(text.bytes_ptr, text.data, text.ids + text.shift, text.indptr)
    its = _bytes_of(target.indptr, target.data, tokens.ids, tokens.indptr)
    alike = _alike(mine, its)
    sample = np.repeat(np.arange(len(alike)), np.diff(tokens.indptr))
    at = its.begins[:-1] - its.samples[sample]
    stop = text.indptr[1:] - _ended(text.indptr, text.ids, ends[0])
    whole = np.diff(mine.samples)
    token = np.searchsorted(mine.begins[1:], mine.samples[sample] + at, "right")
    token = np.where(at < whole[sample], token, stop[sample])
    token[(at > alike[sample]) | (token >= text.indptr[1:][sample])] = NOWHERE
    offset = np.where(token == NOWHERE, 0, mine.samples[sample] + at - mine.begins[token])
    # the target may have dropped the space before the end
    last = np.flatnonzero(_ended(tokens.indptr, tokens.ids, ends[1]))
    row = tokens.indptr[1:][last] - 1
    left = whole[last] - np.diff(its.samples)[last]
    blank = np.append(mine.data, 0)[mine.samples[1:][last] - 1] == _SPACE
    meets = (alike[last] == np.diff(its.samples)[last]) & ((left == 0) | (left == 1) & blank)
    meets &= stop[last] < text.indptr[1:][last]
    token[row], offset[row] = np.where(meets, stop[last], NOWHERE), 0
    return Places(token, offset, stop[sample])


def _ink(bytes_ptr: NDArray[np.int64], ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """The tokens that spell something."""
    return np.flatnonzero(bytes_ptr[ids + 1] > bytes_ptr[ids])


def _first(indptr: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """(samples,) the first of the ``chosen`` tokens in each sample, NOWHERE where it has none."""
    first = np.append(chosen, indptr[-1])[np.searchsorted(chosen, indptr[:-1])]
    return np.where(first < indptr[1:], first, NOWHERE)


def _ended(indptr: NDArray[np.int64], ids: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    """(samples,) whether the last token is ``end``."""
    ended: NDArray[np.bool_] = np.diff(indptr) > 0
    ended[ended] = ids[indptr[1:][ended] - 1] == end
    return ended


def _bytes_of(
    bytes_ptr: NDArray[np.int64],
    data: NDArray[np.uint8],
    ids: NDArray[np.int32] | NDArray[np.int64],
    indptr: NDArray[np.int64],
) -> _Bytes:
    size = bytes_ptr[ids + 1] - bytes_ptr[ids]
    begins = pointers(size)
    where = np.arange(begins[-1]) + np.repeat(bytes_ptr[ids] - begins[:-1], size)
    return _Bytes(data[where], begins, begins[indptr])


def _alike(mine: _Bytes, its: _Bytes) -> NDArray[np.int64]:
    """(samples,) how many bytes both sides begin with."""
    common = np.minimum(np.diff(mine.samples), np.diff(its.samples))
    begins = pointers(common)
    at = np.arange(begins[-1])
    a, b = (np.repeat(side.samples[:-1] - begins[:-1], common) + at for side in (mine, its))
    apart = np.flatnonzero(mine.data[a] != its.data[b])
    first = np.append(apart, begins[-1])[np.searchsorted(apart, begins[:-1])]
    return np.minimum(first - begins[:-1], common)
