"""Carry a teacher's distributions into a student's vocabulary.

One call takes a shard: what the teacher wrote, its sparse row for each of its tokens, and the
student's tokens of the same text. It gives back one row for each of the student's tokens::

    teacher   " $" {" $": .9, " a": .1}      "12" {"12": .7, "10": .2, tail .1}
    student   " $12" -> {" $12": .63, " $10": .18, " $": .09, " a": .1}

Policies: ``prefix`` is exact as far as the stored rows reach (``prefix.py``); ``one-to-one`` is the
rule of Fu et al. 2023 (arXiv:2301.12726), ``nearest`` the same with the vocabularies matched by
edit distance, ``chunk`` carries over how likely the aligned blocks are, and ``byte-prefix`` is
Byte-Prefix Marginalization (arXiv:2607.22334): see ``baselines``.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from align.blocks import Blocks
from align.prefix.one_vocabulary import with_ends_of
from align.prefix.retokenize import Encode
from align.prefix.rule import Learned, PrefixRule
from align.prefix.shard_arrays import Offsets
from align.projection import EOS, Projection
from align.ragged import Ragged
from align.sparse import SparseDistributions, one_hot
from align.vocabulary import Vocabulary, check_ids

if TYPE_CHECKING:  # the other rules are loaded by those who ask for one
    from align.baselines.byte_prefix import BytePrefixRule
    from align.baselines.chunk_rule import ChunkRule
    from align.baselines.link_rules import LinkRule

Scalar = TypeVar("Scalar", bound=np.generic)
Policy = Literal["prefix", "one-to-one", "nearest", "chunk", "byte-prefix"]


class Projector:
    """Projects shards from one vocabulary to another; keeps what it has found out between calls.

    Args:
        source: the teacher's vocabulary.
        target: the student's.
        policy: the rule, see the module.
        encode: the student's batch tokenizer, texts to ids without end of sequence, for the policy
            ``prefix``. None: candidates are read by their bytes alone, less exact.
        keep: entries that ``prefix`` keeps in a row, the most probable; the others join the tail.
            None: all.
        threads: how many work on a call; no result depends on it.
    """

    def __init__(
        self,
        source: Vocabulary,
        target: Vocabulary,
        *,
        policy: Policy = "prefix",
        encode: Encode | None = None,
        keep: int | None = None,
        threads: int = 1,
    ) -> None:
        if policy not in get_args(Policy):
            raise ValueError(f"policy {policy!r} is none of {', '.join(get_args(Policy))}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self.source, self.target, self.policy = _plain(source), _plain(target), policy
        self._shared_end = self.target.eos if self.source.equals(self.target) else None
        self._rule: PrefixRule | LinkRule | ChunkRule | BytePrefixRule
        if policy == "prefix":
            self._rule = PrefixRule(
                self.source, self.target, encode=encode, keep=keep, threads=threads
            )
        else:
            self._rule = _baseline(policy, self.source, self.target, threads)

    def observe(
        self, source_tokens: Ragged, target_tokens: Ragged, *, blocks: Blocks | None = None
    ) -> Offsets | None:
        """Learn from texts of the store what words that were only begun become in the target.

        Called for every shard before the first is projected, it lets ``prefix`` part the mass of
        candidates that leave their word open (``continuations.py``); other policies ignore it.

        Args:
            source_tokens, target_tokens, blocks: as of ``project``.

        Returns:
            Where words and tokens begin, which spares ``project`` finding it again; None where
            that does not look for it, or at texts with other ends.
        """
        self._check(source_tokens, one_hot(source_tokens.ids), target_tokens)
        if not isinstance(self._rule, PrefixRule):
            return None
        tokens = _writable_tokens(source_tokens), _writable_tokens(target_tokens)
        offsets = self._rule.observe(*tokens, blocks=blocks)
        return offsets if self._shared_end is None else None

    def unlearned(self) -> Projector:
        """A projector of the same arguments that has observed nothing."""
        other = copy(self)
        if isinstance(self._rule, PrefixRule):
            other._rule = self._rule.unlearned()
        return other

    def learned(self) -> Learned:
        """What ``observe`` has found out so far, for ``learn`` elsewhere.

        Raises:
            ValueError: the policy is not ``prefix``, which alone learns.
        """
        if not isinstance(self._rule, PrefixRule):
            raise ValueError(f"policy {self.policy!r} learns nothing from texts")
        return self._rule.learned()

    def learn(self, learned: Learned) -> None:
        """Add what a projector between the same vocabularies learned from other texts.

        In whatever parts and order all texts are learned from, what is projected afterwards is
        the same.

        Args:
            learned: what ``learned`` of the other projector gave.
        """
        if isinstance(self._rule, PrefixRule):
            self._rule.learn(learned)

    def project(
        self,
        source_tokens: Ragged,
        source_rows: SparseDistributions,
        target_tokens: Ragged,
        *,
        blocks: Blocks | None = None,
        offsets: Offsets | None = None,
    ) -> Projection:
        """One row for each target token.

        Args:
            source_tokens: what the teacher wrote; may end with its end of sequence.
            source_rows: one row per source token, the distribution it was drawn from.
            target_tokens: the student's tokens of the same texts, sample by sample; may end with
                its end of sequence.
            blocks: the alignment of the tokens without end of sequence, where it is known better
                than ids alone tell; ``prefix`` uses it.
            offsets: what ``observe`` returned of the same tokens; then no blocks are needed.
        """
        self._check(source_tokens, source_rows, target_tokens)
        rows = SparseDistributions(
            _writable(source_rows.indptr, np.int64),
            _writable(source_rows.ids, np.int32),
            _writable(source_rows.logprobs, np.float32),
            _writable(source_rows.tail, np.float32),
        )
        tokens = _writable_tokens(source_tokens), rows, _writable_tokens(target_tokens)
        if isinstance(self._rule, PrefixRule):
            if self._shared_end is not None:
                return self._with_shared_end(self._rule, self._shared_end, *tokens, blocks)
            return self._rule.project(*tokens, blocks=blocks, offsets=offsets)
        return self._rule.project(*tokens)

    def _with_shared_end(
        self,
        rule: PrefixRule,
        end: int,
        source: Ragged,
        rows: SparseDistributions,
        target: Ragged,
        blocks: Blocks | None,
    ) -> Projection:
        """With one vocabulary on both sides, texts that differ in their end alone are the same."""
        source, rows, ends = with_ends_of(source, rows, target, end)
        projection = rule.project(source, rows, target, blocks=blocks)
        if len(ends):
            projection.kind[ends] = EOS
        return projection

    def _check(self, source: Ragged, rows: SparseDistributions, target: Ragged) -> None:
        if len(source) != len(target):
            raise ValueError(f"{len(source)} source samples, but {len(target)} target samples")
        if len(rows) != len(source.ids):
            raise ValueError(f"{len(source.ids)} source tokens, but {len(rows)} rows for them")
        check_ids("source token ids", source.ids, self.source)
        check_ids("stored candidate ids", rows.ids, self.source)
        check_ids("target token ids", target.ids, self.target)


def _baseline(
    policy: Policy, source: Vocabulary, target: Vocabulary, threads: int
) -> LinkRule | ChunkRule | BytePrefixRule:
    """The rule of a policy other than ``prefix``, loaded only now with what it needs."""
    if policy == "chunk":
        from align.baselines.chunk_rule import ChunkRule

        return ChunkRule(source, target, threads=threads)
    if policy == "byte-prefix":
        from align.baselines.byte_prefix import BytePrefixRule

        return BytePrefixRule(source, target)
    from align.baselines.link_rules import LinkRule

    return LinkRule(source, target, nearest=policy == "nearest")


def _writable(array: NDArray[Scalar], dtype: type[Scalar]) -> NDArray[Scalar]:
    """The array as every kernel is compiled for it; a copy only where it is not so already."""
    return np.require(array, dtype, ["C", "W"])


def _writable_tokens(tokens: Ragged) -> Ragged:
    return Ragged(_writable(tokens.indptr, np.int64), _writable(tokens.ids, np.int32))


def _plain(vocabulary: Vocabulary) -> Vocabulary:
    """The same vocabulary over arrays that may be written, as kernels are compiled for."""
    return Vocabulary(
        _writable(vocabulary.indptr, np.int64),
        _writable(vocabulary.data, np.uint8),
        _writable(vocabulary.flags, np.uint8),
        eos=vocabulary.eos,
        folds=vocabulary.folds,
    )
