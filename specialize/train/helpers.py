"""Processes that take part of a step's micro-batches, where the student is small.

    helpers = Helpers(student, gradients, helpful(student))
    helpers.ask([theirs], scale)       # a part for each helper
    gradients(mine, scale)
    helpers.collect()                  # adds theirs to the student's; returns what they measured
    helpers.close()

A pass of a small model is many short operations, which threads can hardly share. So processes are
forked, each on one thread; weights, which this process alone changes, are in memory that all have
in common, and so are the gradients that a helper found. Gradients are added in the order of the
helpers, so that a step depends on how many there are and on nothing else.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from dataclasses import fields
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import torch
from torch import Tensor, nn

from specialize.errors import SpecializeError
from specialize.io.forked import attended, can_fork
from specialize.students.student import DROPOUT, Student
from specialize.train.collate import Batch

# parameters; the largest of three sizes that were measured (docs/results.md)
_SMALL = 12_000_000
_MOST = 8  # processes; more than two were not measured

Gradients = Callable[[Sequence[Batch], Tensor], tuple[Tensor, Tensor]]


def helpful(student: Student) -> int:
    """How many helpers are worth their start: torch's threads say how many cores are ours.

    None where randomness is drawn in a pass, which a continued run must draw again.
    """
    on_processor = next(student.parameters()).device.type == "cpu"
    if not on_processor or not can_fork() or _draws(student):
        return 0
    if sum(parameter.numel() for parameter in student.parameters()) > _SMALL:
        return 0
    return min(torch.get_num_threads(), _MOST) - 1


def dealt(batches: Sequence[Batch], count: int, overhead: int) -> list[list[Batch]]:
    """``count`` parts of about equal work, the first one not empty; one part is in their order.

    Args:
        overhead: what a micro-batch costs whatever it holds, in padded tokens.
    """
    if count == 1:
        return [list(batches)]
    parts: list[list[Batch]] = [[] for _ in range(count)]
    load = [0] * count
    for batch in sorted(batches, key=lambda batch: -batch.size):  # the heaviest first
        chosen = load.index(min(load))
        load[chosen] += batch.size + overhead
        parts[chosen].append(batch)
    return parts


def _draws(student: Student) -> bool:
    """Whether a pass in training draws random numbers."""
    if any(isinstance(part, nn.Dropout) and part.p > 0 for part in student.modules()):
        return True
    return any(getattr(student.model.config, name, 0) for name in DROPOUT)


class Helpers:
    """Forked processes with the weights of a model.

    Args:
        model: its weights move to memory that processes share.
        gradients: a forward and a backward pass of some micro-batches, weighted by a scale; adds
            to the gradients of ``model``, and returns two tensors, which ``collect`` passes on.
        count: of the helpers; 0: nothing is forked.
    """

    def __init__(self, model: nn.Module, gradients: Gradients, count: int) -> None:
        self.count = count
        self._threads = torch.get_num_threads()
        self._started: list[tuple[Connection, BaseProcess]] = []
        self._asked: list[int] = []
        if not count:
            return
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        for parameter, shared in zip(self._parameters, _in_common(self._parameters), strict=True):
            parameter.data = shared.copy_(parameter.data)
        self._found = [_in_common(self._parameters) for _ in range(count)]
        torch.set_num_threads(1)
        for found in self._found:
            self._started.append(attended(_Serving(self._parameters, found, gradients)))

    def close(self) -> None:
        """End the processes; the model keeps its weights."""
        for pipe, process in self._started:
            pipe.close()
            process.terminate()
            process.join()
        torch.set_num_threads(self._threads)

    def ask(self, parts: Sequence[Sequence[Batch]], scale: Tensor) -> None:
        """Have each helper work on one of ``parts``; one whose part is empty is not asked."""
        self._asked = [number for number, part in enumerate(parts) if part]
        for number in self._asked:
            try:
                self._started[number][0].send(([_sent(b) for b in parts[number]], scale.numpy()))
            except (BrokenPipeError, ConnectionResetError):
                raise _killed() from None

    def collect(self) -> list[tuple[Tensor, Tensor]]:
        """Add the helpers' gradients to those of the model.

        Returns:
            What ``gradients`` returned in each helper that was asked.

        Raises:
            SpecializeError: a helper was killed.
            Whatever ``gradients`` raised.
        """
        returned = []
        for number in self._asked:
            try:
                made, error = self._started[number][0].recv()
            except (EOFError, ConnectionResetError):
                raise _killed() from None
            if error is not None:
                raise error
            for parameter, found in zip(self._parameters, self._found[number], strict=True):
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                parameter.grad += found
            returned.append((torch.from_numpy(made[0]), torch.from_numpy(made[1])))
        return returned


class _Serving:
    """What a helper does: the parts that it is asked for, one after the other."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], found: Sequence[Tensor], gradients: Gradients
    ) -> None:
        self._parameters, self._found, self._gradients = parameters, found, gradients

    def __call__(self, pipe: Connection) -> None:
        torch.set_num_threads(1)  # those of the process that was forked are not there
        while True:
            parts, scale = pipe.recv()
            try:
                batches = [_received(part) for part in parts]
                total, sums = self._gradients(batches, torch.from_numpy(scale))
            except Exception as error:
                pipe.send((None, error))
                continue
            for parameter, found in zip(self._parameters, self._found, strict=True):
                if parameter.grad is None:
                    found.zero_()
                else:
                    found.copy_(parameter.grad)
                    parameter.grad = None
            pipe.send(((np.asarray(total), sums.numpy()), None))


def _sent(batch: Batch) -> dict[str, object]:
    """A micro-batch as arrays: tensors would each take a file of shared memory along."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: v.numpy() if isinstance(v, Tensor) else v for name, v in values.items()}


def _received(values: dict[str, object]) -> Batch:
    made = {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}
    return Batch(**made)  # type: ignore[arg-type]  # what ``_sent`` took apart


def _in_common(like: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of these shapes in memory that a forked process shares, and no file is needed for."""
    every = sum(one.numel() * one.element_size() for one in like)
    memory, at, made = mmap.mmap(-1, max(1, every)), 0, []
    for one in like:
        flat = torch.frombuffer(memory, dtype=one.dtype, count=one.numel(), offset=at)
        made.append(flat.view(one.shape))
        at += one.numel() * one.element_size()
    return made


def _killed() -> SpecializeError:
    return SpecializeError(
        "a process that trained with this one was killed; with OMP_NUM_THREADS=1 one process does "
        "all, and the same command goes on"
    )
