"""The order of a run: which rows are in which optimizer step, and in which micro-batch.

A step takes the next ``batch_rows x accumulation`` rows of an endless stream; epoch after epoch
every row comes once, in an order that is a function of the recipe's seed and the epoch. How many
rows a micro-batch may hold, and how many processes share the step, change only how its rows are
split: 16 x 1, 4 x 4 and two processes of 8 train on the same rows in every step. Nothing is
remembered between steps, so a run goes on in the middle of an epoch as if it had never stopped.

Rows may come in windows, one after another; the rows of a window are then in an order of their own,
and an epoch is one window after the other. What is in a step so depends on no later window.

``pooled`` mixing streams rows, whatever their objective. ``joint`` mixing streams examples: all
objectives of an example are in one step, and an objective with fewer rows for it repeats them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from specialize.config.training import Optimization, Training
from specialize.rows.micro_batches import cheapest_parts
from specialize.rows.order import Lengths, epoch_order
from specialize.rows.row import RowSet


@dataclass(frozen=True, slots=True)
class Plan:
    """Optimizer steps over the rows of a ``RowSet``.

    Attributes:
        rows: what is planned.
        starts, members: units in compressed rows; unit u is ``members[starts[u]:starts[u + 1]]``.
        units_per_step: units of a step.
        batch_rows, batch_tokens: most rows and padded tokens of a micro-batch; a single row may
            have more tokens.
        seed: the recipe's.
        overhead: what a micro-batch costs whatever it holds, in padded tokens.
        joint: micro-batches may hold rows of several formats.
        bounds: (windows + 1,) the units before each window and in all; None: all are one window.
    """

    rows: RowSet
    starts: NDArray[np.int64]
    members: NDArray[np.int64]
    units_per_step: int
    batch_rows: int
    batch_tokens: int | None
    seed: int
    overhead: int = 96
    joint: bool = False
    bounds: NDArray[np.int64] | None = None
    _orders: dict[tuple[int, int], NDArray[np.int64]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def units(self) -> int:
        return len(self.starts) - 1

    def at(self, step: int) -> Plan:
        """The plan that step ``step`` (from 0) is part of: this one."""
        return self

    def epoch(self, step: int) -> float:
        """Epochs that are finished before step ``step`` (from 0).

        Of windows those that the row before is not part of: how long an epoch is, nobody knows
        before its end.
        """
        done = step * self.units_per_step
        if self.bounds is not None:
            return float(max(0, done - 1) // self.units)
        return done / self.units

    def rows_of(self, step: int) -> NDArray[np.int64]:
        """The rows of optimizer step ``step`` (from 0), in stream order."""
        first = step * self.units_per_step
        units: list[int] = []
        while len(units) < self.units_per_step:
            epoch, at = divmod(first + len(units), self.units)
            window, begin = self._window(at)
            place = at - begin
            order = self._order(epoch, window)
            units += order[place : place + self.units_per_step - len(units)].tolist()
        parts = [self.members[self.starts[u] : self.starts[u + 1]] for u in units]
        return np.concatenate(parts)

    def _window(self, unit: int) -> tuple[int, int]:
        """The window of the ``unit``-th of an epoch, and the units before it."""
        if self.bounds is None:
            return 0, 0
        window = int(np.searchsorted(self.bounds, unit, side="right")) - 1
        return window, int(self.bounds[window])

    def _order(self, epoch: int, window: int) -> NDArray[np.int64]:
        """The units of a window in an epoch; kept for the steps that follow."""
        if (epoch, window) not in self._orders:
            while len(self._orders) > 1:  # the one before may still be in use
                del self._orders[min(self._orders)]
            bounds = (0, self.units) if self.bounds is None else self.bounds.tolist()
            begin, end = bounds[window], bounds[window + 1]
            lengths = self._lengths(begin, end)
            order = epoch_order(lengths, self.units_per_step, self.seed, epoch, part=window)
            self._orders[epoch, window] = begin + order
        return self._orders[epoch, window]

    def _lengths(self, begin: int, end: int) -> Lengths:
        """Of units: the format of the first row of each, and the tokens of all its rows."""
        first = self.starts[begin:end]
        members = self.members[first[0] : self.starts[end]]
        turns = first - first[0]
        return Lengths(
            self.rows.format_of_row[self.members[first]],
            np.add.reduceat(self.rows.lengths.prompt[members], turns),
            np.add.reduceat(self.rows.lengths.target[members], turns),
        )

    def tokens_of(self, step: int) -> NDArray[np.int64]:
        """(objectives,) target tokens with loss of each objective in a step, on all processes."""
        taken = self.rows_of(step)
        tokens = np.zeros(len(self.rows.objectives), np.int64)
        np.add.at(tokens, self.rows.lengths.objective[taken], self.rows.lengths.learned[taken])
        return tokens

    def micro_batches(
        self, step: int, *, process: int = 0, processes: int = 1
    ) -> list[NDArray[np.int64]]:
        """The micro-batches of one process: rows of one format, cut where that costs least.

        Joint steps put all formats into common micro-batches: one fused pass for all objectives
        of their examples wherever padding does not cost more than a further pass.

        Every row of the step is in exactly one micro-batch of one process. A process may be left
        without any when the step has fewer rows than there are processes.

        Args:
            step: counted from 0.
            process: of ``processes``, counted from 0.

        Returns:
            Row numbers, (rows,) int64 each.
        """
        taken = self.rows_of(step)
        limit = min(self.batch_rows, -(-len(taken) // processes))
        formats = self.rows.format_of_row[taken] * (not self.joint)
        parts = [
            part
            for number in range(formats.max() + 1)
            for part in self._part(np.sort(taken[formats == number]), limit)
        ]
        if processes == 1:
            return parts
        # the heaviest first, each to the process with the least so far
        parts.sort(key=lambda part: -self.padded_tokens(part))
        load, mine = [0] * processes, []
        for part in parts:
            chosen = load.index(min(load))
            load[chosen] += self.padded_tokens(part) + self.overhead
            if chosen == process:
                mine.append(part)
        return mine

    def padded_tokens(self, part: NDArray[np.int64]) -> int:
        """Tokens of the rectangles that hold the prompts and the targets of these rows."""
        longest = self.rows.lengths.prompt[part].max() + self.rows.lengths.target[part].max()
        return int(longest) * len(part)

    def _part(self, group: NDArray[np.int64], limit: int) -> list[NDArray[np.int64]]:
        """Cut rows sorted by prompt, by target or by format, whichever costs least."""
        prompts, targets = self.rows.lengths.prompt[group], self.rows.lengths.target[group]
        formats = self.rows.format_of_row[group]
        orders = [np.lexsort((targets, prompts)), np.lexsort((prompts, targets))]
        if self.joint:
            orders.append(np.lexsort((targets, prompts, formats)))
        ways = []
        for order in orders:
            slices, cost = cheapest_parts(
                prompts[order],
                targets[order],
                limit=limit,
                tokens=self.batch_tokens,
                overhead=self.overhead,
            )
            ways.append((cost, [group[order[part]] for part in slices]))
        return min(ways, key=lambda way: way[0])[1]


def plan_steps(
    rows: RowSet,
    training: Training,
    optimization: Optimization,
    seed: int,
    *,
    overhead: int = 96,
    windows: Sequence[int] | None = None,
) -> Plan:
    """The plan of a run: every row once per epoch, in steps of equal size.

    With ``joint`` mixing a step holds as many whole examples as fit into
    ``batch_rows x accumulation`` rows, at least one.

    Args:
        rows: of all objectives.
        training: its ``mixing``.
        optimization: the size of a step and of a micro-batch.
        seed: of the order.
        overhead: what a micro-batch costs by itself, in padded tokens.
        windows: the number of rows of each window, which ``joint`` mixing has not; None: one for
            all.
    """
    joint = training.mixing == "joint"
    starts, members = _joint_units(rows) if joint else _single_units(rows)
    wanted = rows_of_a_step(optimization)
    return Plan(
        rows=rows,
        starts=starts,
        members=members,
        units_per_step=max(1, wanted // int(np.diff(starts).max())),
        batch_rows=optimization.batch_rows,
        batch_tokens=optimization.batch_tokens,
        seed=seed,
        overhead=overhead,
        joint=joint,
        bounds=None if windows is None else np.cumsum([0, *windows], dtype=np.int64),
    )


def rows_of_a_step(optimization: Optimization) -> int:
    """How many rows an optimizer step takes, where each is alone."""
    return optimization.batch_rows * optimization.accumulation


def _single_units(rows: RowSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every row is a unit."""
    return np.arange(len(rows) + 1), np.arange(len(rows))


