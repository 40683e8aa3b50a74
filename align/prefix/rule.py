"""The policy ``prefix`` over a shard: align, place, resolve, spread, pack.

Each step is a kernel over samples; the target's tokenizer is asked between them, once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from align.blocks import Blocks, Side
from align.kernels.jit import kernel
from align.kernels.threads import over_samples
from align.prefix import row_kernel
from align.prefix.continuations import Seen, count_words, no_counts, summarize
from align.prefix.retokenize import BECAME, Encode, Resolved, Resolver
from align.prefix.shard_arrays import Alike, Ends, Lines, Path, Rows, Shard, Target
from align.prefix.token_offsets import Places, Words, find_places, find_words, nowhere, place_ends
from align.prefix.trie import Trie
from align.prefix.word_states import Source, Walk
from align.projection import SAME, Projection
from align.ragged import Ragged, pointers
from align.spans import align_batch, side_of
from align.sparse import SparseDistributions
from align.vocabulary import Vocabulary, count_prefixes, index_prefixes

NO_IDS = np.zeros(0, np.int32)


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
        mine = index_prefixes(source)
        self._alike = Alike(count_prefixes(mine), len(mine.order))
        self._index = index_prefixes(target)
        self._one_vocabulary = _equal(source, target)
        self._counts = no_counts()
        self._seen: Seen | None = None

    def project(
        self,
        source: Ragged,
        rows: SparseDistributions,
        target: Ragged,
        *,
        blocks: Blocks | None = None,
    ) -> Projection:
        """One row for each target token."""
        if self._same(source, target).all() and (abs(rows.mass() - 1) <= 1e-6).all():
            return _unchanged(rows)
        shard = self._shard(source, rows, target, blocks)
        count, keep = len(target.ids), self._keep or len(self._target)
        tail, kept, wrong = (np.empty(count, np.float32) for _ in range(3))
        lines = Lines(np.empty(count, np.int64), tail, kept, wrong, np.empty(count, np.uint8))
        parts = over_samples(self._threads, len(target), row_kernel.fill, shard, keep, lines)
        ids, prob = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        with np.errstate(divide="ignore"):
            logprobs, logtail = np.log(prob, out=prob), np.log(lines.tail, out=lines.tail)
        distributions = SparseDistributions(pointers(lines.size), ids, logprobs, logtail)
        return Projection(distributions, lines.kind, lines.kept, lines.wrong)

    def observe(self, source: Ragged, target: Ragged, *, blocks: Blocks | None = None) -> None:
        """Count what the words of these texts became, see ``continuations.py``."""
        if not self._asked:
            return
        entries = Source(source.indptr, source.ids, np.zeros(len(source.ids) + 1, np.int64), NO_IDS)
        sides, places, words, walk = self._read(source, entries, target, blocks)[:4]
        self._counts = count_words(self._counts, sides, walk.state, places, words)
        self._seen = None

    def _read(
        self, source: Ragged, entries: Source, target: Ragged, blocks: Blocks | None
    ) -> tuple[tuple[Side, Side], Places, Words, Walk, Trie, Resolved]:
        """What was written on both sides, word by word."""
        threads = self._threads
        sides = side_of(self._source, source), side_of(self._target, target)
        trie, walk, resolved = self._resolver.resolve(entries, threads=threads)
        places = self._places(sides, source, target, blocks)
        words = Words(np.empty(len(source.ids), np.int32), np.empty(len(source.ids), np.int32))
        over_samples(threads, len(source), find_words, *sides, places, walk.begins, trie.cut, words)
        return sides, places, words, walk, trie, resolved

    def _shard(
        self, source: Ragged, rows: SparseDistributions, target: Ragged, blocks: Blocks | None
    ) -> Shard:
        """Everything that the kernels read."""
        entries = Source(source.indptr, source.ids, rows.indptr, rows.ids)
        sides, places, words, walk, trie, resolved = self._read(source, entries, target, blocks)
        seen = self._met(resolved)
        eos = [-1 if side.eos is None else side.eos for side in (self._source, self._target)]
        return Shard(
            source.indptr,
            target.indptr,
            self._same(source, target),
            Rows(
                rows.indptr,
                rows.ids,
                np.exp(rows.logprobs),
                np.exp(rows.tail),
                walk.node,
                walk.role,
            ),
            Path(
                source.ids,
                walk.state,
                walk.inks,
                walk.begins,
                np.take(trie.cut, source.ids),
                words.anchor,
                words.begin,
            ),
            Target(target.ids, places.token, places.offset, self._target.flags),
            resolved,
            seen,
            Ends(eos[0], eos[1], self._target.folds, self._asked),
            sides[0],
            self._alike,
            self._index,
        )

    def _met(self, resolved: Resolved) -> Seen:
        """What was counted; nodes that are new since then were never met."""
        if self._seen is None:
            self._seen = summarize(self._counts, resolved, self._target.flags, self._keep)
            resolved.words[:, BECAME] = self._seen.whole
        return self._seen

    def _places(
        self, sides: tuple[Side, Side], source: Ragged, target: Ragged, blocks: Blocks | None
    ) -> Places:
        """Where each target token begins; both ends of sequence begin at the same place."""
        if blocks is None:
            texts = text_of(source, self._source.eos), text_of(target, self._target.eos)
            blocks = align_batch(self._source, self._target, *texts, threads=self._threads)
        places = nowhere(len(target.ids))
        over_samples(
            self._threads,
            len(source),
            find_places,
            sides[0],
            sides[1],
            blocks.indptr,
            blocks.groups,
            blocks.kind,
            self._target.folds,
            places,
        )
        both = _ends(source, self._source.eos) & _ends(target, self._target.eos)
        folds = self._target.folds
        over_samples(
            self._threads, len(source), place_ends, sides[0], sides[1], folds, both, places
        )
        return places

    def _same(self, source: Ragged, target: Ragged) -> NDArray[np.bool_]:
        """(samples,) True where both sides are the same ids of one vocabulary."""
        same: NDArray[np.bool_] = np.diff(source.indptr) == np.diff(target.indptr)
        same &= self._one_vocabulary
        if same.any():
            _compare(source.indptr, source.ids, target.indptr, target.ids, same)
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


def _ends(tokens: Ragged, eos: int | None) -> NDArray[np.bool_]:
    """(samples,) True where the last token is ``eos``."""
    ends = np.diff(tokens.indptr) > 0
    ends[ends] = tokens.ids[tokens.indptr[1:][ends] - 1] == (-1 if eos is None else eos)
    return ends


def text_of(tokens: Ragged, eos: int | None) -> Ragged:
    """``tokens`` without the end of sequence of each sample."""
    ends = _ends(tokens, eos)
    if not ends.any():
        return tokens
    keep = np.ones(len(tokens.ids), np.bool_)
    keep[tokens.indptr[1:][ends] - 1] = False
    return Ragged(tokens.indptr - pointers(ends), tokens.ids[keep])


@kernel
def _compare(
    source_ptr: NDArray[np.int64],
    source: NDArray[np.int32],
    target_ptr: NDArray[np.int64],
    target: NDArray[np.int32],
    same: NDArray[np.bool_],
) -> None:
    """Clear ``same`` where the ids of a sample differ."""
    for s in range(len(same)):
        shift = target_ptr[s] - source_ptr[s]
        for j in range(source_ptr[s], source_ptr[s + 1]):
            if same[s] and source[j] != target[j + shift]:
                same[s] = False
