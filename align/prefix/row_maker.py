"""Target rows of a shard, chunk by chunk: what they read, what they get, what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.prefix.continuations import MOST, Continuations
from align.prefix.next_token import spell
from align.prefix.row_kernel import (
    DEPTH,
    FOLDS,
    READING_COLUMNS,
    TARGET_ROW,
    Prior,
    Readings,
    Shard,
    assign,
    follow,
    readings_for,
    share_inside,
)
from align.prefix.top_entries import Assigned, Entries, Rows, choose
from align.vocabulary import PrefixIndex

CHUNK = 1 << 12  # target rows that are made at once, so that what is assigned stays in the cache


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes the rows of a shard.

    Attributes:
        sides: source and target.
        index: the target's pieces.
        prior: of the source's ids.
        rows: what is made, but for the entries.
        keep: the number of entries that are kept of a row.
    """

    sides: tuple[Side, Side]
    index: PrefixIndex
    prior: Prior
    shard: Shard
    continuations: Continuations
    rows: Rows
    keep: int

    def make(self, first: int, last: int) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Make the rows ``first:last``.

        Returns:
            Ids and probabilities of their entries, in parts that follow one another.
        """
        parts = []
        readings, assigned, entries = self._room(min(CHUNK, last - first))
        while first < last:
            stop = min(first + CHUNK, last)
            count = int(follow(first, stop, self.shard, self.rows.kind, readings))
            share_inside(self.shard, readings, count, self.sides[0], self.prior)
            begin = 0
            while first < stop:
                following, begin, ptr = self._assign(
                    first, stop, (begin, count), readings, assigned
                )
                size = choose(assigned, ptr, self.rows, first, self.keep, entries)
                parts.append((entries.ids[:size].copy(), entries.prob[:size].copy()))
                first = following
        return parts

    def _room(self, rows: int) -> tuple[Readings, Assigned, Entries]:
        """Room for a chunk of so many rows, and for what the widest of them may be assigned."""
        widest = int(np.diff(self.shard.row_ptr).max(initial=0))
        room = 16 * rows + (DEPTH + 2) * (widest * (MOST + 2) + READING_COLUMNS)
        tokens, mass = np.empty((room, 3), np.int32), np.empty(room, np.float64)
        return (
            readings_for(rows),
            Assigned(np.zeros(1, np.int64), tokens, mass),
            Entries(
                np.empty(room + rows, np.int32),
                np.empty(room + rows, np.float32),
                np.zeros(len(self.shard.flags) + 2, np.float64),
            ),
        )

    def _assign(
        self,
        first: int,
        last: int,
        part: tuple[int, int],
        readings: Readings,
        assigned: Assigned,
    ) -> tuple[int, int, NDArray[np.int64]]:
        """Assign masses to the rows from ``first`` up to ``last``, or up to one without room.

        Args:
            part: the first of their readings, and the end of all.

        Returns:
            The row and the reading with which to go on, and the pointers of the rows.
        """
        begin, count = part
        assigned.used[0] = 0
        end = int(assign(begin, count, self.shard, self.continuations, readings, assigned))
        owner = readings.rows[begin:count, TARGET_ROW]
        if end < count:  # the row of that reading is not complete
            last = int(owner[end - begin])
            end = begin + int(np.searchsorted(owner, last))
        folds = bool(self.shard.rules[FOLDS])
        spell(assigned, readings.rows, self.sides, self.shard.table, self.index, folds)
        ends = np.append(0, readings.ends[begin:end])
        through = np.searchsorted(owner[: end - begin], np.arange(first - 1, last), "right")
        return last, end, ends[through]
