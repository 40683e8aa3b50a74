"""Predictions worth reading: what specialization fixed, what it broke, what cannot be read.

Per set a few of each kind, spread evenly over the set, so that the same run always shows the same
ones. The counts are of all examples, the texts of those shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from specialize.artifacts.predictions import Prediction
from specialize.artifacts.results import RunResults
from specialize.config.recipe import EvaluationSet
from specialize.records import Example
from specialize.report.outcome import Outcome

Kind = Literal["fixed", "broken", "still wrong", "still right", "wrong", "right"]
KINDS: tuple[Kind, ...] = ("fixed", "broken", "still wrong", "still right", "wrong", "right")
EACH = 4  # shown per set and kind
_LONGEST = 4000  # characters of a text


@dataclass(frozen=True, slots=True)
class Case:
    """One example with what the student wrote before and after."""

    id: str
    set: str
    task: str
    kind: Kind
    question: str
    rationale: str
    gold: str
    before: Prediction | None
    after: Prediction

    @property
    def unread(self) -> bool:
        """No answer was found in what the specialized student wrote."""
        return self.after.answer is None


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases to show, and how many there are of each kind per set."""

    shown: tuple[Case, ...]
    counts: Mapping[str, Mapping[str, int]]


def collect_cases(
    results: RunResults, sets: Sequence[EvaluationSet], format_: str, outcome: Outcome
) -> Cases:
    """Cases of every set that the chosen checkpoint answered on the outcome's split."""
    split, before = outcome.split, outcome.before
    found: dict[str, list[Case]] = {}
    counts: dict[str, Mapping[str, int]] = {}
    for spec in sets:
        after = results.predictions(outcome.after, spec.label, split, format_)
        first: dict[str, Prediction] = {}
        if before is not None:
            first = {p.id: p for p in results.predictions(before, spec.label, split, format_)}
        questions = results.questions(spec.label, split)
        cases = [_case(spec.label, p, first.get(p.id), questions.get(p.id)) for p in after]
        kinds = Counter(case.kind for case in cases)
        found[spec.label] = cases
        if cases:
            counts[spec.label] = {kind: kinds[kind] for kind in KINDS if kinds[kind]} | {
                "no answer found": sum(case.unread for case in cases)
            }
    shown = [
        case
        for kind in KINDS
        for cases in found.values()
        for case in _spread([case for case in cases if case.kind == kind], EACH)
    ]
    return Cases(tuple(shown), counts)


def _case(set_: str, after: Prediction, before: Prediction | None, example: Example | None) -> Case:
    return Case(
        id=after.id,
        set=set_,
        task=after.task,
        kind=_kind(before, after),
        question=shorten(example.question) if example else "",
        rationale=shorten(example.rationale) if example else "",
        gold=after.gold,
        before=before,
        after=after,
    )


def _kind(before: Prediction | None, after: Prediction) -> Kind:
    if before is None:
        return "right" if after.correct else "wrong"
    if before.correct == after.correct:
        return "still right" if after.correct else "still wrong"
    return "fixed" if after.correct else "broken"


def shorten(text: str) -> str:
    """``text`` without what goes beyond a screenful; says how much that was."""
    beyond = len(text) - _LONGEST
    return text if beyond <= 0 else f"{text[:_LONGEST]} ... ({beyond:,} more characters)"


def _spread(cases: Sequence[Case], count: int) -> list[Case]:
    """``count`` of them at even distances."""
    if len(cases) <= count:
        return list(cases)
    return [cases[i * len(cases) // count] for i in range(count)]
