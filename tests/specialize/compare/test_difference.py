"""Differences of two systems against enumeration, McNemar's test and the published example."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.compare.difference import difference, sign_flip_p
from specialize.selection.paired_tests import Paired, difference_interval, examples_to_separate


def _answers(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = [1.0] * (both + first) + [0.0] * (second + neither)
    b = [1.0] * both + [0.0] * first + [1.0] * second + [0.0] * neither
    return np.array(a), np.array(b)


def test_the_pairs_see_what_an_unpaired_test_does_not() -> None:
    """220 items, unpaired p = .080, McNemar .008: lm-evaluation-harness, pull request 3868.

    It does not print its counts; of all tables of 220 with these two values this is the one in the
    middle (the exact test; 7 of 18 tables are of other forms of McNemar's).
    """
    first, second = _answers(110, 12, 30, 68)
    found = difference(first, second, np.arange(220))
    assert round(found.p_unpaired, 3) == 0.080
    assert round(found.p_value, 3) == 0.008
    assert found.difference == pytest.approx(18 / 220)


@given(st.tuples(*[st.integers(0, 25)] * 4).filter(lambda counts: sum(counts) > 0))
def test_a_question_a_cluster_is_mcnemar_s_test(counts: tuple[int, int, int, int]) -> None:
    first, second = _answers(*counts)
    found = difference(first, second, np.arange(sum(counts)))
    paired = Paired(counts[2], counts[1], sum(counts))
    assert found.p_value == pytest.approx(paired.p_value)
    assert found.difference == pytest.approx(paired.difference)
    assert found.interval == difference_interval([(1.0, paired)])
    assert found.needed == examples_to_separate(paired)


@given(st.lists(st.integers(-6, 6).map(lambda n: n / 2), min_size=1, max_size=9))
def test_p_is_the_share_of_signs_as_far_from_zero(sums: list[float]) -> None:
    totals = [sum(s * x for s, x in zip(signs, sums, strict=True))
              for signs in product((-1, 1), repeat=len(sums))]  # fmt: skip
    share = np.mean(np.abs(totals) >= abs(sum(sums)))
    assert sign_flip_p(np.array(sums)) == pytest.approx(share)


def test_scores_of_any_size_are_drawn() -> None:
    sums = np.array([0.31, 0.22, 0.17, 0.45, 0.09, 0.28])
    assert sign_flip_p(sums) == pytest.approx(2 / 2**6, abs=0.005)


def test_repeating_an_answer_makes_nothing_surer() -> None:
    """Ten samples of each question that all agree are worth one."""
    first, second = _answers(20, 3, 9, 20)
    once = difference(first, second, np.arange(52))
    ten = difference(np.repeat(first, 10), np.repeat(second, 10), np.repeat(np.arange(52), 10))
    apart = difference(np.repeat(first, 10), np.repeat(second, 10), np.arange(520))
    assert ten.p_value == pytest.approx(once.p_value)
    assert ten.difference == pytest.approx(once.difference)
    assert np.subtract(*ten.interval) == pytest.approx(np.subtract(*once.interval), rel=0.1)
    assert apart.p_value < 0.001 < ten.p_value
    assert ten.needed is not None
    assert once.needed is not None
    assert ten.needed == pytest.approx(10 * once.needed, rel=0.1)


def test_the_interval_over_clusters_covers() -> None:
    """40 clusters of 5 whose members share a difficulty: 95 % intervals hold the truth."""
    rng = np.random.default_rng(7)
    held = []
    for _ in range(40):
        shift = np.repeat(rng.normal(0.1, 0.4, 40), 5)
        a = rng.normal(0, 0.2, 200)
        found = difference(a, a + shift + rng.normal(0, 0.2, 200), np.repeat(np.arange(40), 5))
        held.append(found.interval[0] <= 0.1 <= found.interval[1])
    assert np.mean(held) >= 0.85


def test_equal_systems_need_nothing() -> None:
    scores = np.array([1.0, 0.0, 1.0, 1.0])
    found = difference(scores, scores, np.zeros(4, np.int64))
    assert (found.difference, found.p_value, found.needed) == (0, 1, None)
    assert difference(np.ones(1), np.zeros(1), np.zeros(1, np.int64)).p_unpaired == 1
