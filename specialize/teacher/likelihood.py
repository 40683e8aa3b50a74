"""What a teacher's rows are worth: nats a token, and the mass that k entries hold.

One worked table, of texts that were scored with 64 entries a position::

    nats_per_token .41   mass@1 .83   mass@5 .962   mass@20 .991   mass@64 .998   advised_top_k 20

Sums are kept as whole millionths, so that they add up over shards to the same number in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from specialize.store.sealed import Json
from specialize.teacher.protocol import ScoredText

TOP_K = (1, 5, 20, 64)  # entries whose mass is reported
ENOUGH = 0.99  # of the mass; what is beyond is hardly ever learnt
_POSITIONS, _NATS, _MASS = "positions", "micronats", "micromass@"
_MILLION = 1_000_000


def measure(texts: Sequence[ScoredText], top_k: int) -> Counter[str]:
    """Sums over all positions of ``texts``, whose rows have ``top_k`` entries, in millionths."""
    sums: Counter[str] = Counter({_POSITIONS: 0, _NATS: 0})
    for text in texts:
        own, rows = text.token_logprob.astype(np.float64), text.distributions
        sums[_POSITIONS] += len(text)
        sums[_NATS] += round(-float(own[np.isfinite(own)].sum()) * _MILLION)
        masses = np.exp(rows.logprobs.astype(np.float64))
        rank = np.arange(len(masses)) - rows.indptr[rows.row_of_entry()]
        for k in (k for k in TOP_K if k <= top_k):
            sums[f"{_MASS}{k}"] += round(float(masses[rank < k].sum()) * _MILLION)
    return sums


def nats_per_token(sums: Mapping[str, int]) -> float:
    """The mean of -log p over all positions."""
    return sums[_NATS] / _MILLION / max(sums[_POSITIONS], 1)


def masses(sums: Mapping[str, int]) -> dict[str, Json]:
    """``mass@k`` for every k that was measured: the mean mass of the k most probable entries."""
    positions = max(sums[_POSITIONS], 1) * _MILLION
    return {f"mass@{k}": sums[f"{_MASS}{k}"] / positions for k in TOP_K if f"{_MASS}{k}" in sums}


def advised_top_k(sums: Mapping[str, int]) -> int:
    """The least k that holds ``ENOUGH`` of the mass; the largest measured where none does."""
    measured = [k for k in TOP_K if f"{_MASS}{k}" in sums]
    wanted = ENOUGH * sums[_POSITIONS] * _MILLION
    return next((k for k in measured if sums[f"{_MASS}{k}"] >= wanted), max(measured, default=1))
