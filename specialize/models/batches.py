"""Batches of a small model on every core of a processor.

    for number, texts in each_batch(model, lambda number: ..., 15):

A step of a small model is many short operations, which threads can hardly share. Whole batches have
nothing to do with one another. So processes are forked, which have the weights in common, and with
n of them each takes every n-th batch, on one thread. The batches are those of one process, and come
in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from specialize.io.forked import can_fork, forked

Made = TypeVar("Made")

# parameters; on two busy cores a batch on each was still four times as fast, beyond was not tried
_SMALL = 100_000_000
_MOST = 8  # each has keys and values of its own; not measured


def each_batch(
    model: PreTrainedModel, work: Callable[[int], Made], count: int
) -> Iterator[tuple[int, Made]]:
    """``work(number)`` of ``count`` batches, in order; see ``forked``.

    Args:
        model: that works; on a GPU, or a large one, it takes one batch after the other.
        work: may use torch, but neither files nor locks.

    Raises:
        SpecializeError: a process was killed.
    """
    processes = _processes(model, count)
    if processes == 1:
        yield from ((number, work(number)) for number in range(count))
        return

    def on_one_thread(number: int) -> Made:
        torch.set_num_threads(1)  # those of the process that was forked are not there
        return work(number)

    yield from forked(
        on_one_thread, range(count), processes,
        what="batch", way_out="with OMP_NUM_THREADS=1 one process does all",
    )  # fmt: skip


def _processes(model: PreTrainedModel, batches: int) -> int:
    """How many are worth their start: torch's threads say how many cores are ours."""
    if model.device.type != "cpu" or not can_fork() or model.num_parameters() > _SMALL:
        return 1
    return max(1, min(torch.get_num_threads(), batches, _MOST))
