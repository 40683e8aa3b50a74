"""Paired comparison against enumeration and simulation."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.artifacts.predictions import Prediction
from specialize.selection.paired_tests import (
    Paired,
    difference_interval,
    examples_to_separate,
    holm,
    pair,
)

counts = st.builds(
    lambda a, b, rest: Paired(a, b, a + b + rest),
    st.integers(0, 40), st.integers(0, 40), st.integers(0, 100),
)  # fmt: skip


def _predictions(right: dict[str, bool]) -> list[Prediction]:
    return [Prediction(i, "", "", None, "", correct, True, 0) for i, correct in right.items()]


def test_pairs_are_by_id_in_any_order() -> None:
    first = _predictions({"a": True, "b": False, "c": True, "only": True})
    second = _predictions({"c": True, "b": True, "a": False, "other": False})
    assert pair(first, second) == Paired(only_first=1, only_second=1, total=3)
    assert pair(first, []) == Paired(0, 0, 0)
    assert Paired(0, 0, 0).difference == 0


@given(st.integers(0, 11), st.data())
def test_p_is_the_share_of_coin_tosses_as_uneven(n: int, data: st.DataObject) -> None:
    """Against all 2^n outcomes of n fair coins."""
    k = data.draw(st.integers(0, n))
    uneven = [abs(2 * sum(toss) - n) >= abs(2 * k - n) for toss in product((0, 1), repeat=n)]
    assert Paired(k, n - k, n).p_value == pytest.approx(sum(uneven) / 2**n)


def test_p_of_the_worked_example_and_of_many() -> None:
    assert Paired(31, 18, 500).p_value == pytest.approx(0.0854, abs=1e-4)
    assert 0 < Paired(2000, 1500, 9000).p_value < 1e-15


@given(st.lists(st.floats(0, 1), max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """Rejected at a level iff every group of tests that it is in is rejected by Bonferroni."""
    numbers = range(len(p_values))
    groups = [g for size in numbers for g in combinations(numbers, size + 1)]
    wanted = [
        max(min(1.0, len(g) * min(p_values[j] for j in g)) for g in groups if i in g)
        for i in numbers
    ]
    assert holm(p_values) == pytest.approx(wanted)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(counts)
def test_p_is_symmetric_and_the_difference_changes_sign(one: Paired) -> None:
    other = Paired(one.only_second, one.only_first, one.total)
    assert one.p_value == other.p_value
    assert one.difference == -other.difference


@given(st.lists(st.tuples(st.floats(0.1, 1), counts), min_size=1, max_size=3))
def test_the_interval_holds_the_difference_or_lies_beside_it(parts) -> None:
    low, high = difference_interval(parts)
    exact = sum(weight * part.difference for weight, part in parts)
    most = sum(w for w, _ in parts) + 1e-9
    assert -most <= low <= high <= most
    assert low - 0.05 <= exact <= high + 0.05
    assert difference_interval(parts) == (low, high)


def test_models_that_never_differed_may_still_differ() -> None:
    low, high = difference_interval([(1.0, Paired(0, 0, 10))])
    assert -0.4 < low < 0 < high < 0.4
    assert difference_interval([(1.0, Paired(0, 0, 10_000))])[1] < 0.001


def test_the_interval_covers_at_its_nominal_rate() -> None:
    rng = np.random.default_rng(8)
    truth = [(0.5, (0.20, 0.10)), (0.5, (0.15, 0.15))]
    exact = sum(weight * (a - b) for weight, (a, b) in truth)
    covered = 0
    for trial in range(200):
        parts = []
        for weight, (a, b) in truth:
            drawn = rng.multinomial(200, [a, b, 1 - a - b])
            parts.append((weight, Paired(int(drawn[0]), int(drawn[1]), 200)))
        low, high = difference_interval(parts, seed=trial)
        covered += low <= exact <= high
    assert 0.91 <= covered / 200 <= 0.99


def test_as_many_examples_as_it_says_separate() -> None:
    """By simulation: with that many, four of five experiments find p < 0.05."""
    seen = Paired(60, 40, 500)
    needed = examples_to_separate(seen)
    assert needed is not None
    rng = np.random.default_rng(3)
    shares = [seen.only_first / 500, seen.only_second / 500]
    drawn = rng.multinomial(needed, [*shares, 1 - sum(shares)], size=300)
    found = [Paired(int(a), int(b), needed).p_value < 0.05 for a, b, _ in drawn]
    assert 0.74 <= np.mean(found) <= 0.88
    assert examples_to_separate(Paired(3, 3, 10)) is None


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 4 examples of 6"):
        Paired(3, 4, 6)
