"""A tokenizer's vocabulary as arrays: the bytes of every id as they are in the text.

``▁She`` of a SentencePiece model is the bytes ``" She"``, ``ĠShe`` of a byte-level one the same;
``<0xE2>`` is the byte E2. Special tokens and ``<unk>`` spell nothing. Built once per tokenizer,
this is all that alignment and projection know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import kernel
from align.ragged import pointers

MARKER = 1  # starts with a word-boundary marker (its first byte is a space that may be virtual)
BARE = 2  # is nothing but the marker
UNKNOWN = 4  # <unk>: stands for text that it does not spell
SPECIAL = 8  # <pad>, </s>, <extra_id_0>, unused rows: stands for no text at all
BYTE = 16  # one byte of a byte fallback


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """V pieces, one after another.

    Attributes:
        indptr: (V + 1,) int64; id v spells ``data[indptr[v]:indptr[v + 1]]``.
        data: uint8 bytes.
        flags: (V,) uint8, the bits above.
        eos: id of the end of sequence, or None where the tokenizer has none.
        folds: True where runs of whitespace fold into one space and a leading space is assumed
            (SentencePiece's default normalization, T5's).
    """

    indptr: NDArray[np.int64]
    data: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    eos: int | None = None
    folds: bool = False

    def __post_init__(self) -> None:
        if len(self.indptr) != len(self.flags) + 1 or self.indptr[-1] != len(self.data):
            raise ValueError(
                f"{len(self.flags)} flags and {len(self.data)} bytes do not fit an indptr of "
                f"length {len(self.indptr)} that ends at {self.indptr[-1]}"
            )

    def __len__(self) -> int:
        return len(self.flags)

    def equals(self, other: Vocabulary) -> bool:
        """Whether this and ``other`` spell the same ids the same way."""
        return (
            self.eos == other.eos
            and self.folds == other.folds
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.data, other.data)
            and np.array_equal(self.flags, other.flags)
        )

    def piece(self, token: int) -> bytes:
        """The bytes that id ``token`` spells; empty for special tokens and ``<unk>``.

        Raises:
            ValueError: no such id.
        """
        if not 0 <= token < len(self):
            raise ValueError(f"token id {token} is outside a vocabulary of {len(self)} pieces")
        return self.data[self.indptr[token] : self.indptr[token + 1]].tobytes()

    def all_pieces(self) -> list[bytes]:
        """(V,) the bytes that every id spells."""
        data, ends = self.data.tobytes(), self.indptr.tolist()
        return [data[start:end] for start, end in pairwise(ends)]

    def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes that each of ``tokens`` spells."""
        ids = np.asarray(tokens, np.int64)
        outside = ids[(ids < 0) | (ids >= len(self))]
        if len(outside):
            self.piece(int(outside[0]))  # which says what is wrong
        spans = zip(self.indptr[ids].tolist(), self.indptr[ids + 1].tolist(), strict=True)
        data = self.data.data
        return [bytes(data[start:end]) for start, end in spans]


def build_vocabulary(
    pieces: Sequence[bytes],
    *,
    flags: Mapping[int, int] | None = None,
    eos: int | None = None,
    folds: bool = False,
) -> Vocabulary:
    """A vocabulary whose id v spells ``pieces[v]``.

    Args:
        pieces: V pieces, empty for tokens that spell nothing.
        flags: bits of the ids that have any, such as ``SPECIAL``.
        eos: the id of the end of sequence.
        folds: the tokenizer makes one space of several.

    Returns:
        A vocabulary of V ids.
    """
    bits = np.zeros(len(pieces), np.uint8)
    if flags:
        bits[list(flags)] = list(flags.values())
    indptr = pointers(np.fromiter(map(len, pieces), np.int64, len(pieces)))
    data = np.frombuffer(b"".join(pieces), np.uint8).copy()
    return Vocabulary(indptr, data, bits, eos=eos, folds=folds)


