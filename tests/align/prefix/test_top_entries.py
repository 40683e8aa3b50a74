"""The choice of a row's entries, against sorting them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.prefix.continuations import Continuations
from align.prefix.readings import INCONSISTENT, TAIL
from align.prefix.row_kernel import CONTINUED, assigned_for
from align.prefix.top_entries import (
    KEPT,
    TAIL_MASS,
    WRONG,
    Rows,
    add_up,
    choose,
    entries_for,
    sums_for,
)
from align.projection import EMPTY, MID, SAME, UNKNOWN_TOKEN
from tests.support.strategies import EXAMPLES

TOKENS = 80
NONE = Continuations(np.zeros((1, 2), np.int32), np.zeros(1, np.float32))

# Multiples of 1/64: sums are exact, and many are alike.
share = st.tuples(st.integers(0, TOKENS - 1), st.integers(1, 4))
few, many = st.lists(share, max_size=20), st.lists(share, min_size=TOKENS, max_size=150)


def made(rows, keep, kind=SAME, continuations=NONE):
    """Rows whose readings, one each, give the listed (token, mass) pairs; 7 is what was written."""
    assigned = assigned_for(len(rows), sum(map(len, rows)))
    at = 0
    for r, row in enumerate(rows):
        for token, mass in row:
            assigned.tokens[at] = (token, 1) if token == CONTINUED else (token, 0)
            assigned.mass[at] = mass, 1.0
            at += 1
        assigned.ptr[r + 1] = at
    sums = sums_for(len(rows), at + 100, np.zeros(TOKENS + 2))
    add_up(np.arange(len(rows) + 1), assigned, continuations, sums)
    assert not sums.held.any()
    count = len(rows) + 1
    result = Rows(
        np.full(count, kind, np.uint8), np.empty(count, np.int64), np.empty((count, 3), np.float32)
    )
    entries = entries_for(at + count + 99, keep)
    written = np.full(len(rows), 7, np.int32)
    assert choose(1, written, sums, keep, result, entries) == result.size[1:].sum()
    return result, entries


@given(st.lists(few | many, max_size=3), st.integers(0, 3), st.integers(1, TOKENS))
@settings(max_examples=EXAMPLES)
def test_the_most_probable_are_chosen_ties_by_id(drawn, rest, keep):
    listed = [
        [*((token, mass / 64) for token, mass in row), (TAIL, rest / 64), (INCONSISTENT, 5 / 64)]
        for row in drawn
    ]
    rows, entries = made(listed, keep)
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
    rows, entries = made([[]], 5, kind)
    assert (entries.ids[0], entries.prob[0], rows.kind[1]) == (7, 1.0, after)
    assert rows.mass[1].tolist() == [0.0, 1.0, 0.0]


def test_what_followed_a_word_gets_its_shares_and_the_rest_is_tail():
    """Of the words that began like the candidate, half went on as 3, a quarter as 4."""
    continuations = Continuations(
        np.array([(0, 0), (2, 2), (3, 0), (4, 0)], np.int32),
        np.array([0.0, 1.0, 0.5, 0.25], np.float32),
    )
    rows, entries = made([[(CONTINUED, 0.5), (4, 0.5)]], 5, continuations=continuations)
    assert entries.ids[:2].tolist() == [4, 3]
    assert entries.prob[:2] == pytest.approx([0.625, 0.25])
    assert rows.mass[1, TAIL_MASS] == pytest.approx(0.125)
