"""Rows that say what not to write: every token of a wrong response, made unlikely.

A row with the token at probability 0 and the whole mass in the tail is a target like any other.
Its forward KL is -log(1 - q), the unlikelihood of Welleck et al. 2020 (arXiv:1908.04319, equation
4), which Fu et al. tried on wrong solutions and left out again::

    ids [312], logprobs [-1e30], tail 0.0

The end of sequence alone says nothing (no entry, tail 0.0): a wrong solution has to end too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.sparse import SparseDistributions

UNLIKELY = -1e30  # nats; finite, so that the entry is stored, and of probability 0


def unlikely(ids: NDArray[np.integer]) -> SparseDistributions:
    """Rows that exclude each of ``ids`` (rows,) but the last, the end of sequence."""
    count = len(ids) - 1
    return SparseDistributions(
        np.append(np.arange(count + 1), count).astype(np.int64),
        np.asarray(ids[:-1], np.int32),
        np.full(count, UNLIKELY, np.float32),
        np.zeros(count + 1, np.float32),
    )
