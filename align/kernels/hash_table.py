"""Where keys are, found by their hash: open addressing.

    keys    position 1  2  3        a number each, in the order they came
    table   0  2  0  0  3  1  0     positions, 0 where none is; each from where its hash says on

Callers keep a table at most half full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import entry, kernel

PRIME = np.uint64(0x9E3779B97F4A7C15)  # for multiplicative hashing
HALF = np.uint64(32)


def empty_table(room: int) -> NDArray[np.int32]:
    """A table of ``room`` positions, a power of two."""
    return np.zeros(2 * room, np.int32)


@kernel
def mixed(key: np.uint64) -> np.uint64:
    """A hash of ``key`` of which the low bits depend on all."""
    # multiplying mixes upwards only; the shift brings the high bits down into the mask's reach
    product = key * PRIME
    return product ^ (product >> HALF)


@kernel
def slot_of(
    table: NDArray[np.int32], keys: NDArray[np.uint64], key: np.uint64, hashed: np.uint64
) -> np.uint64:
    """The slot with the position of ``key``, of this hash; a free slot where there is none."""
    mask, one = np.uint64(len(table) - 1), np.uint64(1)
    slot = hashed & mask
    # ends, because a table is at most half full
    while table[slot] != 0 and keys[table[slot]] != key:
        slot = (slot + one) & mask
    return slot


@entry
def fill_table(table: NDArray[np.int32], hashes: NDArray[np.uint64], first: int, last: int) -> None:
    """Enter the positions ``first:last``, whose keys are all different and not yet in ``table``."""
    mask, one = np.uint64(len(table) - 1), np.uint64(1)
    for position in range(first, last):
        slot = hashes[position] & mask
        # all keys differ, so a free slot is enough: none is compared
        while table[slot] != 0:
            slot = (slot + one) & mask
        table[slot] = position
