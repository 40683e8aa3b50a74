"""What a teacher's responses amount to: accuracy, votes, duplicates, and why responses were lost.

One worked table, 2 questions x 4 samples, right answers 7 and 5::

    7 7 8 7   first sample right, vote right       first-sample accuracy 2/2, majority vote 1/2
    5 6 6 -   first sample right, vote wrong       pass@1 0.5, pass@4 1.0

``pass@k`` is the chance that one of k samples is right, estimated without bias from n of which c
are right: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374, section 2.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import xxhash

from specialize.answers import Kind, canonical
from specialize.artifacts.scores import Accuracy
from specialize.records import Response
from specialize.store.sealed import Json

_RIGHT = "\0right"  # the vote of every right answer; no answer reads like it


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

    def as_json(self) -> dict[str, Json]:
        values: dict[str, Json] = {
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


class Tally:
    """Responses counted as they come, in any order; of each a few words are kept.

    Args:
        kind: how answers of this set are compared, which decides what votes together.
    """

    def __init__(self, kind: Kind = "number") -> None:
        self._kind: Kind = kind
        self._questions: dict[str, list[_Counted]] = {}

    def add(self, responses: Iterable[Response]) -> None:
        """Count ``responses``."""
        for response in responses:
            counted = _Counted(
                sample=response.sample,
                correct=response.correct,
                vote=self._vote(response),
                text=xxhash.xxh3_128_digest(response.text.encode("utf-8", "surrogatepass")),
            )
            self._questions.setdefault(response.example_id, []).append(counted)

    def _vote(self, response: Response) -> str | None:
        """What a response votes for: the value of its answer; right ones vote together."""
        if response.answer is None:
            return None
        return _RIGHT if response.correct else canonical(response.answer, kind=self._kind)

    def statistics(self) -> Statistics:
        """What was counted so far."""
        questions = [sorted(group, key=lambda r: r.sample) for group in self._questions.values()]
        judged = [group for group in questions if group[0].correct is not None]
        every = [response for group in questions for response in group]
        return Statistics(
            questions=len(questions),
            responses=len(every),
            correct=sum(response.correct is True for response in every),
            judged=sum(response.correct is not None for response in every),
            duplicates=sum(len(group) - len({r.text for r in group}) for group in questions),
            first_sample=_share(group[0].correct is True for group in judged),
            majority_vote=_share(_vote_is_right(group) for group in judged),
            pass_at=_pass_at(judged),
        )


class _Counted(NamedTuple):
    """What is kept of one response; ``vote`` is None where it has no answer, ``text`` a hash."""

    sample: int
    correct: bool | None
    vote: str | None
    text: bytes


def summarize(responses: Iterable[Response], *, kind: Kind = "number") -> Statistics:
    """The statistics of a teacher's responses, in any order.

    Args:
        kind: how answers of this set are compared, which decides what votes together.
    """
    tally = Tally(kind)
    tally.add(responses)
    return tally.statistics()


def _share(right: Iterable[bool]) -> Accuracy | None:
    outcomes = list(right)
    return Accuracy(sum(outcomes), len(outcomes)) if outcomes else None


def _vote_is_right(group: Sequence[_Counted]) -> bool:
    """Whether the most frequent answer is right; ties go to the one that came first."""
    votes = Counter(response.vote for response in group if response.vote is not None)
    return bool(votes) and votes.most_common(1)[0][0] == _RIGHT


def _pass_at(groups: Sequence[Sequence[_Counted]]) -> dict[int, float]:
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
