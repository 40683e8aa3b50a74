"""Where in the source each target token begins.

The blocks of an alignment say it for the first token of a block; for the others the bytes of the
block are read on both sides at once::

    source  " $" "12"      target  " $1" "2"      one block
    " $1" begins in token 0 at byte 0, "2" in token 1 at byte 1

Where the target folds whitespace or a block differs in it, a run counts as one space on both
sides, and what leads the text counts as nothing. A block that differs in more gives only its first
place away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.blocks import FOLDED, WINDOW, Blocks, Side
from align.prefix.shard_arrays import ANCHOR, BEGINS, CUT, NOWHERE, OFFSET, OWN, TOKEN
from align.prefix.word_states import is_space
from align.vocabulary import SPECIAL, UNKNOWN, Vocabulary

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spelling:
    """What the offsets depend on, of every id of a vocabulary (V,): its ``size`` in bytes, how many
    of the last ones are whitespace (``trailing``); whether there are any such (``spaced``), whether
    it is special and spells nothing (``silent``), and whether it spells more than whitespace or
    stands for text that it does not spell (``inks``)."""

    size: NDArray[np.int64]
    trailing: NDArray[np.int64]
    spaced: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    inks: NDArray[np.bool_]


def spelling(vocabulary: Vocabulary) -> Spelling:
    """Read off the bytes of ``vocabulary``."""
    size = np.diff(vocabulary.indptr)
    ink = np.flatnonzero(~is_space(vocabulary.data))
    before = np.append(-1, ink)[np.searchsorted(ink, vocabulary.indptr[1:])]  # the last ink
    trailing = vocabulary.indptr[1:] - 1 - np.maximum(before, vocabulary.indptr[:-1] - 1)
    silent = (size == 0) & (vocabulary.flags & SPECIAL > 0)
    inks = (trailing < size) | (vocabulary.flags & UNKNOWN > 0)
    return Spelling(size, trailing, trailing > 0, silent, inks)


# Columns of the blocks that are read byte by byte: source and target tokens, whether runs of
# whitespace fold, whether whitespace before the block swallows that at its start, on either side,
# and where the sample ends on the source's side.
_FROM, _TO, _ROW, _LAST_ROW, _FOLD, _SPACE, _OTHER_SPACE, _END = range(8)


def place_blocks(
    first: int,
    last: int,
    sides: tuple[Side, Side],
    spellings: tuple[Spelling, Spelling],
    blocks: Blocks,
    folds: bool,
    table: NDArray[np.int32],
) -> None:
    """Write TOKEN and OFFSET of the target tokens of samples ``first:last``.

    Args:
        sides: source and target; ``spellings`` are those of their vocabularies.
        blocks: the alignment, without ends of sequence.
        folds: whether the target folds whitespace.
        table: rows of the target, of which TOKEN is NOWHERE and OFFSET 0 so far.
    """
    source, target = sides
    part = slice(int(blocks.indptr[first]), int(blocks.indptr[last]))
    sample = np.repeat(np.arange(first, last), np.diff(blocks.indptr[first : last + 1]))
    groups = blocks.groups[part].astype(np.int64)
    start = source.indptr[sample]
    j, stop = start + groups[:, 0], start + groups[:, 1]
    i, last_row = (target.indptr[sample] + groups[:, k] for k in (2, 3))
    mine = _Reader(source, spellings[0], int(source.indptr[first]), int(source.indptr[last]))
    j = mine.next_spelling(j)
    placed = (j < stop) & (i < last_row)
    j, stop, i, last_row, sample = (x[placed] for x in (j, stop, i, last_row, sample))
    kind, start, row_start = blocks.kind[part][placed], source.indptr[sample], target.indptr[sample]
    table[i, TOKEN] = j
    if folds:
        after = (i > row_start) & spellings[1].spaced[target.ids[i - 1]]
        table[i[after], TOKEN] = mine.after_first_space(j[after], start[after])
    several = np.flatnonzero((last_row - i > 1) & (kind != WINDOW))
    if len(several):
        its = _Reader(target, spellings[1], int(target.indptr[first]), int(target.indptr[last]))
        columns = (j, stop, i, last_row, start, row_start, source.indptr[sample + 1])
        j, stop, i, last_row, start, row_start, end = (x[several] for x in columns)
        fold = folds | (kind[several] == FOLDED)
        spaces = fold & mine.after_space(j, start), fold & its.after_space(i, row_start)
        jobs = np.stack((j, stop, i, last_row, fold, *spaces, end), axis=1)
        _read_blocks(jobs, source, target, table)


class _Reader:
    """The tokens ``first:last`` of one side, with what their ids spell."""

    def __init__(self, side: Side, spelling: Spelling, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._ids, self._spell = side.ids[first:last], spelling
        self._silent = np.append(spelling.silent[self._ids], False)  # none after the last

    def next_spelling(self, tokens: Indices) -> Indices:
        """The first token from each of ``tokens`` on that is not silent."""
        silent = np.flatnonzero(self._silent[tokens - self._first])
        if not len(silent):  # nearly always: an end of sequence is in no block
            return tokens
        heard, found = self._heard(), tokens.copy()
        place = np.searchsorted(heard, tokens[silent])
        found[silent] = np.append(heard, self._last)[place]
        return found

    def after_space(self, tokens: Indices, starts: Indices) -> NDArray[np.bool_]:
        """Whether whitespace comes before each of ``tokens``, or the start of its sample."""
        before = tokens - 1
        silent = np.flatnonzero(self._silent[before - self._first])
        if len(silent):
            heard = self._heard()
            place = np.searchsorted(heard, tokens[silent])
            before[silent] = np.append(heard, self._first - 1)[place - 1]
        after: NDArray[np.bool_] = before < starts
        return after | self._spell.spaced[self._ids[before - self._first]]

    def _heard(self) -> Indices:
        """The tokens that are not silent."""
        return self._first + np.flatnonzero(~self._silent[:-1])

    def after_first_space(self, tokens: Indices, starts: Indices) -> Indices:
        """The token after the one with which the whitespace before each of ``tokens`` begins: from
        there on the source may stop writing more of it."""
        blank, spaced = self._spell.size == self._spell.trailing, self._spell.spaced
        moves = np.zeros(len(self._ids) + 1, np.bool_)
        moves[2:] = blank[self._ids[1:]] & spaced[self._ids[:-1]]
        if not moves.any():
            return tokens
        stays = np.where(moves, 0, np.arange(len(moves)))
        first = self._first + np.maximum.accumulate(stays)[tokens - self._first]
        token: Indices = np.minimum(np.maximum(first, starts + 1), tokens)
        return token


class _Bytes:
    """The bytes of the tokens ``first:last`` of one side, one pair for each of B blocks.

    Where whitespace folds, only the first byte of a run *counts*, and none of a run that began
    before the block. ``block`` (bytes,) is the block of each, ``token`` (bytes,) its token,
    ``offset`` (bytes,) its place there; ``counted`` are the places of those that count, and
    ``ptr`` (B + 1,) bounds them by block.
    """

    def __init__(
        self,
        side: Side,
        bounds: tuple[Indices, Indices],
        fold: NDArray[np.bool_],
        after_space: NDArray[np.bool_],
    ) -> None:
        owner, token = _ranges(*bounds)
        start = side.bytes_ptr[side.ids[token]]
        which, at = _ranges(start, side.bytes_ptr[side.ids[token] + 1])
        self.block, self.token, self.offset = owner[which], token[which], at - start[which]
        self.data = side.data[at]
        self.white = is_space(self.data)
        before = np.append(False, self.white[:-1])[: len(at)]
        begins = np.append(True, self.block[1:] != self.block[:-1])[: len(at)]
        before[begins] = after_space[self.block[begins]]
        self.counted = np.flatnonzero(~(fold[self.block] & self.white & before))
        self.ptr = np.searchsorted(self.block[self.counted], np.arange(len(fold) + 1))


def _ranges(first: Indices, last: Indices) -> tuple[Indices, Indices]:
    """The numbers of all ranges ``first:last``, and of each the range that it is from."""
    sizes = last - first
    which = np.repeat(np.arange(len(sizes)), sizes)
    return which, np.arange(len(which)) + (first - np.cumsum(sizes) + sizes)[which]


def _read_blocks(
    blocks: NDArray[np.int64], source: Side, target: Side, table: NDArray[np.int32]
) -> None:
    """Place all target tokens of ``blocks`` (B, 8) but the first ones; none of a block whose sides
    differ."""
    fold = blocks[:, _FOLD] > 0
    mine = _Bytes(source, (blocks[:, _FROM], blocks[:, _TO]), fold, blocks[:, _SPACE] > 0)
    its = _Bytes(target, (blocks[:, _ROW], blocks[:, _LAST_ROW]), fold, blocks[:, _OTHER_SPACE] > 0)
    n, m = np.diff(mine.ptr), np.diff(its.ptr)
    last = mine.counted[np.maximum(mine.ptr[1:] - 1, 0)] if len(mine.counted) else n
    # the source may go on with whitespace, which is dropped after the text
    dropped = fold & (n == m + 1) & np.append(mine.white, False)[last]
    good = (n == m) | dropped
    block, k = _ranges(np.zeros(len(m), np.int64), np.where(good, m, 0))
    a, b = mine.counted[mine.ptr[block] + k], its.counted[its.ptr[block] + k]
    alike = (mine.data[a] == its.data[b]) | (fold[block] & mine.white[a] & its.white[b])
    good[block[~alike]] = False
    # every row begins after the source's byte that the last byte before it counts as
    block, row = _ranges(blocks[:, _ROW] + 1, blocks[:, _LAST_ROW])
    row_of = its.token[its.counted]
    read = np.searchsorted(row_of, row) - its.ptr[block]
    block, row, read = (x[good[block]] for x in (block, row, read))
    place = np.append(mine.counted, 0)[mine.ptr[block] + read - 1]
    following = np.append(mine.counted, -1)[mine.ptr[block] + read]
    token, offset = mine.token[place], mine.offset[place] + 1
    ends = (following < 0) | (np.append(mine.token, -1)[following] != token)
    token, offset = np.where(ends, token + 1, token), np.where(ends, 0, offset)
    token, offset = np.where(read > 0, token, blocks[block, _FROM]), np.where(read > 0, offset, 0)
    good[block[token == blocks[block, _END]]] = False
    kept = good[block]
    table[row[kept], TOKEN], table[row[kept], OFFSET] = token[kept], offset[kept]


def place_ends(
    sides: tuple[Side, Side],
    spelling: Spelling,
    both: NDArray[np.bool_],
    folds: bool,
    table: NDArray[np.int32],
) -> None:
    """Place the end of sequence of the target where ``both`` (samples,) sides have one.

    It begins with the source's, or with the whitespace before that where the target ``folds`` it
    away.
    """
    source, target = sides
    start, end = source.indptr[:-1][both], source.indptr[1:][both] - 1
    token, offset = end, np.zeros(len(end), np.int64)
    if folds and len(end):
        stops = np.flatnonzero(spelling.inks[source.ids])
        spells = np.append(np.flatnonzero((spelling.size > 0)[source.ids]), len(source.ids))
        last = np.append(stops, -1)[np.searchsorted(stops, end) - 1]  # with more than whitespace
        last = np.maximum(last, start - 1)
        first = spells[np.searchsorted(spells, last + 1)]
        token = np.minimum(first, end)
        written = source.ids[last]
        partly = (last >= start) & spelling.spaced[written]
        token = np.where(partly, last, token)
        offset = np.where(partly, (spelling.size - spelling.trailing)[written], 0)
    rows = target.indptr[1:][both] - 1
    table[rows, TOKEN], table[rows, OFFSET] = token, offset


def find_words(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    tokens: NDArray[np.int32],
    table: NDArray[np.int32],
) -> None:
    """Write ANCHOR and OWN: which target token begins with each source token, and with the word
    before it.

    Args:
        source, target: pointers of the samples of both sides.
        tokens, table: the tables of both sides.
    """
    begins_one = np.flatnonzero((table[:, TOKEN] != NOWHERE) & (table[:, OFFSET] == 0))[::-1]
    count = len(tokens)
    own = np.full(count, NOWHERE, np.int64)
    own[table[begins_one, TOKEN]] = begins_one  # of several rows the first
    inside = np.flatnonzero(tokens[:, CUT] > 0)
    # with what the next word begins: at a cut, with a token, or at the start of the text
    begins = np.append(tokens[:, BEGINS] > 0, False)
    following = np.append(own, NOWHERE)
    keys = table[:, TOKEN].astype(np.int64) << 32 | table[:, OFFSET]
    rows = np.flatnonzero(table[:, TOKEN] != NOWHERE)
    wanted = inside << 32 | tokens[inside, CUT]
    found = np.append(rows, NOWHERE)[np.searchsorted(keys[rows], wanted)]
    hit = (found != NOWHERE) & (np.append(keys, -1)[found] == wanted)
    begins[inside], following[inside] = True, np.where(hit, found, NOWHERE)
    first = source[:-1][np.diff(source) > 0]
    change = np.zeros(count, np.int64)
    change[1:] = np.where(begins[:-2], np.arange(1, count), 0) if count else 0
    change[first] = first
    change = np.maximum.accumulate(change)
    anchor = following[change - 1]
    at_start = np.zeros(count, np.bool_)
    at_start[first] = True
    starts = at_start[change]
    sample = np.repeat(np.arange(len(source) - 1), np.diff(source))
    tokens[:, OWN] = own
    tokens[:, ANCHOR] = np.where(starts, target[:-1][sample], anchor)
