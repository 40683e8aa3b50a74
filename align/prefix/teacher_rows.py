"""The teacher's rows, normalized and summed by what their entries would do.

row after " earn"   "s" .6 (written)   "ed" .2   " a" .1   "s" listed twice   tail .1
sums                WRITTEN .6         REST .1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.kernels.jit import entry
from align.prefix.shard_arrays import ID, REST, ROLE, STARTS, Source


@entry
def normalize(
    first: int,
    last: int,
    source: Source,
    prob: NDArray[np.float32],
    sums: NDArray[np.float32],
    met: NDArray[np.int32],
) -> None:
    """Let the rows of samples ``first:last`` sum to 1, an id that is listed twice counting once.

    Args:
        prob: (stored,) of each candidate.
        sums: (n, ROLES) with REST filled; the others but the first receive the mass
            of their role.
        met: (V,) of source ids, room to note the row that listed each last; -1 at the start.
    """
    entries, row_ptr = source.entries, source.row_ptr
    for r in range(source.indptr[first], source.indptr[last]):
        total = 0.0 + sums[r, REST]  # in double precision
        for e in range(row_ptr[r], row_ptr[r + 1]):
            token = entries[e, ID]
            if met[token] == r:  # an id that is listed twice has one mass, the first
                prob[e] = 0.0
            met[token] = r
            total += prob[e]
        if total <= 0.0:
            sums[r, REST], total = 1.0, 1.0
        elif abs(total - 1.0) <= 1e-6:
            total = 1.0  # but for rounding it was: the stored masses stay as they are
        sums[r, REST] /= total
        for e in range(row_ptr[r], row_ptr[r + 1]):
            prob[e] /= total
            if entries[e, ROLE] >= STARTS:
                sums[r, entries[e, ROLE]] += prob[e]
