"""Keeping validation and test questions out of training and out of demonstrations.

One worked record: a training example ``svamp/chal-7`` whose question is also in the test split,
under any id, is refused by ``check_disjoint`` and taken out by ``drop_overlaps``. Questions are
what is compared: ids follow from positions, and two files may give the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from specialize.errors import ConfigurationError
from specialize.records import Example, question_key

SHOWN = 3  # overlapping examples named in an error


@dataclass(frozen=True, slots=True)
class Overlap:
    """A training example whose question is held out: ``split`` has it under its id, or another."""

    example: Example
    split: str
    held_out_id: str
    by: Literal["id", "question"]

    def __str__(self) -> str:
        if self.by == "id":
            return f"{self.example.id} (in {self.split})"
        return f"{self.example.id} (same question as {self.held_out_id} in {self.split})"


def check_disjoint(train: Sequence[Example], held_out: Mapping[str, Sequence[Example]]) -> None:
    """Refuse training examples or demonstrations whose questions are held out, under any id.

    Raises:
        ConfigurationError: names three of them and counts all.
    """
    _, overlaps = drop_overlaps(train, held_out)
    _refuse(overlaps, len(train))


def check_disjoint_ids(train: Sequence[Example], held_out: Mapping[str, Sequence[Example]]) -> None:
    """Refuse training examples that are held out as such; repeated questions are let through.

    The same id for another question says only that one reader read two files.
    """
    _, overlaps = drop_overlaps(train, held_out)
    _refuse([overlap for overlap in overlaps if overlap.by == "id"], len(train))


def drop_overlaps(
    train: Sequence[Example], held_out: Mapping[str, Sequence[Example]]
) -> tuple[list[Example], list[Overlap]]:
    """``train`` without what is held out, and what was dropped, with the reason.

    Args:
        train: training examples or demonstrations.
        held_out: validation and test examples, by the name of their split.
    """
    by_question: dict[str, dict[str, str]] = {}  # question -> id -> split
    for split, examples in held_out.items():
        for example in examples:
            by_question.setdefault(question_key(example.question), {}).setdefault(example.id, split)
    kept, dropped = [], []
    for example in train:
        found = by_question.get(question_key(example.question))
        if found is None:
            kept.append(example)
        elif example.id in found:
            dropped.append(Overlap(example, found[example.id], example.id, "id"))
        else:
            held_id, split = next(iter(found.items()))
            dropped.append(Overlap(example, split, held_id, "question"))
    return kept, dropped


def _refuse(overlaps: Sequence[Overlap], total: int) -> None:
    if overlaps:
        named = "; ".join(str(overlap) for overlap in overlaps[:SHOWN])
        more = f"; and {len(overlaps) - SHOWN} more" if len(overlaps) > SHOWN else ""
        raise ConfigurationError(
            f"{len(overlaps)} of {total} training examples are held out for evaluation: "
            f"{named}{more}; train on another split, or drop them"
        )
