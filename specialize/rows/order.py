"""The order of an epoch: random, but rows of near lengths are together in small blocks.

An epoch is one permutation of the units, cut into windows. Inside a window the units of a format
are sorted on a grid of prompt and target length and cut into blocks; the blocks of a format are
shuffled and spread evenly over the window. A step then sees every format in its share (the weight
of an objective would suffer from steps without it) and several lengths, while a micro-batch finds
rows that hardly need padding. How a step is split into micro-batches does not matter here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8  # most units of a block
_WINDOW = 2048


@dataclass(frozen=True, slots=True)
class Lengths:
    """What decides which units go together; all (units,) int64."""

    group: NDArray[np.int64]
    prompt: NDArray[np.int64]
    target: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.group)


def epoch_order(
    lengths: Lengths, units_per_step: int, seed: int, epoch: int, *, part: int = 0
) -> NDArray[np.int64]:
    """(units,) every unit once, as a function of the arguments alone.

    Args:
        lengths: (units,) prompt and target tokens and the group of every unit.
        units_per_step: how many an optimizer step takes.
        seed, epoch, part: decide the order together.
    """
    rng = np.random.default_rng([seed, epoch, part] if part else [seed, epoch])
    drawn = rng.permutation(len(lengths))
    parts = []
    for start in range(0, len(drawn), _WINDOW):
        window = drawn[start : start + _WINDOW]
        blocks, places = [], []
        for group in np.unique(lengths.group[window]):
            mine = window[lengths.group[window] == group]
            size = _block_size(len(mine) / len(window) * units_per_step)
            cut = _blocks(mine, lengths, size)
            turn = rng.permutation(len(cut))
            blocks += [cut[i] for i in turn]
            # evenly over the window, each format with an offset of its own
            places += ((np.arange(len(cut)) + rng.random()) / len(cut)).tolist()
        parts += [blocks[i] for i in np.argsort(places, kind="stable")]
    return np.concatenate(parts)


def _block_size(expected: float) -> int:
    """Units of a block, so that ``expected`` units, a step's share, are whole blocks."""
    blocks = math.ceil(expected / _BLOCK)
    return max(1, round(expected / max(1, blocks)))


def _blocks(mine: NDArray[np.int64], lengths: Lengths, size: int) -> list[NDArray[np.int64]]:
    """Units of one format in blocks of near prompt and near target lengths."""
    ordered = mine[np.argsort(lengths.prompt[mine], kind="stable")]
    strips = max(1, math.isqrt(len(mine) // size))  # as many strips as blocks in each
    strip = np.arange(len(mine)) * strips // len(mine)
    ordered = ordered[np.lexsort((lengths.target[ordered], strip))]
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
