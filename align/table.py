"""Keys and what they stand for, one behind the other in one array: open addressing.

    place   0    1      2    3      4    5
            key  value  -    0      key  value        a value of 0 marks a free place

Kernels look for a key from where its hash says; whoever fills a table keeps it at most half full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.compiled import inlined

PRIME = np.uint64(0x9E3779B97F4A7C15)  # for multiplicative hashing


def empty_table(capacity: int) -> NDArray[np.uint64]:
    """Room for so many keys, a power of two."""
    return np.zeros(2 * capacity, np.uint64)


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
def place_of(table: NDArray[np.uint64], key: np.uint64, hashed: np.uint64) -> np.uint64:
    """Where ``key``, of this hash, stands, or the free place that it would get."""
    mask = np.uint64(len(table) - 2)
    place = hashed & mask
    while table[place + np.uint64(1)] != 0 and table[place] != key:
        place = (place + np.uint64(2)) & mask
    return place
