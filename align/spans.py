"""The finest alignment of two tokenizations of one text.

Two tokens belong together where they spell the same bytes; a block ends wherever both sides have a
boundary at the same place of the text, so that no block can be split::

    source  "She"  " earn" "s"  " $" "12"  "."  "\\n" "In"
    target  " She" " earns"     " $12"     "."  " In"
    blocks  1 x 1  2 x 1        2 x 1      1x1  2 x 1

Where a side folds whitespace (a run of it is one space, a space comes before the text, none at
its end), a run is shared as a whole, and a token of the other side that ends inside it goes with
what follows. Where the texts differ otherwise (unknown tokens, normalized characters), a window is
opened and the cheapest edit path through it decides; such blocks are marked. Everything is
symmetric in the two sides, covers both, and is linear in the tokens but for windows.

That blocks end at equal byte ends is the common idea of aligners by offsets (TRL's, and
pytokenizations before it); folding without offsets, windows and totality are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.alignment import Alignment
from align.blocks import Blocks, Side
from align.exact.boundaries import Room, Tokens, link_blocks, mark, merge, of_ends
from align.exact.byte_symbols import lay_out, most_symbols
from align.exact.scan import scan, scan_plain
from align.exact.sections import COLUMNS
from align.exact.windows import add_window
from align.kernels.jit import entry, integer
from align.kernels.threads import in_order
from align.ragged import Ragged, pointers
from align.vocabulary import UNKNOWN, Vocabulary, check_ids


def align_pieces(source: Sequence[bytes], target: Sequence[bytes]) -> Alignment:
    """The finest alignment of two tokenizations of a text; any bytes have one.

    Args:
        source: n pieces as they appear in the text. An empty one is an unknown token: it stands
            for text that it does not spell.
        target: m pieces.

    Returns:
        Links between tokens that share text; every token has one, unless a side is empty.

    >>> align_pieces([b"She", b" earn", b"s"], [b" She", b" earns"]).groups()
    [(0, 1, 0, 1), (1, 3, 1, 2)]
    """
    one, other = _one_sample(source), _one_sample(target)
    marked, room = (unmarked(one), unmarked(other)), room_for(one.indptr, other.indptr)
    end = align_range(0, 1, (one, other), marked, room)[1]
    links = link_blocks(*marked, room.groups[:end], list(source) > list(target))
    return Alignment(links, len(source), len(target))


def _one_sample(pieces: Sequence[bytes]) -> Side:
    """A sample over a vocabulary of its own."""
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    return Side(
        np.array([0, len(pieces)], np.int64),
        np.arange(len(pieces), dtype=np.int32),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        np.frombuffer(b"".join(pieces), np.uint8).copy(),
        np.where(sizes == 0, UNKNOWN, 0).astype(np.uint8),
    )


def align_batch(
    source_vocabulary: Vocabulary,
    target_vocabulary: Vocabulary,
    source: Ragged,
    target: Ragged,
    *,
    threads: int = 1,
) -> Blocks:
    """The blocks of every sample, from ids alone; the same as those of ``align_pieces``.

    Special tokens stand for no text; those at the same place on both sides match in their order,
    others go with what follows.

    Args:
        source_vocabulary, target_vocabulary: the bytes of every id on either side.
        source: ids of ``source_vocabulary``, sample by sample.
        target: ids of ``target_vocabulary``, of the same samples.
        threads: how many work on it; no result depends on it.

    Returns:
        Ranges of tokens on both sides, sample by sample.

    Raises:
        ValueError: the numbers of samples differ, or an id is outside its vocabulary.
    """
    check_ids("ids", source.ids, source_vocabulary)
    check_ids("ids", target.ids, target_vocabulary)
    sides = side_of(source_vocabulary, source), side_of(target_vocabulary, target)
    tokens, room = (unmarked(sides[0]), unmarked(sides[1])), room_for(source.indptr, target.indptr)
    return _blocks(threads, room, lambda a, b: align_range(a, b, sides, tokens, room))


def align_spans(
    source_ends: Ragged,
    target_ends: Ragged,
    *,
    source_glued: NDArray[np.bool_] | None = None,
    target_glued: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Blocks:
    """The blocks of every sample, from where each token ends in the text, in bytes.

    A token that ends where the one before it does shares its character, and stays in its block; at
    the text's start it covers nothing and goes with what follows.

    Args:
        source_ends: one end per token, never falling within a sample.
        target_ends: the same of the other side.
        source_glued: (tokens,) True where a token shares a character with the one before it, so
            that no block may end between the two.
        target_glued: the same of the other side.
        threads: how many work on it; no result depends on it.

    Raises:
        ValueError: the numbers of samples differ, or there are not as many flags as tokens.
    """
    source_indptr, ends = _arrays(source_ends)
    target_indptr, other_ends = _arrays(target_ends)
    room = room_for(source_indptr, target_indptr)
    one = of_ends(source_indptr, ends, _flags(source_glued, len(ends)), 0)
    other = of_ends(target_indptr, other_ends, _flags(target_glued, len(other_ends)), 1)
    return _blocks(threads, room, lambda a, b: merge(a, b, one, other, room))


def room_for(source: NDArray[np.int64], target: NDArray[np.int64]) -> Room:
    """Room for the blocks of every sample, of which the pointers of both sides are given.

    Raises:
        ValueError: the two sides have different numbers of samples.
    """
    samples = len(source) - 1
    if samples != len(target) - 1:
        raise ValueError(f"{samples} source samples, but {len(target) - 1} target samples")
    n, m = np.diff(source), np.diff(target)
    ptr = pointers(np.where(np.maximum(n, m) > 0, np.maximum(np.minimum(n, m), 1), 0))
    return Room(
        ptr,
        np.empty((ptr[-1], 4), np.int32),
        np.empty(ptr[-1], np.uint8),
        np.empty(samples, np.int64),
    )


def side_of(vocabulary: Vocabulary, tokens: Ragged) -> Side:
    """Arrays as the kernels are compiled for them; copies only where they are not so already."""
    return Side(
        *_arrays(tokens),
        np.require(vocabulary.indptr, np.int64, ["C", "W"]),
        np.require(vocabulary.data, np.uint8, ["C", "W"]),
        np.require(vocabulary.flags, np.uint8, ["C", "W"]),
    )


def _arrays(tokens: Ragged) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return (
        np.require(tokens.indptr, np.int64, ["C", "W"]),
        np.require(tokens.ids, np.int32, ["C", "W"]),
    )


def _flags(given: NDArray[np.bool_] | None, count: int) -> NDArray[np.bool_]:
    flags = np.zeros(count, np.bool_) if given is None else given
    if len(flags) != count:
        raise ValueError(f"{len(flags)} marks of glued tokens for {count} tokens")
    return flags


def unmarked(side: Side) -> Tokens:
    """The tokens of a side, their boundaries still to be found."""
    return Tokens(side.indptr, *np.empty((2, len(side.ids)), np.int32))


def align_range(
    first: int, last: int, sides: tuple[Side, Side], tokens: tuple[Tokens, Tokens], blocks: Room
) -> tuple[int, int]:
    """Write the blocks of samples ``first:last``; where they begin and end.

    Plain texts come first; the kernel that reads the others is compiled at the first of them. It
    stops at each window, which is rare, and one that is compiled only then reads it.
    """
    size = sum(most_symbols(side, first, last) for side in sides)
    # at most two sections a symbol, and those at the end
    room = np.empty(size, np.uint16), np.empty((2 * size + 4, COLUMNS), np.int32)
    scratch = Scratch(*room, np.array([first, 0, 0, 0], np.int64))
    scratch.state[SAMPLE] = read = _mark_plain(last, *sides, *tokens, scratch)
    while read < last and _mark_range(last, *sides, *tokens, scratch) < last:
        _, count, *ends = scratch.state.tolist()
        scratch.state[COUNT] = add_window(*room, count, tuple(ends))
    return merge(first, last, *tokens, blocks)


SAMPLE, COUNT, MIDDLE, END = range(4)  # in the state of a range of samples


class Scratch(NamedTuple):
    """Room for the ``symbols`` and the ``sections`` of a sample; ``state`` says where to go on: the
    sample, how many sections of it there are (0 before it is laid out), and where its source and
    its target end in ``symbols``."""

    symbols: NDArray[np.uint16]
    sections: NDArray[np.int32]
    state: NDArray[np.int64]


@entry
def _mark_plain(
    last: int, source: Side, target: Side, one: Tokens, other: Tokens, scratch: Scratch
) -> int:
    """Write the boundaries of samples up to ``last``; the first that is not plain."""
    symbols, sections = scratch.symbols, scratch.sections
    zero, ends, other_ends = integer(0), one.ends, other.ends
    for s in range(scratch.state[SAMPLE], last):
        middle = lay_out(source, s, symbols, zero, ends)
        end = lay_out(target, s, symbols, middle, other_ends)
        count = scan_plain(symbols, middle, end, sections)
        if count == 0:  # the other kernel takes over, compiled only now
            return s
        mark(one, s, zero, sections, count, zero)
        mark(other, s, middle, sections, count, zero + 1)
    return last


@entry
def _mark_range(
    last: int, source: Side, target: Side, one: Tokens, other: Tokens, scratch: Scratch
) -> int:
    """Write the boundaries of samples up to ``last``; the sample in which a window begins."""
    symbols, sections, state = scratch.symbols, scratch.sections, scratch.state
    zero, ends, other_ends = integer(0), one.ends, other.ends
    for s in range(state[SAMPLE], last):
        count, middle, end = state[COUNT], state[MIDDLE], state[END]
        # a sample is laid out once; after a window its symbols are still there
        if count == 0:
            middle = lay_out(source, s, symbols, zero, ends)
            end = lay_out(target, s, symbols, middle, other_ends)
            starts = zero, middle
        else:
            starts = integer(sections[count - 1, 0]), integer(sections[count - 1, 1])
        count, differs = scan(symbols, starts, (middle, end), sections, count)
        state[SAMPLE], state[COUNT], state[MIDDLE], state[END] = s, count, middle, end
        if differs:
            return s
        state[COUNT] = 0  # the next call begins a sample, and lays it out
        mark(one, s, zero, sections, count, zero)
        mark(other, s, middle, sections, count, zero + 1)
    return last


def _blocks(threads: int, room: Room, align: Callable[[int, int], tuple[int, int]]) -> Blocks:
    """The blocks of all samples; ``align(first, last)`` writes those of a range into ``room`` and
    returns where they begin and end.

    Gaps between ranges are closed in place: fresh memory costs more than moving.
    """
    end = 0

    def pack(part: tuple[int, int]) -> None:
        nonlocal end
        first, last = part
        if first > end:
            room.groups[end : end + last - first] = room.groups[first:last]
            room.kind[end : end + last - first] = room.kind[first:last]
        end += last - first

    in_order(threads, len(room.counts), align, pack)
    return Blocks(pointers(room.counts), room.groups[:end], room.kind[:end])
