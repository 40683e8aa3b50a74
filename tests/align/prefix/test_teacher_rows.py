"""A teacher's rows, normalized, against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.prefix.shard_arrays import CONTINUES, REST, ROLE, ROLES, STARTS, WRITTEN, source_table
from align.prefix.teacher_rows import normalize
from tests.support.strategies import EXAMPLES

TOKENS = 40
entry = st.tuples(st.integers(0, TOKENS - 1), st.integers(1, 8))
row = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 8)) | entry, max_size=12)


@given(st.lists(row, min_size=1, max_size=4), st.integers(0, 3))
@settings(max_examples=EXAMPLES)
def test_an_id_that_is_listed_again_counts_once(listed, rest):
    entries = [entry for row in listed for entry in row]
    rows = len(listed)
    source = source_table(
        np.array([0, rows]),
        np.zeros(rows, np.int32),
        np.cumsum([0] + [len(row) for row in listed]),
        np.array([token for token, _ in entries], np.int32),
    )
    source.entries[:, ROLE] = [(CONTINUES, STARTS, WRITTEN)[token % 3] for token, _ in entries]
    prob = np.array([mass for _, mass in entries], np.float32)
    sums = np.zeros((rows, ROLES), np.float32)
    sums[:, REST] = rest
    normalize(0, 1, source, prob, sums, np.full(TOKENS, -1, np.int32))
    for r, row in enumerate(listed):
        held = dict(reversed(row))
        total = sum(held.values()) + rest
        first = source.row_ptr[r]
        for e, (token, _) in enumerate(row):
            repeated = token in [other for other, _ in row[:e]]
            expected = 0.0 if repeated else held[token] / total
            assert prob[first + e] == pytest.approx(expected)
        assert sums[r, REST] == pytest.approx(rest / total if total else 1.0)
        for k, role in ((1, STARTS), (2, WRITTEN)):
            mass = sum(mass for token, mass in held.items() if token % 3 == k)
            assert sums[r, role] == pytest.approx(mass / total if total else 0.0)