def check_ids(what: str, ids: NDArray[np.int32], vocabulary: Vocabulary) -> None:
    """Refuse ids that are outside the vocabulary.

    Args:
        what: names the ids in the error, such as "teacher tokens".
        ids: (T,) whole numbers.
        vocabulary: which they should index.

    Raises:
        ValueError: an id is negative or beyond the vocabulary.
    """
    unsigned = ids.view(f"u{ids.itemsize}")  # in which a negative one is large
    if len(ids) and unsigned.max() >= len(vocabulary):
        raise ValueError(
            f"{what} reach from {ids.min()} to {ids.max()}, but the vocabulary has "
            f"{len(vocabulary)} pieces; were the tokens written by another tokenizer?"
        )


class PrefixIndex(NamedTuple):
    """The ids that spell something, in the order of their bytes.

    All pieces that start with a prefix are neighbours, the prefix itself first. Equal pieces are in
    the order: whole pieces, then byte fallbacks, then by id.

    ``order`` is (spelling ids,) int32; ``indptr`` and ``data`` are the vocabulary's own.
    """

    order: NDArray[np.int32]
    indptr: NDArray[np.int64]
    data: NDArray[np.uint8]


def index_prefixes(vocabulary: Vocabulary) -> PrefixIndex:
    """The ids of ``vocabulary`` that spell text and are not special, sorted by their bytes."""
    spelling = np.flatnonzero(
        (np.diff(vocabulary.indptr) > 0) & (vocabulary.flags & (SPECIAL | UNKNOWN) == 0)
    ).tolist()
    pieces, fallback = vocabulary.all_pieces(), (vocabulary.flags & BYTE).tolist()
    # sorting leaves equals in their order, so what counts less is sorted by first
    order = sorted(sorted(spelling, key=fallback.__getitem__), key=pieces.__getitem__)
    return PrefixIndex(np.array(order, np.int32), vocabulary.indptr, vocabulary.data)


@kernel
def narrow(index: PrefixIndex, low: int, high: int, depth: int, byte: int) -> tuple[int, int]:
    """The part of ``order[low:high]`` whose byte at ``depth`` is ``byte``.

    The pieces of ``order[low:high]`` share their first ``depth`` bytes. Two binary searches.
    """
    # where the next byte begins is where this one ends
    start = _first_at_least(index, low, high, depth, byte)
    return start, _first_at_least(index, start, high, depth, byte + 1)


@kernel
def _first_at_least(index: PrefixIndex, low: int, high: int, depth: int, byte: int) -> int:
    """The first place in ``order[low:high]`` whose byte at ``depth`` is not below ``byte``."""
    while low < high:
        middle = (low + high) // 2
        token = index.order[middle]
        at = index.indptr[token] + depth
        # a piece that ends before ``depth`` is less than any byte: it comes first
        if at < index.indptr[token + 1] and index.data[at] >= byte:
            high = middle
        else:
            low = middle + 1
    return low


def count_prefixes(index: PrefixIndex) -> NDArray[np.int32]:
    """(bytes,) For each byte of the vocabulary's data: how many pieces of ``index`` begin like the
    piece that holds it, up to and without that byte. O(bytes)."""
    counts = np.full(len(index.data), len(index.order), np.int32)
    start = index.indptr[index.order]
    size = index.indptr[index.order + 1] - start
    group = np.zeros(len(start), np.int64)  # pieces that share ``depth`` bytes, as many in a row
    depth = 0
    while len(start):
        byte = index.data[start + depth].astype(np.int64)
        begins = np.append(True, (group[1:] != group[:-1]) | (byte[1:] != byte[:-1]))
        group = np.cumsum(begins)
        depth += 1
        longer = size > depth
        counts[start[longer] + depth] = np.bincount(group)[group[longer]]
        start, size, group = start[longer], size[longer], group[longer]
    return counts


@kernel
def starts_like(
    indptr: NDArray[np.int64], data: NDArray[np.uint8], piece: int, other: int, size: int
) -> bool:
    """Whether ``piece`` begins with the first ``size`` bytes of ``other``, which has as many."""
    a, b = indptr[piece], indptr[other]
    if indptr[piece + 1] - a < size:
        return False
    # pieces are short, and an early end would be a branch at each byte
    same = True
    for k in range(size):
        same &= data[a + k] == data[b + k]
    return same
