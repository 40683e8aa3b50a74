"""The finest alignment of two tokenizations of one text.

Two tokens belong together where they spell the same bytes; a block ends wherever both sides have a
boundary at the same place of the text, so that no block can be split::

    source  "She"  " earn" "s"  " $" "12"  "."  "\\n" "In"
    target  " She" " earns"     " $12"     "."  " In"
    blocks  1 x 1  2 x 1        2 x 1      1x1  2 x 1

Where a side folds whitespace (a run of it is one space, a space stands before the text, none at
its end), a run is shared as a whole, and a token of the other side that ends inside it goes with
what follows. Where the texts differ otherwise (unknown tokens, normalized characters), a window is
opened and the cheapest edit path through it decides; such blocks are marked. Everything is
symmetric in the two sides, covers both, and is linear in the tokens but for windows.

That blocks end at equal byte ends is the common idea of aligners by offsets (TRL's, and
pytokenizations before it); folding without offsets, windows and totality are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from align.alignment import Alignment
from align.blocks import Blocks, Side
from align.exact.boundaries import END, STATES, TARGET, begin, link_blocks, mark_ends, merge
from align.exact.byte_symbols import lay_out, most_symbols
from align.exact.scan import read_plain, scan_on
from align.exact.windows import room_for_elements
from align.kernels.jit import allocating, kernel
from align.kernels.threads import in_order
from align.ragged import Ragged, pointers
from align.vocabulary import UNKNOWN, Vocabulary, check_ids

Scalar = TypeVar("Scalar", bound=np.generic)


def align_pieces(source: Sequence[bytes], target: Sequence[bytes]) -> Alignment:
    """The finest alignment of two tokenizations of a text; any bytes have one.

    Args:
        source: n pieces as they stand in the text. An empty one is an unknown token: it stands for
            text that it does not spell.
        target: m pieces.

    Returns:
        Links between tokens that share text; every token has one, unless a side is empty.
    """
    links = _align_one(_one_sample(source), _one_sample(target), list(source) > list(target))
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


@allocating
def _align_one(source: Side, target: Side, swapped: bool) -> NDArray[np.int32]:
    """Links of the one sample; ``swapped`` decides ties."""
    n, m = len(source.ids), len(target.ids)
    room = len(source.data) + len(target.data) + n + m + 32
    groups, kind = np.empty((max(min(n, m), 1), 4), np.int32), np.empty(max(n, m, 1), np.uint8)
    one = source.bytes_ptr, source.data, source.flags
    other = target.bytes_ptr, target.data, target.flags
    symbols, tokens = np.empty(room, np.uint16), np.empty((3, n + m), np.int32)
    state = np.empty(STATES, np.int64)
    begin(state, n, m, lay_out(source.ids, one, symbols, tokens[0], 0))
    state[TARGET + END] = lay_out(target.ids, other, symbols, tokens[0, n:], state[END])
    if read_plain(symbols, tokens, state):
        scan_on(symbols, tokens, state, room_for_elements(room))
    count = merge(tokens[1], n, m, groups, kind, 0)
    return link_blocks(tokens[1], n, groups[:count], swapped)


def align_batch(
    source_vocabulary: Vocabulary,
    target_vocabulary: Vocabulary,
    source: Ragged,
    target: Ragged,
    *,
    threads: int = 1,
) -> Blocks:
    """The blocks of every sample, from ids alone; the same as those of ``align_pieces``.

    Special tokens spell nothing and stand for nothing; those at the same place on both sides match
    in their order, others go with what follows.

    Args:
        source: ids of ``source_vocabulary``, sample by sample.
        target: ids of ``target_vocabulary``, of the same samples.
        threads: how many work on it; no result depends on it.

    Raises:
        ValueError: the numbers of samples differ, or an id is outside its vocabulary.
    """
    one, other = side_of(source_vocabulary, source), side_of(target_vocabulary, target)
    room = _room(one.indptr, other.indptr)

    def align(first: int, last: int) -> tuple[int, int]:
        part = _align_range(first, last, one, other, room)
        if part[0] < 0:
            check_ids("ids", source.ids, source_vocabulary)
            check_ids("ids", target.ids, target_vocabulary)
        return part

    return _blocks(threads, room, align)


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
    """
    one = Spans(*_arrays(source_ends), _flags(source_glued, len(source_ends.ids)))
    other = Spans(*_arrays(target_ends), _flags(target_glued, len(target_ends.ids)))
    room = _room(one.indptr, other.indptr)
    return _blocks(threads, room, lambda a, b: _merge_range(a, b, one, other, room))


class Spans(NamedTuple):
    """Ends of the tokens of many samples, and which tokens share a character with the one before.

    ``indptr`` (samples + 1,), ``ends`` and ``glued`` (tokens,).
    """

    indptr: NDArray[np.int64]
    ends: NDArray[np.int32]
    glued: NDArray[np.bool_]


