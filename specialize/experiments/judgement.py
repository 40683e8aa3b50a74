"""Outcomes -> differences with intervals -> verdicts.

    judged = Judgement(outcomes)
    judged.accuracy("rows 2", "in-distribution")       Accuracy(mean=.614, by_seed=(.62, .60, .62))
    judged.difference(("rows 2",), ("text 2",))        Difference(-.032, -.055, -.008, seeds=3, ...)

Seeds and questions are both drawn again for an interval, so that the answers of several seeds to
one question are not taken for several questions; see ``selection.crossed_interval``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from specialize.errors import InputError
from specialize.experiments.design import Contrast, Outcome
from specialize.selection.crossed_interval import crossed_interval


class Accuracy(NamedTuple):
    """Shares from 0 to 1, or means of another quantity."""

    mean: float
    by_seed: tuple[float, ...]


class Difference(NamedTuple):
    """Of means, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float
    seeds: int
    questions: int

    @property
    def verdict(self) -> str:
        """Of the claim that it is above 0."""
        if self.low > 0:
            return "confirmed"
        if self.high < 0:
            return "contrary"
        return f"not separable ({self.seeds} seeds, {self.questions} questions)"


class Judgement:
    """The outcomes of an experiment, asked for means and differences."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._of = {(one.arm, one.seed): one for one in outcomes}

    @property
    def arms(self) -> list[str]:
        """Those with an outcome."""
        return list(dict.fromkeys(arm for arm, _ in self._of))

    def seeds(self, *arms: str) -> list[int]:
        """Those that all the arms have."""
        of_each = [{seed for arm, seed in self._of if arm == wanted} for wanted in arms]
        return sorted(set.intersection(*of_each)) if of_each else []

    def steps(self, split: str = "test") -> list[int]:
        """Of the checkpoints that were scored, ascending."""
        return sorted({int(step) for one in self._of.values() for step in one.right.get(split, {})})

    def has(self, arm: str, role: str) -> bool:
        """Whether the arm's outcomes have answers of that role, or that quantity."""
        return all(
            role in one.quantities or role in one.roles.values()
            for (name, _), one in self._of.items()
            if name == arm
        )

    def right(
        self, arm: str, seed: int, role: str, *, split: str = "test", step: int | None = None
    ) -> NDArray[np.int64]:
        """(questions,) 1 where a checkpoint answered rightly, over all sets of the role.

        Args:
            step: of the checkpoint; None: the last one.
        """
        one = self._of[arm, seed]
        last = max(map(int, one.right[split]))
        sets = one.right[split][str(last if step is None else step)]
        digits = "".join(sets[name] for name in sorted(sets) if one.roles[name] == role)
        return np.frombuffer(digits.encode(), np.uint8).astype(np.int64) - ord("0")

    def values(
        self, arm: str, seed: int, role: str, *, step: int | None = None
    ) -> NDArray[np.int64] | NDArray[np.float64]:
        """(texts,) the quantity of that name, of the last checkpoint; else ``right``."""
        quantities = self._of[arm, seed].quantities
        if role in quantities:
            return np.array(quantities[role])
        return self.right(arm, seed, role, step=step)

    def accuracy(self, arm: str, role: str, *, step: int | None = None) -> Accuracy:
        """Mean over the seeds, and that of each; of a quantity where ``role`` is its name."""
        means = [float(self.values(arm, s, role, step=step).mean()) for s in self.seeds(arm)]
        return Accuracy(float(np.mean(means)), tuple(means))

    def difference(
        self,
        plus: Sequence[str],
        minus: Sequence[str],
        role: str = "in-distribution",
        *,
        step: int | None = None,
    ) -> Difference:
        """The means of ``plus`` together less those of ``minus``, over their common seeds.

        Raises:
            InputError: no seed has an outcome of all these arms.
        """
        seeds = self.seeds(*plus, *minus)
        if not seeds:
            raise InputError(f"no seed has an outcome of each of {', '.join((*plus, *minus))}")
        table = np.array([
            sum(self.values(arm, seed, role, step=step) for arm in plus)
            - sum(self.values(arm, seed, role, step=step) for arm in minus)
            for seed in seeds
        ])  # fmt: skip
        low, high = crossed_interval(table)
        return Difference(float(table.mean()), low, high, *table.shape)

    def judge(self, contrast: Contrast) -> Difference | None:
        """The contrast's difference; None where an arm of it has no outcome yet."""
        if not self.seeds(*contrast.plus, *contrast.minus):
            return None
        return self.difference(contrast.plus, contrast.minus, contrast.role)

    def seconds(self, arm: str) -> float:
        """Processor time of a run, on average over the seeds."""
        return float(np.mean([self._of[arm, seed].seconds for seed in self.seeds(arm)]))

    def teacher(self, arm: str) -> dict[str, float]:
        """How sure the arm's teacher was, on average over the seeds."""
        found = [self._of[arm, seed].teacher for seed in self.seeds(arm)]
        return {key: float(np.mean([each[key] for each in found])) for key in found[0]}
