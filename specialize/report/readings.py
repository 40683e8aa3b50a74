"""How much a score owes to the way answers are read: strict, flexible and legacy side by side.

    svamp   flexible 31.4 %   strict 30.8 %   legacy 27.0 %   strict finds no answer in 14

``strict`` wants the answer announced, ``legacy`` is the published last-number rule of Fu et al.
(arXiv:2301.12726). Where they disagree a few responses are shown, those whose correctness depends
on the mode first: a reader sees at once which reading is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.answers import Mode, find_answer, is_correct
from specialize.artifacts.predictions import Prediction, PredictionFile, read_questions
from specialize.config.recipe import EvaluationSet

MODES: tuple[Mode, ...] = ("flexible", "strict", "legacy")
MOST = 10  # disagreements shown
_END = 600  # characters of a response's end, where its answer stands


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
    run: Path, sets: Sequence[EvaluationSet], split: str, format_: str, chosen: str
) -> Readings:
    """Grade the chosen checkpoint's kept responses under every mode."""
    found: list[Reading] = []
    tasks: list[TaskReading] = []
    telling: list[Disagreement] = []
    for spec in sets:
        file = PredictionFile.of(run, chosen, spec.label, split, format_)
        settings, predictions = file.settings(), file.read()
        if settings is None or not predictions:
            continue
        choices = {e.id: e.choices for e in read_questions(run, spec.label, split).values()}
        graded = [
            _disagreement(spec.label, p, settings.kind, choices.get(p.id, ())) for p in predictions
        ]
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


def _disagreement(
    set_: str, prediction: Prediction, kind: str, choices: tuple[str, ...]
) -> Disagreement:
    text, gold = prediction.text, prediction.gold
    return Disagreement(
        set=set_,
        id=prediction.id,
        gold=gold,
        ending=text if len(text) <= _END else f"... {text[-_END:]}",
        answers={mode: find_answer(text, mode=mode, kind=kind) for mode in MODES},
        correct={
            mode: is_correct(text, gold, kind=kind, mode=mode, choices=choices) for mode in MODES
        },
    )


def _varied(telling: Sequence[Disagreement]) -> list[Disagreement]:
    """At most ``MOST``: one of every set and pattern of verdicts in turn, then the next of each."""
    by_pattern: dict[tuple[str, tuple[bool, ...]], list[Disagreement]] = {}
    for one in telling:
        by_pattern.setdefault((one.set, tuple(one.correct.values())), []).append(one)
    longest = max(map(len, by_pattern.values()), default=0)
    turns = [group[i] for i in range(longest) for group in by_pattern.values() if i < len(group)]
    return turns[:MOST]
