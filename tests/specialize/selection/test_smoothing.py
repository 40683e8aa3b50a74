"""Smoothed scores and the error of their differences, against sums over single examples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.artifacts.predictions import Grade
from specialize.artifacts.selection import Candidate
from specialize.config.recipe import EvaluationSet
from specialize.config.yaml_files import override_recipe
from specialize.errors import ConfigurationError
from specialize.selection.paired_tests import Paired, pair
from specialize.selection.rules import BEST_IN_DISTRIBUTION, BEST_MEAN, WithinDrop
from specialize.selection.smoothing import check_window, contrast, smoothed, windows
from specialize.selection.stage import choose_among
from tests.reference import scores as reference
from tests.support.report_toys import toy_recipe

SETS = [
    EvaluationSet(set="jsonl", name="near", role="in-distribution"),
    EvaluationSet(set="jsonl", name="far", role="out-of-distribution"),
]
odd = st.sampled_from([1, 3, 5, 7])
answers = st.integers(1, 12).flatmap(
    lambda examples: st.lists(
        st.lists(st.booleans(), min_size=examples, max_size=examples), min_size=2, max_size=6
    )
)


def candidates(near: list[float], far: list[float] | None = None) -> list[Candidate]:
    return [
        Candidate(f"step-{10 * i:06d}", 10 * i, {"near": one}, {"far": other})
        for i, (one, other) in enumerate(zip(near, far or near, strict=True), 1)
    ]


def test_a_hand_made_row() -> None:
    found = [c.in_distribution["near"] for c in smoothed(candidates([0.2, 0.5, 0.35, 0.6]), 3)]
    assert found == pytest.approx([0.35, 0.35, 1.45 / 3, 0.475])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), odd)
def test_every_set_is_averaged_over_its_neighbours(scores: list[float], window: int) -> None:
    given_, found = (
        candidates(scores, scores[::-1]),
        smoothed(candidates(scores, scores[::-1]), window),
    )
    assert [c.checkpoint for c in found] == [c.checkpoint for c in given_]
    near = [c.in_distribution["near"] for c in found]
    far = [c.out_of_distribution["far"] for c in found]
    assert near == pytest.approx(reference.moving_average(scores, window))
    assert far == pytest.approx(reference.moving_average(scores[::-1], window))
    if window == 1:
        assert found == given_


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9), odd)
def test_what_only_rises_still_rises(scores: list[int], window: int) -> None:
    found = smoothed(candidates([score / 100 for score in sorted(scores)]), window)
    assert all(
        one.in_distribution["near"] <= other.in_distribution["near"] + 1e-12
        for one, other in pairwise(found)
    )


@given(answers, st.data())
def test_the_error_of_a_difference_is_that_of_its_examples(
    given_: list[list[bool]], data: st.DataObject
) -> None:
    names = [str(i) for i in range(len(given_))]
    grades = {
        name: [Grade(str(i), right) for i, right in enumerate(each)]
        for name, each in zip(names, given_, strict=True)
    }
    first, second = (data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
                     for _ in range(2))  # fmt: skip
    found = contrast(first, second, lambda a, b: pair(grades[a], grades[b]))
    wanted = reference.contrast(*([given_[int(n)] for n in some] for some in (first, second)))
    assert found == pytest.approx(wanted, abs=1e-12)


def test_without_a_common_example_there_is_no_difference() -> None:
    assert contrast(["a"], ["b"], lambda a, b: Paired(0, 0, 0)) is None
    assert contrast(["a", "b"], ["b", "a"], lambda a, b: Paired(0, 0, 0)) == (0.0, 0.0)


def test_raw_and_smoothed_choice_beside_each_other() -> None:
    spike = candidates([0.2, 0.3, 0.7, 0.3, 0.55, 0.56, 0.55])
    raw = choose_among(spike, SETS, BEST_MEAN, format_="f")
    assert (raw.step, raw.smooth, raw.raw_choice) == (30, 1, None)
    assert {judged.raw for judged in raw.judged} == {None}
    found = choose_among(spike, SETS, BEST_MEAN, format_="f", smooth=3)
    assert (found.step, found.value) == (70, pytest.approx(0.555))
    assert (found.smooth, found.raw_choice.step, found.raw_choice.value) == (3, 30, 0.7)
    assert [judged.raw for judged in found.judged] == [0.2, 0.3, 0.7, 0.3, 0.55, 0.56, 0.55]
    assert found.judged[2].value == pytest.approx(1.3 / 3)
    assert found.judged[2].candidate.in_distribution == {"near": 0.7}
    assert found.signals == raw.signals


def test_refusals_follow_the_smoothed_scores() -> None:
    near, far = [0.5, 0.6, 0.9, 0.6], [0.5, 0.5, 0.1, 0.5]
    found = choose_among(candidates(near, far), SETS, WithinDrop(0.2), format_="f", smooth=3)
    assert found.step == 40  # 0.75 in-distribution, 0.30 out-of-distribution: as the best less 0.2
    assert found.raw_choice.step == 20
    assert [judged.refused is None for judged in found.judged] == [True, True, True, True]


def test_the_earliest_of_those_that_smoothed_answers_do_not_separate() -> None:
    """Each checkpoint answers its own run of the 40 examples; the averages hardly differ."""
    right = {10: range(20), 20: range(2, 22), 30: range(1, 22), 40: range(3, 24)}
    grades = {
        f"step-{step:06d}": [Grade(str(i), i in some) for i in range(40)]
        for step, some in right.items()
    }
    some = candidates([len(each) / 40 for each in right.values()])
    compare = lambda first, second, set_: pair(grades[first], grades[second])  # noqa: E731
    for smooth, step in ((1, 10), (3, 10)):
        found = choose_among(some, SETS[:1], BEST_IN_DISTRIBUTION, format_="f", compare=compare,
                             smooth=smooth)  # fmt: skip
        assert found.step == step
    found = choose_among(some, SETS[:1], BEST_IN_DISTRIBUTION, format_="f", compare=compare,
                         smooth=3, errors=0)  # fmt: skip
    assert found.step == 40


@pytest.mark.parametrize("window", [0, -3, 2, 4])
def test_a_window_has_a_middle(window: int) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"so it is odd \(1: no smoothing\), got {window}"
    ):
        check_window(window)
    with pytest.raises(ConfigurationError, match=rf"recipe: smooth: .* is odd .* got {window}"):
        override_recipe(toy_recipe(), [f"smooth={window}"])


def test_windows_are_cut_at_both_ends() -> None:
    assert windows("abcd", 3) == {"a": ("a", "b"), "b": ("a", "b", "c"), "c": ("b", "c", "d"),
                                  "d": ("c", "d")}  # fmt: skip
