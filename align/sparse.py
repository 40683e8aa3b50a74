"""Rows of sparse distributions: the one currency of every stage.

A row holds ids, their log-probabilities in nats, and the log-mass of everything not stored (the
tail). A hard label is the row with one entry of probability 1 and no tail::

    ids [312, 7], logprobs [log .7, log .2], tail log .1       soft
    ids [312],    logprobs [0.],             tail -inf         hard

Rows are ragged and follow one another (compressed sparse rows), so that nothing is padded
before a model asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseDistributions:
    """``len(self)`` distributions over one vocabulary.

    Attributes:
        indptr: (rows + 1,) int64; row r owns entries ``indptr[r]:indptr[r + 1]``.
        ids: (entries,) int32, distinct within a row.
        logprobs: (entries,) float32, nats, finite or -inf, at most 0 up to rounding.
        tail: (rows,) float32, log of the mass that is not stored; -inf where there is none.
    """

    indptr: NDArray[np.int64]
    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    tail: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.indptr.ndim != 1 or len(self.indptr) != len(self.tail) + 1:
            raise ValueError(
                f"indptr has shape {self.indptr.shape}, but {len(self.tail)} rows need "
                f"({len(self.tail) + 1},)"
            )
        if self.indptr[0] != 0 or (self.indptr[1:] < self.indptr[:-1]).any():
            raise ValueError("indptr must start at 0 and never fall")
        if not len(self.ids) == len(self.logprobs) == self.indptr[-1]:
            raise ValueError(
                f"{len(self.ids)} ids and {len(self.logprobs)} log-probabilities, "
                f"but indptr ends at {self.indptr[-1]}"
            )

    def __len__(self) -> int:
        return len(self.tail)

    def __getitem__(self, rows: slice) -> SparseDistributions:
        """Rows ``start:stop`` as views (step 1 only); itself where these are all."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are taken in order; got a slice with step {step}")
        if (start, stop) == (0, len(self)):
            return self
        stop = max(start, stop)
        first, last = self.indptr[start], self.indptr[stop]
        return SparseDistributions(
            self.indptr[start : stop + 1] - first,
            self.ids[first:last],
            self.logprobs[first:last],
            self.tail[start:stop],
        )

    @property
    def is_hard(self) -> NDArray[np.bool_]:
        """(rows,) True where the row is one entry of probability 1 with no tail."""
        single = np.diff(self.indptr) == 1
        hard: NDArray[np.bool_] = single & np.isneginf(self.tail)
        hard[single] &= self.logprobs[self.indptr[:-1][single]] == 0
        return hard

    def mass(self) -> NDArray[np.float64]:
        """(rows,) stored plus tail mass; 1 for a proper row."""
        stored = np.zeros(len(self))
        np.add.at(stored, self.row_of_entry(), np.exp(self.logprobs.astype(np.float64)))
        total: NDArray[np.float64] = stored + np.exp(self.tail.astype(np.float64))
        return total

    def row_of_entry(self) -> NDArray[np.int64]:
        """(entries,) the row that owns each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def padded(
        self, width: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        """ids (rows, width), logprobs (rows, width) and tail (rows,).

        Entries come most probable first (ties: lower id first). Entries beyond ``width`` move
        into the tail; unused slots have id 0 and log-probability -inf.
        """
        rows = self.row_of_entry()
        order = np.lexsort((self.ids, -self.logprobs, rows))
        slot = np.arange(len(order)) - self.indptr[rows[order]]
        inside = slot < width
        ids = np.zeros((len(self), width), np.int32)
        logprobs = np.full((len(self), width), -np.inf, np.float32)
        kept = order[inside]
        ids[rows[kept], slot[inside]] = self.ids[kept]
        logprobs[rows[kept], slot[inside]] = self.logprobs[kept]
        ids[np.isneginf(logprobs)] = 0
        tail = self.tail
        cut = order[~inside]
        if len(cut):
            mass = np.exp(tail.astype(np.float64))
            np.add.at(mass, rows[cut], np.exp(self.logprobs[cut].astype(np.float64)))
            with np.errstate(divide="ignore"):
                tail = np.log(mass).astype(np.float32)
        return ids, logprobs, tail


def one_hot(ids: NDArray[np.integer]) -> SparseDistributions:
    """Hard rows: probability 1 on each of ``ids``.

    Args:
        ids: (rows,).

    Returns:
        One entry a row, and no tail.
    """
    count = len(ids)
    return SparseDistributions(
        np.arange(count + 1, dtype=np.int64),
        np.asarray(ids, np.int32),
        np.zeros(count, np.float32),
        np.full(count, -np.inf, np.float32),
    )


def taken(rows: SparseDistributions, wanted: NDArray[np.bool_]) -> SparseDistributions:
    """The rows of which ``wanted`` (rows,) is True, in their order; itself where all are."""
    if wanted.all():
        return rows
    lengths = np.diff(rows.indptr)
    inside = np.repeat(wanted, lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths[wanted])]).astype(np.int64)
    return SparseDistributions(indptr, rows.ids[inside], rows.logprobs[inside], rows.tail[wanted])


def from_padded(
    ids: NDArray[np.integer], logprobs: NDArray[np.floating], tail: NDArray[np.floating]
) -> SparseDistributions:
    """The inverse of ``padded``: slots with log-probability -inf are unused.

    Args:
        ids: (rows, K).
        logprobs: (rows, K) nats.
        tail: (rows,) nats.

    Returns:
        The same rows without their unused slots.

    Raises:
        ValueError: the shapes do not agree.
    """
    if ids.ndim != 2 or ids.shape != logprobs.shape or tail.shape != ids.shape[:1]:
        raise ValueError(
            f"ids {ids.shape} and log-probabilities {logprobs.shape} must be one (rows, K), and "
            f"the tail {tail.shape} one (rows,)"
        )
    used = ~np.isneginf(logprobs)
    if used.all():
        return SparseDistributions(
            np.arange(len(ids) + 1, dtype=np.int64) * ids.shape[1],
            ids.astype(np.int32).ravel(),
            logprobs.astype(np.float32).ravel(),
            np.asarray(tail, np.float32),
        )
    indptr = np.concatenate(([0], np.cumsum(used.sum(axis=1)))).astype(np.int64)
    return SparseDistributions(
        indptr,
        ids[used].astype(np.int32),
        logprobs[used].astype(np.float32),
        np.asarray(tail, np.float32),
    )


def concatenate(parts: Sequence[SparseDistributions]) -> SparseDistributions:
    """The rows of ``parts`` one after another.

    Args:
        parts: in the order in which their rows follow each other.

    Returns:
        As many rows as ``parts`` have together.
    """
    if not parts:
        return one_hot(np.zeros(0, np.int32))
    starts = np.cumsum([0] + [int(part.indptr[-1]) for part in parts])
    pointers = [part.indptr[1:] + start for part, start in zip(parts, starts, strict=False)]
    return SparseDistributions(
        np.concatenate([np.zeros(1, np.int64), *pointers]),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.logprobs for part in parts]),
        np.concatenate([part.tail for part in parts]),
    )