def _joint_units(rows: RowSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Units of one row of every objective that an example has, as many as its longest list: an
    objective with fewer rows begins again. Examples come as their first rows do.

    An example with rows 0, 1 (first objective) and 7 (second) gives units [0, 7] and [1, 7].
    """
    lengths = rows.lengths
    _, first, example = np.unique(lengths.example, return_index=True, return_inverse=True)
    example = np.argsort(np.argsort(first))[example]  # counted in the order of their first rows
    order = np.lexsort((lengths.objective, example))  # stable: rows of a list keep their order
    begins = (np.diff(example[order], prepend=-1) != 0) | (
        np.diff(lengths.objective[order], prepend=-1) != 0
    )
    lists = np.flatnonzero(begins)  # of rows of one objective about one example
    sizes = np.diff(np.append(lists, len(order)))
    owner = example[order][lists]
    turns = np.zeros(int(example.max()) + 1, np.int64)
    np.maximum.at(turns, owner, sizes)
    # every list, once for each unit of its example; then units of an example, list after list
    repeated = np.repeat(np.arange(len(lists)), turns[owner])
    turn = np.arange(len(repeated)) - np.repeat(
        np.cumsum(turns[owner]) - turns[owner], turns[owner]
    )
    place = np.lexsort((repeated, turn, owner[repeated]))
    members = order[(lists[repeated] + turn % sizes[repeated])[place]]
    width = np.repeat(np.bincount(owner), turns)
    return np.concatenate([[0], np.cumsum(width)]), members
