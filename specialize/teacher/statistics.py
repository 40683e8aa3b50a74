"""What a teacher's responses amount to: accuracy, votes, duplicates, and why responses were lost.

One worked table, 2 questions x 4 samples, right answers 7 and 5::

    7 7 8 7   first sample right, vote right       first-sample accuracy 2/2, majority vote 1/2
    5 6 6 -   first sample right, vote wrong       pass@1 0.5, pass@4 1.0

``pass@k`` is the chance that one of k samples is right, estimated without bias from n of which c
are right: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374, section 2.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import comb

from specialize.answers import Kind, canonical
from specialize.artifacts.scores import Accuracy
from specialize.records import Response


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over all responses of a store.

    ``first_sample`` and ``majority_vote`` are per question (None where nothing could be judged),
    ``pass_at`` maps k to the mean over the questions with at least k samples, ``duplicates``
    counts responses whose text an earlier one of the same question has.
    """

    questions: int
    responses: int
    correct: int
    judged: int
    duplicates: int
    first_sample: Accuracy | None
    majority_vote: Accuracy | None
    pass_at: Mapping[int, float]

    def as_json(self) -> dict[str, object]:
        values: dict[str, object] = {
            "questions": self.questions,
            "responses": self.responses,
            "correct": self.correct,
            "duplicates": self.duplicates,
        }
        if self.first_sample is not None:
            values["first_sample_accuracy"] = self.first_sample.value
        if self.majority_vote is not None:
            values["majority_vote_accuracy"] = self.majority_vote.value
        return values | {f"pass@{k}": value for k, value in self.pass_at.items()}


def summarize(responses: Iterable[Response], *, kind: Kind = "number") -> Statistics:
    """The statistics of a teacher's responses, in any order.

    Args:
        kind: how answers of this set are compared, which decides what votes together.
    """
    by_question: dict[str, list[Response]] = {}
    for response in responses:
        by_question.setdefault(response.example_id, []).append(response)
    questions = [sorted(group, key=lambda r: r.sample) for group in by_question.values()]
    judged = [group for group in questions if group[0].correct is not None]
    every = [response for group in questions for response in group]
    return Statistics(
        questions=len(questions),
        responses=len(every),
        correct=sum(response.correct is True for response in every),
        judged=sum(response.correct is not None for response in every),
        duplicates=sum(len(group) - len({r.text for r in group}) for group in questions),
        first_sample=_share(group[0].correct is True for group in judged),
        majority_vote=_share(_vote_is_right(group, kind) for group in judged),
        pass_at=_pass_at(judged),
    )


def _share(right: Iterable[bool]) -> Accuracy | None:
    outcomes = list(right)
    return Accuracy(sum(outcomes), len(outcomes)) if outcomes else None


def _vote_is_right(group: list[Response], kind: Kind) -> bool:
    """Whether the most frequent answer is right; ties go to the one that came first.

    Right responses vote together; a wrong one votes for the value of its answer.
    """
    votes: Counter[str | None] = Counter()
    for response in group:
        if response.answer is not None:
            votes[None if response.correct else canonical(response.answer, kind=kind)] += 1
    return bool(votes) and votes.most_common(1)[0][0] is None


def _pass_at(groups: list[list[Response]]) -> dict[int, float]:
    """k (powers of two and the largest group's size) -> mean pass@k."""
    largest = max((len(group) for group in groups), default=0)
    wanted = sorted({2**i for i in range(largest.bit_length()) if 2**i <= largest} | {largest})
    found = {}
    for k in filter(None, wanted):
        chances = [
            1 - comb(n - c, k) / comb(n, k)
            for n, c in ((len(g), sum(r.correct is True for r in g)) for g in groups)
            if n >= k
        ]
        found[k] = sum(chances) / len(chances)
    return found
