"""Rows that keep as many entries as they have, instead of k slots each.

    k = 3, padded    topk_id [[7, 3, 0], [9, 0, 0]]        topk_logprob [[-.1, -2.4, -inf], ...]
    ragged           entries [2, 1]   entry_id [7, 3, 9]   entry_logprob [-.1, -2.4, -.0]

On disk only; a sample that is read has k slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

Number = np.integer | np.floating
Arrays = dict[str, NDArray[Number]]
COUNT = np.dtype(np.uint16)


def integers(arrays: Mapping[str, NDArray[Number]], name: str) -> NDArray[np.integer]:
    """The ids or counts called ``name``."""
    return cast("NDArray[np.integer]", arrays[name])  # no file with other types is read


def packed(arrays: Mapping[str, NDArray[Number]]) -> Arrays:
    """``arrays`` with ragged entries in place of the padded ones; unused slots come last."""
    others = {n: a for n, a in arrays.items() if n not in ("topk_id", "topk_logprob")}
    used = ~np.isneginf(arrays["topk_logprob"])
    return {
        **others,
        "entries": used.sum(axis=1).astype(COUNT),
        "entry_id": arrays["topk_id"][used],
        "entry_logprob": arrays["topk_logprob"][used],
    }


def first_entries(entries: NDArray[Number]) -> NDArray[np.int64]:
    """(R + 1) where the entries of each position begin, and where the last end."""
    return np.concatenate([[0], np.cumsum(entries, dtype=np.int64)])


def padded(
    arrays: Mapping[str, NDArray[Number]], firsts: NDArray[np.int64], k: int, span: slice
) -> Arrays:
    """``topk_id`` and ``topk_logprob`` of the positions ``span``, in k slots each."""
    counts = arrays["entries"][span]
    begin = int(firsts[span][0]) if len(counts) else 0
    stored = slice(begin, begin + int(counts.sum(dtype=np.int64)))
    used = np.arange(k) < counts[:, None]
    ids = np.zeros((len(counts), k), arrays["entry_id"].dtype)
    logprobs = np.full((len(counts), k), -np.inf, arrays["entry_logprob"].dtype)
    ids[used], logprobs[used] = arrays["entry_id"][stored], arrays["entry_logprob"][stored]
    return {"topk_id": ids, "topk_logprob": logprobs}
