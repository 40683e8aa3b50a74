"""Rows window after window: those of the next few shards of targets, while others are written.

    shards 0 1 2 | 3 4 5 | 6 7      training.window_shards: 3
    rows   0 ... | 412 ... | 840 ...

A window has the rows of its shards, and the gold answers of the examples whose first response is
there; those of examples without any response are a last window. So the rows of a window, and their
numbers, follow from the targets and the recipe: training that begins while the targets are still
written sees what one sees that begins later. ``GrowingPlan`` takes up a window when a step needs
it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from specialize.config.recipe import Recipe
from specialize.errors import NothingPassedError
from specialize.rows.build import rows_of
from specialize.rows.objectives import ObjectiveTargets
from specialize.rows.plan import Plan, plan_steps, rows_of_a_step
from specialize.rows.row import Lengths, Row, RowSet
from specialize.store import Store


def windows(
    targets: ObjectiveTargets, written: Callable[[int], Store], folder: Path
) -> Iterator[RowSet]:
    """The rows of each window, in order.

    Args:
        targets: of a recipe whose objectives learn from the store of one teacher.
        written: that store, once it has as many shards as it is called with, or is finished.
        folder: keeps what was found, in a folder for each window.

    Raises:
        StoreError, DiskFullError: as ``build_rows``.
    """
    (name,) = targets.stores
    size = targets.recipe.training.window_shards or 1
    # whose gold answers are still to come; where there are none, nobody asks which are next
    gold = any(not objective.teachers for objective in targets.recipe.objectives)
    coming = {e.id: at for at, e in enumerate(targets.examples[: targets.labelled]) if gold}

    def rows(number: int, store: Store, fresh: frozenset[int]) -> RowSet:
        return rows_of(targets.window({name: store}, fresh), folder / f"window-{number:05d}")

    first = number = 0
    while True:
        store = written(first + size)
        part = store.part(first, first + size)
        if not part.records:
            break
        fresh = {coming.pop(key) for key, _ in part.keys if key in coming} if coming else set()
        yield rows(number, part, frozenset(fresh))
        first, number = first + size, number + 1
    if coming:
        yield rows(number, part, frozenset(coming.values()))


class GrowingPlan:
    """The steps of a run over windows that come one after another.

    Args:
        sets: the rows of each window.
        recipe: of the run.
        overhead: as of ``plan_steps``.
    """

    def __init__(self, sets: Iterator[RowSet], recipe: Recipe, *, overhead: int) -> None:
        self._coming, self._recipe, self._overhead = sets, recipe, overhead
        self._sets: list[RowSet] = []
        self._plan: Plan | None = None
        self._ended = False

    def at(self, step: int) -> Plan:
        """The plan that step ``step`` (from 0) is part of; waits for the windows that it needs.

        Raises:
            NothingPassedError: all windows together leave an objective without rows, and it does
                not say ``missing: mask``.
        """
        needed = (step + 1) * rows_of_a_step(self._recipe.optimization)
        while not self._ended and sum(map(len, self._sets)) < needed:
            following = next(self._coming, None)
            if following is None:
                self._ended = True
                self._refuse_nothing()
            else:
                self._sets.append(following)
                self._plan = None
        if self._plan is None:
            recipe = self._recipe
            self._plan = plan_steps(
                joined(self._sets), recipe.training, recipe.optimization, recipe.seed,
                overhead=self._overhead, windows=[len(rows) for rows in self._sets],
            )  # fmt: skip
        return self._plan

    def _refuse_nothing(self) -> None:
        rows = joined(self._sets) if self._sets else None
        for number, objective in enumerate(self._recipe.objectives):
            if rows is not None and (rows.lengths.objective == number).any():
                continue
            answered = rows is None or any(rows.dropped[objective.name].values())
            if objective.missing == "refuse" or answered or not rows:
                raise NothingPassedError(
                    f"objective {objective.name!r} has no row to train on in any window; keep: all "
                    f"takes wrong responses too, missing: mask goes on without it"
                )


def joined(sets: Sequence[RowSet]) -> RowSet:
    """The rows of one window or more, one after another."""
    first, each = sets[0], [rows.lengths for rows in sets]
    dropped: dict[str, Counter[str]] = {name: Counter() for name in first.objectives}
    for rows in sets:
        for name, reasons in rows.dropped.items():
            dropped[name].update(reasons)
    return RowSet(
        objectives=first.objectives,
        formats=first.formats,
        rows=_Chained([rows.rows for rows in sets]),
        dropped=dropped,
        known=Lengths(
            prompt=np.concatenate([lengths.prompt for lengths in each]),
            target=np.concatenate([lengths.target for lengths in each]),
            learned=np.concatenate([lengths.learned for lengths in each]),
            unknown=np.concatenate([lengths.unknown for lengths in each]),
            objective=np.concatenate([lengths.objective for lengths in each]),
            example=np.concatenate([lengths.example for lengths in each]),
            names=each[0].names,
        ),
        identity=hashlib.sha256("".join(rows.digest for rows in sets).encode()).hexdigest(),
    )


class _Chained(Sequence[Row]):
    """Several sequences of rows as one."""

    def __init__(self, parts: Sequence[Sequence[Row]]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"row {index} of {count}")
        index %= count
        number = int(np.searchsorted(self._ends, index, side="right"))
        part = self._parts[number]
        return part[index - int(self._ends[number]) + len(part)]
