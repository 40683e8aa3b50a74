"""Rows of sparse distributions: shapes, round trips, mass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align import SparseDistributions, concatenate, from_padded, one_hot
from tests.support.strategies_project import rows_over, sparse

any_rows = st.lists(rows_over(6), max_size=5).map(lambda rows: sparse(tuple(rows)))


def same(one: SparseDistributions, other: SparseDistributions) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "ids", "logprobs", "tail")
    )


@given(any_rows)
def test_mass_is_stored_and_tail(rows):
    assert rows.mass() == pytest.approx(1, abs=1e-6)
    for r in range(len(rows)):
        row = rows[r : r + 1]
        total = np.exp(row.logprobs.astype(float)).sum() + np.exp(float(row.tail[0]))
        assert rows.mass()[r] == pytest.approx(total)


@given(any_rows, st.integers(1, 7))
@settings(max_examples=200)
def test_padding_keeps_the_most_probable_and_all_mass(rows, width):
    ids, logprobs, tail = rows.padded(width)
    assert ids.shape == logprobs.shape == (len(rows), width)
    back = from_padded(ids, logprobs, tail)
    assert back.mass() == pytest.approx(rows.mass(), abs=1e-6)
    for r in range(len(rows)):
        row = rows[r : r + 1]
        order = sorted(zip(-row.logprobs, row.ids, strict=True))[:width]
        expected = [int(token) for _, token in order]
        assert back[r : r + 1].ids.tolist() == expected
        assert ids[r, len(expected) :].tolist() == [0] * (width - len(expected))


@given(any_rows)
def test_wide_enough_padding_loses_nothing(rows):
    back = from_padded(*rows.padded(6))
    assert np.array_equal(back.indptr, rows.indptr)
    assert np.array_equal(back.tail, rows.tail)
    for r in range(len(rows)):
        one, other = rows[r : r + 1], back[r : r + 1]
        assert dict(zip(one.ids, one.logprobs, strict=True)) == dict(
            zip(other.ids, other.logprobs, strict=True)
        )


@given(any_rows, st.integers(0, 5), st.integers(0, 5))
def test_slices_concatenate_to_the_whole(rows, first, second):
    parts = [rows[: min(first, second)], rows[min(first, second) : second], rows[second:]]
    if first <= second:
        assert same(concatenate(parts), rows)
    assert len(rows[5:2]) == 0


def test_hard_rows_are_recognized():
    soft = sparse(({1: 0.5, 2: 0.5}, {3: 0.9}))
    both = concatenate([one_hot(np.array([7, 8])), soft, one_hot(np.array([9]))])
    assert both.is_hard.tolist() == [True, True, False, False, True]
    assert both.row_of_entry().tolist() == [0, 1, 2, 2, 3, 4]
    assert len(concatenate([])) == 0


@pytest.mark.parametrize(
    ("indptr", "ids", "tail", "message"),
    [
        ([0, 1], [1], [0.0, 0.0], r"indptr has shape \(2,\), but 2 rows need \(3,\)"),
        ([1, 1], [1], [0.0], "indptr must start at 0 and never fall"),
        ([0, 1, 0], [], [0.0, 0.0], "indptr must start at 0 and never fall"),
        ([0, 2], [1], [0.0], "1 ids and 1 log-probabilities, but indptr ends at 2"),
    ],
)
def test_shapes_are_checked(indptr, ids, tail, message):
    with pytest.raises(ValueError, match=message):
        SparseDistributions(
            np.array(indptr, np.int64),
            np.array(ids, np.int32),
            np.zeros(len(ids), np.float32),
            np.array(tail, np.float32),
        )


def test_rows_are_taken_in_order():
    with pytest.raises(ValueError, match="got a slice with step -1"):
        one_hot(np.array([1, 2]))[::-1]
