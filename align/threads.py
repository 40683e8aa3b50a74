"""Run a kernel over the samples of a shard on several threads.

Kernels take the range of samples that is theirs and write into arrays given to them; they release
the interpreter, and no two ranges share a place that is written. So the number of threads can not
change a result.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

SHARES = 4  # ranges for each thread, so that one that is held up leaves its rest to the others

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
    if threads == 1 or samples < 2 * threads:
        return [kernel(0, samples, *arguments, **named)]
    ranges = min(SHARES * threads, samples)
    bounds = [samples * part // ranges for part in range(ranges + 1)]
    parts: dict[int, R] = {}
    ahead = iter(range(ranges))  # one for all; the interpreter's lock guards it

    def work() -> None:
        for part in ahead:
            parts[part] = kernel(bounds[part], bounds[part + 1], *arguments, **named)

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()
    return [parts[part] for part in range(ranges)]
