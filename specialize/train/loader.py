"""The steps of a plan as tensors, from any step on.

Takes the place of a data loader: everything is already tokenized, so that making a step's batches
costs about a millisecond each and needs no workers, and a resumed run begins at its step without
reading the ones before. No random number is drawn here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from specialize.losses import Tail
from specialize.rows import Plan, RowSet
from specialize.rows.windows import GrowingPlan
from specialize.students.student import Shape
from specialize.train.collate import Batch, make_batch


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step of one process.

    Attributes:
        number: from 0.
        batches: this process's micro-batches, at least one.
        tokens: (objectives,) target tokens of the whole step on all processes.
        idle: that many of the last batches count nothing; they are there because every process
            must take part in what all exchange.
    """

    number: int
    batches: tuple[Batch, ...]
    tokens: NDArray[np.int64]
    idle: int = 0

    @property
    def keys(self) -> list[tuple[str, int]]:
        return [key for batch in self.batches for key in batch.keys]


@dataclass(frozen=True, slots=True)
class StepLoader:
    """Steps ``start`` to ``stop`` of a plan, for one of several processes.

    ``ahead`` steps are made by a thread while the model computes; 0 where the model itself needs
    the processor. With ``in_step`` every process has as many micro-batches as the others: where
    weights are spread over processes, each micro-batch gathers them.
    """

    plan: Plan | GrowingPlan
    shape: Shape
    tail: Tail
    stop: int
    start: int = 0
    hard_label_weight: float = 0.0
    packed: bool = False
    process: int = 0
    processes: int = 1
    ahead: int = 0
    in_step: bool = False

    def __len__(self) -> int:
        """All steps of the run, those before ``start`` among them."""
        return self.stop

    def __iter__(self) -> Iterator[Step]:
        if not self.ahead:
            yield from (self.step(number) for number in range(self.start, self.stop))
            return
        with ThreadPoolExecutor(max_workers=1) as thread:
            waiting: deque[Future[Step]] = deque()
            for number in range(self.start, self.stop):
                waiting.append(thread.submit(self.step, number))
                if len(waiting) > self.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def step(self, number: int) -> Step:
        plan = self.plan.at(number)
        parts = self._parts(plan, number, self.process)
        idle = self._at_least(plan, number) - len(parts)
        batches = [self._batch(plan.rows, part) for part in parts]
        if idle > 0:
            batch = self._batch(plan.rows, plan.rows_of(number)[:1])
            empty = replace(batch, seen=torch.zeros_like(batch.seen), padding=0, size=0)
            batches += [empty] * idle
        return Step(number, tuple(batches), plan.tokens_of(number), idle=max(idle, 0))

    def _parts(self, plan: Plan, number: int, process: int) -> list[NDArray[np.int64]]:
        return plan.micro_batches(number, process=process, processes=self.processes)

    def _at_least(self, plan: Plan, number: int) -> int:
        """How many micro-batches a process needs; one for the exchange of gradients."""
        if not self.in_step or self.processes == 1:
            return 1
        return max(len(self._parts(plan, number, process)) for process in range(self.processes))

    def _batch(self, rows: RowSet, part: NDArray[np.int64]) -> Batch:
        return make_batch(
            [rows.rows[i] for i in part.tolist()],
            self.shape,
            objectives=len(rows.objectives),
            tail=self.tail,
            hard_label_weight=self.hard_label_weight,
            packed=self.packed,
        )
