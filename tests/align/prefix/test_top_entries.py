"""The choice of a row's entries, against sorting them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.prefix.top_entries import (
    INCONSISTENT,
    KEPT,
    TAIL,
    TAIL_MASS,
    WRONG,
    Assigned,
    Entries,
    Rows,
    choose,
)
from align.projection import EMPTY, MID, SAME, UNKNOWN_TOKEN
from tests.support.strategies import EXAMPLES

TOKENS = 80

# Multiples of 1/64: sums are exact, and many are alike.
share = st.tuples(st.integers(0, TOKENS - 1), st.integers(1, 4))
few, many = st.lists(share, max_size=20), st.lists(share, min_size=TOKENS, max_size=150)


@given(st.lists(few | many, max_size=3), st.integers(0, 3), st.integers(1, TOKENS))
@settings(max_examples=EXAMPLES)
def test_the_most_probable_are_chosen_ties_by_id(drawn, rest, keep):
    listed = [[*row, (TAIL, rest), (INCONSISTENT, 5)] for row in drawn]
    flat = [entry for row in listed for entry in row]
    assigned = Assigned(
        np.array([len(flat)]),
        np.array([(token, 0, 0) for token, _ in flat], np.int32).reshape(-1, 3),
        np.array([mass / 64 for _, mass in flat]),
    )
    ptr = np.cumsum([0] + [len(row) for row in listed])
    count = len(drawn)
    rows = Rows(
        np.full(count + 1, 7, np.int32),
        np.full(count + 1, SAME, np.uint8),
        np.empty(count + 1, np.int64),
        np.empty((count + 1, 3), np.float32),
    )
    room = len(flat) + count
    held = np.zeros(TOKENS + 2)
    entries = Entries(np.empty(room, np.int32), np.empty(room, np.float32), held)
    assert choose(assigned, ptr, rows, 1, keep, entries) == rows.size[1:].sum()
    assert not held.any()
    at = 0
    for r, row in enumerate(drawn):
        mass: dict[int, int] = defaultdict(int)
        for token, part in row:
            mass[token] += part
        tail = rest
        if not mass:  # nothing can follow but what is there
            mass[7], tail = 1, 0
        assert rows.kind[1 + r] == (SAME if row else EMPTY)
        total = sum(mass.values()) + tail
        best = sorted(mass, key=lambda token: (-mass[token], token))[:keep]
        size = rows.size[1 + r]
        assert entries.ids[at : at + size].tolist() == best
        expected = [mass[token] / total for token in best]
        assert entries.prob[at : at + size] == pytest.approx(expected)
        left = 1 - sum(mass[token] for token in best) / total
        assert rows.mass[1 + r, TAIL_MASS] == pytest.approx(left, abs=1e-7)
        assert rows.mass[1 + r, KEPT] == pytest.approx(1 - tail / total)
        assert rows.mass[1 + r, WRONG] == pytest.approx(5 / 64)
        at += size


@pytest.mark.parametrize(("kind", "after"), [(MID, EMPTY), (UNKNOWN_TOKEN, UNKNOWN_TOKEN)])
def test_a_row_without_mass_is_its_own_token(kind, after):
    none = Assigned(np.zeros(1, np.int64), np.empty((0, 3), np.int32), np.empty(0))
    rows = Rows(
        np.array([3], np.int32),
        np.array([kind], np.uint8),
        np.empty(1, np.int64),
        np.empty((1, 3), np.float32),
    )
    entries = Entries(np.empty(1, np.int32), np.empty(1, np.float32), np.zeros(6))
    assert choose(none, np.zeros(2, np.int64), rows, 0, 5, entries) == 1
    assert (entries.ids[0], entries.prob[0], rows.kind[0]) == (3, 1.0, after)
    assert rows.mass.tolist() == [[0.0, 1.0, 0.0]]
