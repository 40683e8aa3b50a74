"""Target rows of a shard, chunk by chunk: what they read, what they get, what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from align.blocks import Side
from align.prefix.continuations import Continuations
from align.prefix.next_token import spell
from align.prefix.readings import (
    Prior,
    Readings,
    Shard,
    describe,
    follow,
    readings_for,
    share_inside,
)
from align.prefix.row_kernel import PARTS, Assigned, assign, assigned_for, read_on
from align.prefix.shard_arrays import ID
from align.prefix.top_entries import Rows, add_up, choose, entries_for, sums_for
from align.vocabulary import PrefixIndex

CHUNK = 1 << 12  # target rows that are made at once, so that what is assigned stays in the cache

Part = tuple[NDArray[np.int32], NDArray[np.float32]]


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

    def make(self, first: int, last: int) -> list[Part]:
        """Make the rows ``first:last``.

        Returns:
            Ids and probabilities of their entries, in parts that follow one another.
        """
        room = readings_for(min(CHUNK, last - first))
        held = np.zeros(len(self.shard.flags) + 2)
        starts = range(first, last, CHUNK)
        return [self._chunk(start, min(start + CHUNK, last), room, held) for start in starts]

    def _chunk(self, first: int, last: int, room: Readings, held: NDArray[np.float64]) -> Part:
        """Make the rows of a chunk; ``room`` is for what they read."""
        shard, prior = self.shard, self.prior
        count, candidates = follow(first, last, shard, self.rows.kind, room)
        bounds = room.bounds[: last - first + 1]
        readings = Readings(room.rows[:count], room.mass[:count], bounds)
        describe(shard, readings.rows)
        share_inside(shard, readings, self.sides[0], prior.alike, prior.pieces)
        assigned = self._assign(readings, candidates)
        size = int(assigned.counts[0]) + PARTS * count + last - first
        sums = sums_for(last - first, size, held)
        add_up(bounds, assigned, self.continuations, sums)
        entries = entries_for(min(size, (last - first) * self.keep), self.keep)
        written = np.ascontiguousarray(shard.table[first:last, ID])
        size = choose(first, written, sums, self.keep, self.rows, entries)
        return entries.ids[:size], entries.prob[:size]

    def _assign(self, readings: Readings, candidates: int) -> Assigned:
        """What the masses that are read, ``candidates`` and others, are assigned to."""
        shard = self.shard
        assigned = assigned_for(len(readings.rows), candidates)
        assign(shard, readings, assigned)
        read_on(shard, self.continuations, readings.rows, assigned)
        spell(assigned, readings.rows, shard, self.sides, self.index)
        return assigned
