"""Where keys stand, found by their hash: open addressing.

    keys    place 1  2  3           a number each, in the order they came
    table   0  2  0  0  3  1  0     places, 0 where none is; each from where its key's hash says on

Whoever fills a table keeps it at most half full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import inlined

PRIME = np.uint64(0x9E3779B97F4A7C15)  # for multiplicative hashing


def empty_table(places: int) -> NDArray[np.int32]:
    """Room for so many places, a power of two."""
    return np.zeros(2 * places, np.int32)


@inlined
def paired(one: int, other: int) -> np.uint64:
    """Two numbers of 32 bits as one key."""
    return (np.uint64(one) << np.uint64(32)) | np.uint64(other)


@inlined
def mixed(key: np.uint64) -> np.uint64:
    """A hash of ``key`` of which the low bits depend on all."""
    product = key * PRIME
    return product ^ (product >> np.uint64(32))


@inlined
def slot_of(
    table: NDArray[np.int32], keys: NDArray[np.uint64], key: np.uint64, hashed: np.uint64
) -> np.uint64:
    """Where ``table`` has the place of ``key``, of this hash; a free slot where it has none."""
    mask = np.uint64(len(table) - 1)
    slot = hashed & mask
    while table[slot] != 0 and keys[table[slot]] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot
