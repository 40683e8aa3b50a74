"""A teacher's rows made proper, against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.prefix.shard_arrays import Rows
from align.prefix.teacher_rows import LEAST, arrange, room
from align.prefix.word_states import CONTINUES
from tests.support.strategies import EXAMPLES

TOKENS = 3 * LEAST
ids = st.sampled_from([0, 1, LEAST, LEAST + 1, 2 * LEAST + 1])  # of which some share their mark
row = st.lists(st.tuples(ids, st.integers(1, 8)), max_size=8)
wide = st.lists(st.tuples(st.integers(0, TOKENS - 1), st.just(1)), min_size=100, max_size=200)


@given(st.lists(row | wide, min_size=1, max_size=4), st.integers(0, 3))
@settings(max_examples=EXAMPLES)
def test_an_id_that_is_listed_again_counts_once(listed, rest):
    entries = [entry for row in listed for entry in row]
    rows = Rows(
        np.cumsum([0] + [len(row) for row in listed]),
        np.array([token for token, _ in entries], np.int32),
        np.array([mass for _, mass in entries], np.float32),
        np.full(len(listed), rest, np.float32),
        np.zeros(len(entries), np.int32),
        np.full(len(entries), CONTINUES, np.uint8),
    )
    slots = room(0, 1, np.array([0, len(listed)]), rows, TOKENS)
    arrange(rows, np.zeros((1, 4), np.int32), False, 0, len(listed), slots)
    for r, row in enumerate(listed):
        held = dict(reversed(row))
        total = sum(held.values()) + rest
        here = slice(slots.ptr[r], slots.middle[r])
        assert slots.ids[here].tolist() == list(dict(row))
        masses = [held[token] / total for token in dict(row)]
        assert slots.mass[here] == pytest.approx(masses)
        assert slots.sums.rest[r] == pytest.approx(rest / total if total else 1.0)
