"""Run a kernel over the samples of a shard on several threads.

Kernels take the range of samples that is theirs and write into arrays given to them; they release
the interpreter, and no two ranges share a place that is written. So the number of threads cannot
change a result.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

LARGE = 0.8  # of all samples, in the first range of each thread: few ranges cost little
LEAST = 32  # a range is at least this part of a thread's share

P = ParamSpec("P")
R = TypeVar("R")


def over_samples(
    threads: int,
    samples: int,
    kernel: Callable[Concatenate[int, int, P], R],
    *arguments: P.args,
    **named: P.kwargs,
) -> list[R]:
    """What ``kernel(first, last, *arguments)`` returns for ranges that together, in order, cover
    ``samples``."""
    parts: list[R] = []
    in_order(threads, samples, lambda a, b: kernel(a, b, *arguments, **named), parts.append)
    return parts


def in_order(
    threads: int, samples: int, work: Callable[[int, int], R], settle: Callable[[R], object]
) -> None:
    """``settle(work(first, last))`` for ranges that together cover ``samples``.

    Ranges are settled in their order, one at a time, by whichever thread comes to it, while others
    still work: so what has to know all that came before is not left to the end.

    Raises:
        Whatever ``work`` or ``settle`` raises, once no thread is at work any more.
    """
    if threads == 1 or samples < 2 * threads:
        settle(work(0, samples))
        return
    ranges = _ranges(threads, samples)
    ahead = iter(range(len(ranges)))  # one for all; the interpreter's lock guards it
    done: dict[int, R] = {}
    turn, following = Lock(), 0

    def share() -> None:
        nonlocal following
        for part in ahead:
            done[part] = work(*ranges[part])
            with turn:
                while following in done:
                    settle(done.pop(following))
                    following += 1

    others = [_pool(threads - 1).submit(share) for _ in range(threads - 1)]
    try:
        share()
    finally:
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


def _ranges(threads: int, samples: int) -> list[tuple[int, int]]:
    """One large range for each thread, and smaller ones for those that end first."""
    ranges: list[tuple[int, int]] = []
    first, large = 0, int(samples * LARGE / threads)
    while first < samples:
        left = samples - first
        size = max(left // (2 * threads), samples // (LEAST * threads), 1)
        last = first + min(large if len(ranges) < threads else size, left)
        ranges.append((first, last))
        first = last
    return ranges


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for work; to start and end them takes longer than a small shard."""
    return ThreadPoolExecutor(threads, thread_name_prefix="align")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of the threads
