"""Vocabularies as arrays, and the index by bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align import Vocabulary, build_vocabulary
from align.vocabulary import (
    BYTE,
    SPECIAL,
    UNKNOWN,
    PrefixIndex,
    count_prefixes,
    index_prefixes,
    narrow,
)

pieces = st.lists(st.binary(max_size=4) | st.sampled_from([b"a", b"ab", b"abc", b""]), max_size=20)
flags = st.sampled_from([0, 0, 0, SPECIAL, UNKNOWN, BYTE])


def prefix_range(index: PrefixIndex, prefix: bytes) -> tuple[int, int]:
    """``order[low:high]`` are the ids whose bytes start with ``prefix``."""
    low, high = 0, len(index.order)
    for depth, byte in enumerate(prefix):
        low, high = narrow(index, low, high, depth, byte)
    return low, high


@given(pieces)
def test_pieces_come_back(spelled):
    vocabulary = build_vocabulary(spelled)
    assert len(vocabulary) == len(spelled)
    assert vocabulary.pieces(range(len(spelled))) == spelled


@given(pieces, st.data())
@settings(max_examples=200)
def test_a_prefix_is_a_contiguous_range(spelled, data):
    marks = {v: data.draw(flags) for v in range(len(spelled))}
    index = index_prefixes(build_vocabulary(spelled, flags=marks))
    prefix = data.draw(st.sampled_from([*spelled, b"", b"a", b"zz"]))
    low, high = prefix_range(index, prefix)
    expected = [
        v
        for v, piece in enumerate(spelled)
        if piece and piece.startswith(prefix) and not marks[v] & (SPECIAL | UNKNOWN)
    ]
    assert sorted(index.order[low:high].tolist()) == expected
    assert sorted(index.order.tolist(), key=lambda v: spelled[v]) == index.order.tolist()


@given(pieces, st.data())
@settings(max_examples=200)
def test_pieces_that_begin_alike_are_counted_byte_by_byte(spelled, data):
    marks = {v: data.draw(flags) for v in range(len(spelled))}
    vocabulary = build_vocabulary(spelled, flags=marks)
    index = index_prefixes(vocabulary)
    counts = count_prefixes(index)
    others = [spelled[v] for v in index.order.tolist()]
    for v in index.order.tolist():
        for k in range(len(spelled[v])):
            begin = sum(other.startswith(spelled[v][:k]) for other in others)
            assert counts[vocabulary.indptr[v] + k] == begin


def test_equal_pieces_are_in_order_whole_ones_first():
    index = index_prefixes(build_vocabulary([b"A", b"B", b"A", b"A"], flags={0: BYTE}))
    assert index.order.tolist() == [2, 3, 0, 1]


def test_the_shortest_piece_of_a_range_comes_first():
    index = index_prefixes(build_vocabulary([b"abc", b"ab", b"abd"]))
    assert index.order[slice(*prefix_range(index, b"ab"))].tolist() == [1, 0, 2]


def test_ids_and_shapes_are_checked():
    vocabulary = build_vocabulary([b"a"])
    with pytest.raises(ValueError, match="token id 1 is outside a vocabulary of 1 pieces"):
        vocabulary.piece(1)
    with pytest.raises(ValueError, match="token id -1 is outside"):
        vocabulary.piece(-1)
    with pytest.raises(ValueError, match="1 flags and 3 bytes do not fit an indptr of length 2"):
        Vocabulary(np.array([0, 2]), np.zeros(3, np.uint8), np.zeros(1, np.uint8))
