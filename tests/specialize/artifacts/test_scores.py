"""Scores: Wilson's interval against its definition, and lines that read back."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.artifacts.scores import Accuracy, CheckpointScore, read_scores, write_scores
from specialize.errors import InputError


@st.composite
def accuracies(draw: st.DrawFn) -> Accuracy:
    total = draw(st.integers(1, 2000))
    return Accuracy(draw(st.integers(0, total)), total)


def a_score(**changes: object) -> CheckpointScore:
    values = {
        "checkpoint": "step-000400",
        "step": 400,
        "set": "svamp",
        "split": "validation",
        "role": "out-of-distribution",
        "format": "zero-shot-cot",
        "accuracy": Accuracy(3, 10),
        "unanswered": 2,
    }
    return CheckpointScore(**values | changes)  # type: ignore[arg-type]


def test_known_interval() -> None:
    low, high = Accuracy(262, 1000).interval()
    assert (round(low, 4), round(high, 4)) == (0.2357, 0.2901)


@given(accuracies(), st.sampled_from([(0.8, 1.2815515655446004), (0.95, 1.959963984540054)]))
def test_bounds_solve_the_score_equation(accuracy: Accuracy, level: tuple[float, float]) -> None:
    """Wilson's bounds are the shares p with |p_hat - p| = z sqrt(p (1 - p) / n)."""
    confidence, z = level
    low, high = accuracy.interval(confidence)
    assert 0 <= low <= accuracy.value <= high <= 1
    for bound in (low, high):
        distance = abs(accuracy.value - bound)
        assert distance == pytest.approx(z * sqrt(bound * (1 - bound) / accuracy.total), abs=1e-9)


@given(accuracies())
def test_intervals_are_symmetric_and_nested(accuracy: Accuracy) -> None:
    low, high = accuracy.interval()
    other = Accuracy(accuracy.total - accuracy.correct, accuracy.total).interval()
    assert other == pytest.approx((1 - high, 1 - low))
    wide = accuracy.interval(0.99)
    assert wide[0] <= low
    assert high <= wide[1]
    assert high - low > 0


@pytest.mark.parametrize(("correct", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="0 <= correct <= total"):
        Accuracy(correct, total)


def test_confidence_is_a_share() -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 95"):
        Accuracy(1, 2).interval(95)


def test_counts_add_up() -> None:
    assert Accuracy(1, 2) + Accuracy(2, 5) == Accuracy(3, 7)


def test_macro_average_weighs_tasks_equally() -> None:
    tasks = {"a": Accuracy(1, 2), "b": Accuracy(8, 8)}
    score = a_score(accuracy=Accuracy(9, 10), by_task=tasks, unanswered=0)
    assert score.macro_average == 0.75
    assert a_score().macro_average == 0.3


def test_tasks_must_add_up() -> None:
    with pytest.raises(
        ValueError, match="tasks of svamp add up to 1 of 2, but the set has 3 of 10"
    ):
        a_score(by_task={"a": Accuracy(1, 2)})


def test_unanswered_are_among_the_answers() -> None:
    with pytest.raises(ValueError, match="11 unanswered of 10"):
        a_score(unanswered=11)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(names, names, st.dictionaries(names, accuracies(), max_size=4), st.integers(0, 10**6))
def test_a_line_reads_back(
    checkpoint: str, set_: str, tasks: dict[str, Accuracy], step: int
) -> None:
    accuracy = sum(tasks.values(), Accuracy(0, 1)) if tasks else Accuracy(1, 2)
    if tasks:
        accuracy = Accuracy(accuracy.correct, accuracy.total - 1)
    score = a_score(
        checkpoint=checkpoint, set=set_, by_task=tasks, step=step, accuracy=accuracy, unanswered=0
    )
    line = score.to_json()
    assert "\n" not in line
    assert CheckpointScore.from_json(line) == score


def test_files_read_back(tmp_path: Path) -> None:
    scores = [a_score(), a_score(set="line\u2028separator", step=401)]
    path = tmp_path / "scores.jsonl"
    write_scores(path, scores)
    assert read_scores(path) == scores
    assert path.read_text(encoding="utf-8").count("\n") == 2
    write_scores(path, [])
    assert read_scores(path) == []


def line_with(**changes: object) -> str:
    return json.dumps(json.loads(a_score().to_json()) | changes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ("[]", "a score has the keys"),
        (line_with(other=1), "a score has the keys"),
        (line_with(step="4"), "step must be int, got '4'"),
        (line_with(step=True), "step must be int, got True"),
        (line_with(accuracy={"correct": 1}), "an accuracy is"),
        (line_with(accuracy={"correct": 1.0, "total": 2}), "counts whole answers"),
        (line_with(accuracy={"correct": 3, "total": 2}), "0 <= correct <= total"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(f"{a_score().to_json()}\n{line}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_scores(path)
    assert f"{path}, line 2" in str(caught.value)


def test_missing_scores_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run specialize evaluate first"):
        read_scores(tmp_path / "scores.jsonl")
