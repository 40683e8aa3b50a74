"""The choice of a row's entries, against sorting them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.prefix.next_token import TAIL, WRONG
from align.prefix.top_entries import MANY, choose, forget, give, nothing
from tests.support.strategies import EXAMPLES

TOKENS = 2 * MANY

# Multiples of 1/64: sums are exact, and many are alike.
gift = st.tuples(st.integers(0, TOKENS - 1), st.integers(1, 4))
few, many = st.lists(gift, min_size=1, max_size=20), st.lists(gift, min_size=TOKENS, max_size=150)


@given(few | many, st.integers(0, 3), st.integers(1, TOKENS))
@settings(max_examples=EXAMPLES)
def test_the_most_probable_are_chosen_ties_by_id(given_away, rest, keep):
    found, count = nothing(TOKENS), 0
    held: dict[int, int] = defaultdict(int)
    for token, mass in given_away:
        count = give(found, count, token, mass / 64)
        held[token] += mass
    assert count == len(held)
    if rest:
        assert give(found, count, TAIL, rest / 64) == count
        assert give(found, count, WRONG, 1.0) == count
    total = sum(held.values()) + rest
    best = sorted(held, key=lambda token: (-held[token], token))[:keep]
    ids, prob = np.empty(TOKENS, np.int32), np.empty(TOKENS, np.float32)
    size, tail, placed = choose(found, count, ids, prob, keep)
    assert ids[:size].tolist() == best
    assert prob[:size] == pytest.approx([held[token] / total for token in best])
    assert tail == pytest.approx(1 - sum(held[token] for token in best) / total, abs=1e-12)
    assert placed == pytest.approx(1 - rest / total)
    assert not found.held.any()


@given(few | many)
@settings(max_examples=EXAMPLES)
def test_a_row_that_is_given_up_leaves_nothing_behind(given_away):
    found, count = nothing(TOKENS), 0
    for token, mass in [*given_away, (TAIL, 1), (WRONG, 1)]:
        count = give(found, count, token, mass / 64)
    assert found.held.any()
    forget(found, count)
    assert not found.held.any()