class Room(NamedTuple):
    """Room for the blocks of samples: those from s on may use ``groups[ptr[s]:]``, and stand
    without gaps, as far as one range of samples goes. ``counts`` (samples,) are how many each has.
    """

    ptr: NDArray[np.int64]
    groups: NDArray[np.int32]
    kind: NDArray[np.uint8]
    counts: NDArray[np.int64]


def _room(source: NDArray[np.int64], target: NDArray[np.int64]) -> Room:
    """Room for the blocks of every sample, of which the pointers of both sides are given."""
    samples = len(source) - 1
    if samples != len(target) - 1:
        raise ValueError(f"{samples} source samples, but {len(target) - 1} target samples")
    ptr = np.zeros(samples + 1, np.int64)
    _measure(source, target, ptr)
    return Room(
        ptr,
        np.empty((ptr[-1], 4), np.int32),
        np.empty(ptr[-1], np.uint8),
        np.empty(samples, np.int64),
    )


@kernel
def _measure(source: NDArray[np.int64], target: NDArray[np.int64], ptr: NDArray[np.int64]) -> None:
    """As many blocks as the shorter side of each sample has tokens, but one."""
    for s in range(len(ptr) - 1):
        n, m = source[s + 1] - source[s], target[s + 1] - target[s]
        ptr[s + 1] = ptr[s] + (max(min(n, m), 1) if max(n, m) > 0 else 0)


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
    return np.require(flags, np.bool_, ["C", "W"])


@allocating
def _align_range(first: int, last: int, source: Side, target: Side, room: Room) -> tuple[int, int]:
    """The blocks of samples ``first:last``; where they begin and end, -1 if an id is not known."""
    a_ptr, a_ids, one = source.indptr, source.ids, (source.bytes_ptr, source.data, source.flags)
    b_ptr, b_ids, other = target.indptr, target.ids, (target.bytes_ptr, target.data, target.flags)
    ptr, groups, kind, counts = room.ptr, room.groups, room.kind, room.counts
    sizes = (
        most_symbols(a_ptr, a_ids, source.bytes_ptr, first, last),
        most_symbols(b_ptr, b_ids, target.bytes_ptr, first, last),
    )
    if min(sizes) < 0:
        return -1, -1
    size = sizes[0] + sizes[1]
    symbols, state, elements = (
        np.empty(size, np.uint16),
        np.empty(STATES, np.int64),
        room_for_elements(size),
    )
    tokens, at = np.empty((3, size), np.int32), ptr[first]
    for s in range(first, last):
        mine, its = a_ids[a_ptr[s] : a_ptr[s + 1]], b_ids[b_ptr[s] : b_ptr[s + 1]]
        n, m = len(mine), len(its)
        begin(state, n, m, lay_out(mine, one, symbols, tokens[0], 0))
        state[TARGET + END] = lay_out(its, other, symbols, tokens[0, n:], state[END])
        if read_plain(symbols, tokens, state):
            scan_on(symbols, tokens, state, elements)
        counts[s] = merge(tokens[1], n, m, groups, kind, at) - at
        at += counts[s]
    return ptr[first], at


@allocating
def _merge_range(
    first: int, last: int, source: Spans, target: Spans, room: Room
) -> tuple[int, int]:
    """The blocks of samples ``first:last`` whose ends are known; where they begin and end."""
    at = room.ptr[first]
    for s in range(first, last):
        a, b = source.indptr[s], target.indptr[s]
        n, m = source.indptr[s + 1] - a, target.indptr[s + 1] - b
        marks = np.empty(n + m, np.int32)
        mark_ends(source.ends[a : a + n], source.glued[a : a + n], 1, marks[:n])
        mark_ends(target.ends[b : b + m], target.glued[b : b + m], 2, marks[n:])
        room.counts[s] = merge(marks, n, m, room.groups, room.kind, at) - at
        at += room.counts[s]
    return room.ptr[first], at


def _blocks(threads: int, room: Room, align: Callable[[int, int], tuple[int, int]]) -> Blocks:
    """The blocks of all samples; ``align(first, last)`` writes those of a range into ``room`` and
    says where they begin and end.

    Gaps between ranges are closed in place: fresh memory costs more than moving.
    """
    end, flat = 0, room.groups.reshape(-1)

    def pack(part: tuple[int, int]) -> None:
        nonlocal end
        first, last = part
        _move(flat, 4 * first, 4 * last, 4 * end)
        _move(room.kind, first, last, end)
        end += last - first

    in_order(threads, len(room.counts), align, pack)
    return Blocks(pointers(room.counts), room.groups[:end], room.kind[:end])


@kernel
def _move(array: NDArray[Scalar], first: int, last: int, to: int) -> None:
    """Move what stands at ``first:last`` down to ``to``; in strides that do not overlap, for such
    loops are vectorized."""
    stride = first - to
    while first < last and stride > 0:
        size = min(stride, last - first)
        here, there = array[to : to + size], array[first : first + size]
        for k in range(size):
            here[k] = there[k]
        first, to = first + size, to + size
