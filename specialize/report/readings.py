"""How much a score owes to the way answers are read: strict, flexible and legacy side by side.

    svamp   flexible 31.4 %   strict 30.8 %   legacy 27.0 %   strict finds no answer in 14

``strict`` wants the answer announced, ``legacy`` is the published last-number rule of Fu et al.
(arXiv:2301.12726). Where they disagree a few responses are shown, those whose correctness depends
on the mode first: a reader sees at once which reading is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specialize.answers import Kind, Mode, find_answer, is_correct
from specialize.artifacts.predictions import Prediction
from specialize.artifacts.results import RunResults
from specialize.config.recipe import EvaluationSet
from specialize.records import Example
from specialize.report.outcome import Outcome

MODES: tuple[Mode, ...] = ("flexible", "strict", "legacy")
MOST = 10  # disagreements shown
_END = 600  # characters of a response's end, where its answer is


@dataclass(frozen=True, slots=True)
class Reading:
    """One set's responses under every mode."""

    set: str
    examples: int
    correct: Mapping[Mode, int]
    unread: Mapping[Mode, int]  # responses in which the mode finds no answer


@dataclass(frozen=True, slots=True)
class TaskReading:
    """One task of a set under every mode; a set of tasks is scored by the mean of its tasks."""

    set: str
    task: str
    examples: int
    correct: Mapping[Mode, int]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A response that is read differently."""

    set: str
    id: str
    gold: str
    ending: str
    answers: Mapping[Mode, str | None]
    correct: Mapping[Mode, bool]


@dataclass(frozen=True, slots=True)
class Readings:
    sets: tuple[Reading, ...]
    disagreements: tuple[Disagreement, ...]
    tasks: tuple[TaskReading, ...] = ()


def read_in_every_mode(
    results: RunResults, sets: Sequence[EvaluationSet], format_: str, outcome: Outcome
) -> Readings:
    """The chosen checkpoint's responses under every mode; flexible is as evaluation graded them."""
    split, chosen = outcome.split, outcome.after
    found: list[Reading] = []
    tasks: list[TaskReading] = []
    telling: list[Disagreement] = []
    for spec in sets:
        settings = results.settings(chosen, spec.label, split, format_)
        predictions = results.predictions(chosen, spec.label, split, format_)
        if settings is None or not predictions:
            continue
        questions = results.questions(spec.label, split)
        graded = [_graded(spec.label, p, settings.kind, questions.get(p.id)) for p in predictions]
        found.append(
            Reading(
                spec.label,
                len(graded),
                {mode: sum(g.correct[mode] for g in graded) for mode in MODES},
                {mode: sum(g.answers[mode] is None for g in graded) for mode in MODES},
            )
        )
        tasks += _by_task(spec.label, predictions, graded)
        telling += [g for g in graded if len(set(g.correct.values())) > 1]
    return Readings(tuple(found), tuple(_varied(telling)), tuple(tasks))


def _by_task(
    set_: str, predictions: Sequence[Prediction], graded: Sequence[Disagreement]
) -> list[TaskReading]:
    """Each task of a set that has several."""
    of_task: dict[str, list[Disagreement]] = {}
    for prediction, one in zip(predictions, graded, strict=True):
        of_task.setdefault(prediction.task, []).append(one)
    if len(of_task) < 2:
        return []
    return [
        TaskReading(
            set_, task, len(ones), {mode: sum(one.correct[mode] for one in ones) for mode in MODES}
        )
        for task, ones in sorted(of_task.items())
    ]


def _graded(set_: str, prediction: Prediction, kind: Kind, example: Example | None) -> Disagreement:
    text, gold = prediction.text, prediction.gold
    choices = example.choices if example else ()
    answers: dict[Mode, str | None] = {"flexible": prediction.answer}
    correct: dict[Mode, bool] = {"flexible": prediction.correct}
    for mode in MODES[1:]:
        answers[mode] = find_answer(text, mode=mode, kind=kind)
        correct[mode] = is_correct(text, gold, kind=kind, mode=mode, choices=choices)
    return Disagreement(
        set=set_,
        id=prediction.id,
        gold=gold,
        ending=text if len(text) <= _END else f"... {text[-_END:]}",
        answers=answers,
        correct=correct,
    )


def _varied(telling: Sequence[Disagreement]) -> list[Disagreement]:
    """At most ``MOST``: one of every set and pattern of verdicts in turn, then the next of each."""
    by_pattern: dict[tuple[str, tuple[bool, ...]], list[Disagreement]] = {}
    for one in telling:
        by_pattern.setdefault((one.set, tuple(one.correct.values())), []).append(one)
    longest = max(map(len, by_pattern.values()), default=0)
    turns = [group[i] for i in range(longest) for group in by_pattern.values() if i < len(group)]
    return turns[:MOST]
