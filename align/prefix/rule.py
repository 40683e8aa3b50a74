"""The policy ``prefix`` over a shard: align, find offsets, retokenize, assign, choose.

Each step is a kernel over samples; the target's tokenizer is asked between them, once.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from align.blocks import Blocks, Side
from align.kernels.threads import over_samples
from align.prefix.continuations import (
    Continuations,
    add_counts,
    count_words,
    no_counts,
    summarize,
)
from align.prefix.readings import Prior, Shard
from align.prefix.retokenize import Encode, Resolver
from align.prefix.row_maker import RowMaker
from align.prefix.shard_arrays import (
    ANCHOR,
    CONTEXT,
    COPIED,
    COUNTED,
    CUT,
    ID,
    NO_TEXT,
    NOWHERE,
    OFFSET,
    OWN,
    REST,
    ROLES,
    STOP,
    TARGET_COLUMNS,
    TOKEN,
    Offsets,
    Source,
    Words,
    source_table,
)
from align.prefix.teacher_rows import normalize
from align.prefix.token_offsets import find_words, place_blocks, place_ends, spelling
from align.prefix.top_entries import KEPT, TAIL_MASS, WRONG, Rows
from align.projection import APART, EOS, MID, SAME, UNKNOWN_TOKEN, Projection
from align.ragged import Ragged, pointers
from align.spans import align_batch, side_of
from align.sparse import SparseDistributions
from align.vocabulary import SPECIAL, UNKNOWN, Vocabulary, count_prefixes, index_prefixes


class Learned(NamedTuple):
    """How words continue, as ``observe`` counted it over some texts.

    ``words`` (nodes,) hold the parent and the token of every node of the trie of words, ``keys``
    (positions,) the position before and the node or the target token of each that was counted
    ``times``, all after what they name. Sums over parts of the texts are those over all of them.
    """

    words: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    times: NDArray[np.int64]


NO_IDS, NO_MASS = np.zeros(0, np.int32), np.zeros(0, np.float32)


class PrefixRule:
    """Projects with the policy ``prefix``; arguments as of ``project.Projector``."""

    def __init__(
        self,
        source: Vocabulary,
        target: Vocabulary,
        *,
        encode: Encode | None,
        keep: int | None,
        threads: int,
    ) -> None:
        self._source, self._target, self._threads, self._keep = source, target, threads, keep
        self._asked = encode is not None
        self._resolver = Resolver(source, target, encode)
        self._spellings = spelling(source), spelling(target)
        mine = index_prefixes(source)
        self._prior = Prior(count_prefixes(mine), len(mine.order))
        self._index = index_prefixes(target)
        silent = target.flags & (SPECIAL | UNKNOWN) > 0
        self._counted = np.where(silent, NO_TEXT, np.arange(len(target))).astype(np.int32)
        self._one_vocabulary = _equal(source, target)
        self._counts = no_counts()
        self._continuations: Continuations | None = None

    def project(
        self,
        source: Ragged,
        rows: SparseDistributions,
        target: Ragged,
        *,
        blocks: Blocks | None = None,
        offsets: Offsets | None = None,
    ) -> Projection:
        """One row for each target token.

        Args:
            source: the teacher's tokens.
            rows: one for each of them, log-probabilities in nats.
            target: the student's tokens of the same texts.
            blocks: the alignment where it is known better than from the ids; None: found here.
            offsets: what ``observe`` returned of the same texts; None: found here, from blocks.
        """
        same = self._same(source, target)
        if same.all() and (abs(rows.mass() - 1) <= 1e-6).all():
            return _unchanged(rows)
        sides = side_of(self._source, source), side_of(self._target, target)
        tables = source_table(source.indptr, source.ids, rows.indptr, rows.ids)
        words = self._resolver.resolve(tables, threads=self._threads)
        table = self._table(sides, tables, blocks, offsets)
        shard = self._shard(tables, rows, words, table)
        over_samples(self._threads, len(source), self._normalize, tables, shard)
        kind = self._kinds(sides, table, same)
        continuations = self._continuations_of(words)
        made = Rows(kind, np.empty(len(kind), np.int64), np.empty((len(kind), 3), "f4"))
        keep = self._keep or len(self._target)
        maker = RowMaker(sides, self._index, self._prior, shard, continuations, made, keep)

        def make(first: int, last: int) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
            return maker.make(int(target.indptr[first]), int(target.indptr[last]))

        parts = [part for parts in over_samples(self._threads, len(target), make) for part in parts]
        ids = np.concatenate([NO_IDS, *(part[0] for part in parts)])
        prob = np.concatenate([NO_MASS, *(part[1] for part in parts)])
        with np.errstate(divide="ignore"):
            logprobs, tail = np.log(prob, out=prob), np.log(made.mass[:, TAIL_MASS])
        distributions = SparseDistributions(pointers(made.size), ids, logprobs, tail)
        kept, wrong = (np.ascontiguousarray(made.mass[:, k]) for k in (KEPT, WRONG))
        return Projection(distributions, kind, kept, wrong)

    def observe(
        self, source: Ragged, target: Ragged, *, blocks: Blocks | None = None
    ) -> Offsets | None:
        """Count how the words of these texts continue, see ``continuations.py``.

        Returns:
            Where words and tokens begin; None where nothing is counted.
        """
        if not self._asked:
            return None
        sides = side_of(self._source, source), side_of(self._target, target)
        none = np.zeros(len(source.ids) + 1, np.int64)
        tables = source_table(source.indptr, source.ids, none, NO_IDS)
        self._resolver.find(tables, threads=self._threads)
        table = self._table(sides, tables, blocks, None)
        self._counts = count_words(self._counts, tables, target.indptr, table, self._target.flags)
        self._continuations = None
        return Offsets(
            np.ascontiguousarray(tables.tokens[:, ANCHOR : OWN + 1]),
            np.ascontiguousarray(table[:, TOKEN : OFFSET + 1]),
        )

    def unlearned(self) -> PrefixRule:
        """A rule between the same vocabularies that has observed nothing."""
        other = copy(self)
        other._resolver = self._resolver.unlearned()
        other._counts, other._continuations = no_counts(), None
        return other

    def learned(self) -> Learned:
        """What was counted so far."""
        size = int(self._counts.size[0])
        keys, times = self._counts.keys[:size].copy(), self._counts.times[:size].copy()
        return Learned(self._resolver.words(), keys, times)

    def learn(self, learned: Learned) -> None:
        """Add what another rule between the same vocabularies counted."""
        nodes = self._resolver.add(learned.words)
        self._counts = add_counts(self._counts, learned.keys, learned.times, nodes)
        self._continuations = None

    def _table(
        self,
        sides: tuple[Side, Side],
        tables: Source,
        blocks: Blocks | None,
        offsets: Offsets | None,
    ) -> NDArray[np.int32]:
        """The table of the target's tokens; fills in where words begin in that of the source's."""
        source, target = sides
        tables.tokens[:, CUT] = self._resolver.cut[source.ids]
        table = np.zeros((len(target.ids), TARGET_COLUMNS), np.int32)
        table[:, ID], table[:, TOKEN] = target.ids, NOWHERE
        table[:, COUNTED] = self._counted[target.ids]
        table[:, STOP] = np.repeat(source.indptr[1:], np.diff(target.indptr))
        if offsets is None:
            self._find_offsets(sides, tables, blocks, table)
        else:
            tables.tokens[:, ANCHOR : OWN + 1] = offsets.source
            table[:, TOKEN : OFFSET + 1] = offsets.target
        return table

    def _find_offsets(
        self,
        sides: tuple[Side, Side],
        tables: Source,
        blocks: Blocks | None,
        table: NDArray[np.int32],
    ) -> None:
        """Fill in where words and tokens begin, in the tables of both sides."""
        source, target = sides
        eos = self._source.eos, self._target.eos
        if blocks is None:
            texts = (
                text_of(Ragged(side.indptr, side.ids), end)
                for side, end in zip(sides, eos, strict=True)
            )
            blocks = align_batch(self._source, self._target, *texts, threads=self._threads)
        over_samples(
            self._threads,
            len(blocks),
            place_blocks,
            sides,
            self._spellings,
            blocks,
            self._target.folds,
            table,
        )
        both = _ends(source.indptr, source.ids, eos[0]) & _ends(target.indptr, target.ids, eos[1])
        place_ends(sides, self._spellings[0], both, self._target.folds, table)
        find_words(source.indptr, target.indptr, tables.tokens, table)

    def _shard(
        self, tables: Source, rows: SparseDistributions, words: Words, table: NDArray[np.int32]
    ) -> Shard:
        """Everything that the kernels read."""
        sums = np.zeros((len(rows), ROLES), np.float32)
        np.exp(rows.tail, out=sums[:, REST])
        eos = [-1 if side.eos is None else side.eos for side in (self._source, self._target)]
        rules = np.array([*eos, self._target.folds, self._asked], np.int64)
        prob = np.exp(rows.logprobs)
        return Shard(
            *tables[1:], sums, prob, table, self._target.flags, words.spans, words.ids, rules
        )

    def _normalize(self, first: int, last: int, tables: Source, shard: Shard) -> None:
        met = np.full(len(self._source), -1, np.int32)
        normalize(first, last, tables, shard.prob, shard.sums, met)

    def _kinds(
        self, sides: tuple[Side, Side], table: NDArray[np.int32], same: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """What each row can be by its place alone; rows of the ``same`` samples are copied."""
        source, target = sides
        eos = target.ids == (-1 if self._target.eos is None else self._target.eos)
        silent = ~eos & (self._target.flags[target.ids] & (SPECIAL | UNKNOWN) > 0)
        kind = np.where(table[:, OFFSET] > 0, MID, SAME).astype(np.uint8)
        kind[silent] = UNKNOWN_TOKEN
        nowhere = table[:, TOKEN] == NOWHERE
        kind[nowhere] = np.where(eos[nowhere], EOS, APART)
        if same.any():
            rows = np.flatnonzero(np.repeat(same, np.diff(target.indptr)))
            shift = np.repeat(source.indptr[:-1] - target.indptr[:-1], np.diff(target.indptr))
            kind[rows], table[rows, OFFSET] = SAME, COPIED
            table[rows, TOKEN] = rows + shift[rows]
        return kind

    def _continuations_of(self, words: Words) -> Continuations:
        """What was counted; nodes that are new since then were never met."""
        if self._continuations is None:
            self._continuations, words.spans[:, CONTEXT] = summarize(
                self._counts, words, self._target.flags, self._keep
            )
        return self._continuations

    def _same(self, source: Ragged, target: Ragged) -> NDArray[np.bool_]:
        """(samples,) True where both sides are the same ids of one vocabulary."""
        same: NDArray[np.bool_] = np.diff(source.indptr) == np.diff(target.indptr)
        same &= self._one_vocabulary
        if same.any():
            rows = np.flatnonzero(np.repeat(same, source.lengths))
            shift = np.repeat(target.indptr[:-1] - source.indptr[:-1], source.lengths)[rows]
            differs = source.ids[rows] != target.ids[rows + shift]
            same[np.searchsorted(source.indptr, rows[differs], "right") - 1] = False
        return same


def _unchanged(rows: SparseDistributions) -> Projection:
    """The teacher's own rows."""
    kind, zero = np.full(len(rows), SAME, np.uint8), np.zeros(len(rows), np.float32)
    return Projection(rows, kind, 1 - np.exp(rows.tail), zero)


def _equal(one: Vocabulary, other: Vocabulary) -> bool:
    """Whether both spell the same ids the same way."""
    return (
        one.eos == other.eos
        and one.folds == other.folds
        and np.array_equal(one.indptr, other.indptr)
        and np.array_equal(one.data, other.data)
        and np.array_equal(one.flags, other.flags)
    )


def _ends(indptr: NDArray[np.int64], ids: NDArray[np.int32], eos: int | None) -> NDArray[np.bool_]:
    """(samples,) True where the last token is ``eos``."""
    ends: NDArray[np.bool_] = np.diff(indptr) > 0
    ends[ends] = ids[indptr[1:][ends] - 1] == (-1 if eos is None else eos)
    return ends


def text_of(tokens: Ragged, eos: int | None) -> Ragged:
    """``tokens`` without the end of sequence of each sample."""
    ends = _ends(tokens.indptr, tokens.ids, eos)
    if not ends.any():
        return tokens
    keep = np.ones(len(tokens.ids), np.bool_)
    keep[tokens.indptr[1:][ends] - 1] = False
    return Ragged(tokens.indptr - pointers(ends), tokens.ids[keep])
