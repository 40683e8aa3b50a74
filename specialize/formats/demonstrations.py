"""Demonstrations for a prompt: drawn anew for every row, never the question itself.

One worked record: ``DemonstrationPool(train, held_out_ids).draw(example, 4, rng)`` gives four
examples of ``train``, all different, none held out, none with the question of ``example``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from specialize.errors import ConfigurationError
from specialize.records import Example, question_key


@dataclass(frozen=True, slots=True)
class DemonstrationPool:
    """The examples that may be shown; those whose id is in ``excluded_ids`` are left out.

    ``excluded_ids`` holds every id of every validation and test split. A question found in
    the pool under two ids is drawn under one of them only.
    """

    examples: Sequence[Example]
    excluded_ids: Collection[str] = ()
    _eligible: tuple[Example, ...] = field(init=False, repr=False, compare=False)
    _by_question: dict[str, int] = field(init=False, repr=False, compare=False)
    _by_id: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        excluded = frozenset(self.excluded_ids)
        eligible: list[Example] = []
        by_question: dict[str, int] = {}
        by_id: dict[str, int] = {}
        for example in self.examples:
            key = question_key(example.question)
            if example.id not in excluded and key not in by_question:
                by_question[key] = by_id[example.id] = len(eligible)
                eligible.append(example)
        object.__setattr__(self, "_eligible", tuple(eligible))
        object.__setattr__(self, "_by_question", by_question)
        object.__setattr__(self, "_by_id", by_id)

    def __len__(self) -> int:
        return len(self._eligible)

    def draw(self, example: Example, count: int, rng: np.random.Generator) -> list[Example]:
        """``count`` different examples, in random order; neither ``example`` nor its question.

        Raises:
            ConfigurationError: the pool holds fewer.
        """
        same_question = self._by_question.get(question_key(example.question))
        same_id = self._by_id.get(example.id)
        blocked = {at for at in (same_question, same_id) if at is not None}
        if len(self._eligible) - len(blocked) < count:
            raise ConfigurationError(
                f"{count} demonstrations wanted for example {example.id!r}, but the pool holds "
                f"{len(self._eligible) - len(blocked)} others; name fewer or a larger pool"
            )
        size = min(count + len(blocked), len(self._eligible))
        drawn = rng.choice(len(self._eligible), size=size, replace=False)
        return [self._eligible[i] for i in drawn.tolist() if i not in blocked][:count]


def check_demonstrations(
    shown: Sequence[Example], example: Example, *, name: str, count: int, rationales: bool
) -> None:
    """Refuse demonstrations that a prompt of ``example`` cannot show.

    Args:
        name: of the format.
        count: how many it takes.
        rationales: whether it shows them with their rationale.

    Raises:
        ValueError: another number of them, ``example`` itself among them, or one without the
            rationale that is shown.
    """
    if len(shown) != count:
        raise ValueError(
            f"format {name} takes {count} demonstrations, got {len(shown)} for example "
            f"{example.id!r}"
        )
    for each in shown:
        if each.id == example.id:
            raise ValueError(f"example {example.id!r} cannot demonstrate itself")
        if rationales and not each.rationale.strip():
            raise ValueError(
                f"demonstration {each.id!r} has no rationale, which format {name} shows; draw "
                f"demonstrations from a set with rationales"
            )
