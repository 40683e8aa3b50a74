"""The cheapest way to split sorted rows into micro-batches.

A micro-batch costs its padded tokens plus what every micro-batch costs whatever it holds. Over
rows in a fixed order the best cuts are found by dynamic programming:

    best[j] = min over i < j of best[i] + (j - i) * (longest prompt + longest target) + overhead

in O(n x limit) time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cheapest_parts(
    prompts: NDArray[np.int64],
    targets: NDArray[np.int64],
    *,
    limit: int,
    tokens: int | None = None,
    overhead: int = 0,
) -> tuple[list[slice], int]:
    """Slices of the rows, in order, and their cost.

    Args:
        prompts, targets: (n,) lengths of the rows.
        limit: most rows of a part.
        tokens: most padded tokens of a part of more than one row; None: any number.
        overhead: cost of a part, in padded tokens.
    """
    count = len(prompts)
    best = np.full(count + 1, np.iinfo(np.int64).max)
    best[0] = 0
    came_from = np.zeros(count + 1, np.int64)
    for start in range(count):
        longest = np.maximum.accumulate(prompts[start : start + limit])
        longest = longest + np.maximum.accumulate(targets[start : start + limit])
        padded = longest * np.arange(1, len(longest) + 1)
        cost = best[start] + padded + overhead
        reached = slice(start + 1, start + 1 + len(padded))
        better = cost < best[reached]
        if tokens is not None:
            better[1:] &= padded[1:] <= tokens
        best[reached] = np.where(better, cost, best[reached])
        came_from[reached] = np.where(better, start, came_from[reached])
    parts = []
    end = count
    while end > 0:
        parts.append(slice(int(came_from[end]), end))
        end = int(came_from[end])
    return parts[::-1], int(best[count])
