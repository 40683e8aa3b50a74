"""One shard of responses to one shard of targets: encode, align, learn, project.

``prepare`` needs the texts alone, ``project`` the teacher's rows too; between them the policy
``prefix`` learns from all texts of the store (``Job.observe``)::

    texts      "She earns $12"     prepare ->  student's tokens, blocks of both tokenizations
    responses  with rows           project ->  a row for each of the student's tokens
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from align import Projection, Projector, Ragged, SparseDistributions, one_hot
from align.blocks import Blocks
from align.prefix.rule import text_of
from align.prefix.shard_arrays import Offsets
from specialize.store import Shard, Texts, own_logprobs, stored_rows
from specialize.targets.counts import row_counts
from specialize.targets.ends import Ends, into_tail, without_last
from specialize.targets.text_alignment import known_blocks
from specialize.targets.thoughts import Part, join_thoughts, split_thoughts
from specialize.tokens import Tokenizer

Keep = Literal["correct", "all"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The student's tokens of a shard's texts, and how they and the teacher's tokens align.

    Of ``blocks``, those that both make, and ``offsets``, where words and tokens begin, there is at
    most one; none for policies that do not use them, and for texts without a teacher's tokens.
    """

    tokens: Ragged
    blocks: Blocks | None = None
    offsets: Offsets | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for every shard.

    Attributes:
        projector: None where the store holds texts alone.
        tokenizer: the student's.
        classes: (V,) of the student's tokens, for the counts.
        top_k: entries kept a position.
        keep: which responses; ``correct`` leaves out those that are not known to be right.
        threads: how many work on a shard.
        ends: what ends the teacher's texts; None where its vocabulary's end is all there is.
        processes: how many work on shards.
    """

    projector: Projector | None
    tokenizer: Tokenizer
    classes: NDArray[np.uint8]
    top_k: int
    keep: Keep
    threads: int
    ends: Ends | None = None
    processes: int = 1

    @property
    def learns(self) -> bool:
        """Whether the policy looks at all texts before the first is projected."""
        return self.projector is not None and self.projector.policy == "prefix"

    def prepare(self, texts: Texts) -> Prepared:
        """Encode the texts for the student, and align its tokens with the teacher's."""
        kept, _ = self._split(self._kept(texts))
        written = [response.text for response in kept.responses]
        tokens = self._encoded(kept, written)
        if self.projector is None or not self.learns:
            return Prepared(tokens)
        source, target = self.projector.source, self.projector.target
        mine, its = text_of(self._ended(kept.tokens), source.eos), text_of(tokens, target.eos)
        blocks, _ = known_blocks(source, self.tokenizer, mine, its, written, threads=self.threads)
        return Prepared(tokens, blocks)

    def _encoded(self, texts: Texts | Shard, written: Sequence[str]) -> Ragged:
        """The student's tokens of every text, with its end where the teacher's was seen."""
        tokens = self.tokenizer.encode_ragged(written, eos=True, threads=self.threads)
        cut = np.array([not response.finished for response in texts.responses], np.bool_)
        return without_last(tokens, cut) if cut.any() else tokens

    def observe(self, texts: Texts, prepared: Prepared) -> Prepared:
        """Learn how words that the teacher only began go on in the student's tokens.

        Returns:
            ``prepared``, with the offsets in place of the blocks where they are all that the
            projection needs.
        """
        if self.projector is None:
            return prepared
        kept, _ = self._split(self._kept(texts))
        tokens, blocks = prepared.tokens, prepared.blocks
        offsets = self.projector.observe(self._ended(kept.tokens), tokens, blocks=blocks)
        return prepared if offsets is None else Prepared(tokens, offsets=offsets)

    def project(self, shard: Shard, prepared: Prepared) -> tuple[Shard, Counter[str]]:
        """The targets of one shard's responses, and counts of what became of them."""
        whole, tokens = self._kept(shard), prepared.tokens
        kept, thoughts = self._split(whole)
        counts = Counter({"samples": len(whole), "left out": len(shard) - len(whole)})
        if self.projector is None:
            hard = _targets(kept, tokens, one_hot(tokens.ids), 1)
            return hard, counts + Counter(rows=len(tokens.ids))
        projection = self.projection(kept.tokens, kept.distributions, prepared)
        targets = _targets(kept, tokens, projection.distributions, self.top_k)
        stored = 1 - np.exp(targets.distributions.tail)
        counts += row_counts(projection, stored, self.classes[tokens.ids])
        return join_thoughts(targets, thoughts, whole.responses), counts

    def projection(
        self, written: Ragged, rows: SparseDistributions, prepared: Prepared
    ) -> Projection:
        """The teacher's ``rows`` of its tokens ``written`` in the student's vocabulary.

        Raises:
            ValueError: the job has no projector.
        """
        if self.projector is None:
            raise ValueError("rows cannot be projected without a projector")
        rows = spelled(rows, len(self.projector.source))
        if self.ends is not None:
            rows = self.ends.merged(written, rows)
        return self.projector.project(
            self._ended(written),
            rows,
            prepared.tokens,
            blocks=prepared.blocks,
            offsets=prepared.offsets,
        )

    def _split(self, texts: Part) -> tuple[Part, NDArray[np.int64]]:
        """Thoughts that have rows apart from contents, as ``targets/thoughts.py`` says."""
        if self.projector is None:
            return texts, np.zeros(0, np.int64)
        adds_up = self.ends is None or self.ends.adds_up
        return split_thoughts(texts, self.projector.source, adds_up=adds_up)

    def _ended(self, tokens: Ragged) -> Ragged:
        """The teacher's tokens, in which every end is the one of its vocabulary."""
        return tokens if self.ends is None else self.ends.last_tokens(tokens)

    def _kept(self, texts: Part) -> Part:
        if self.keep == "all":
            return texts
        right = [response.correct is True for response in texts.responses]
        return texts.where(np.array(right, np.bool_))


def _targets(responses: Shard, tokens: Ragged, rows: SparseDistributions, k: int) -> Shard:
    """The responses with the student's tokens, and ``k`` entries of each of their ``rows``."""
    return Shard(
        responses.responses,
        tokens,
        own_logprobs(tokens.ids, rows),
        stored_rows(rows, k),
        np.zeros((len(tokens.ids), 0), np.float32),
    )


def spelled(rows: SparseDistributions, size: int) -> SparseDistributions:
    """``rows`` without entries beyond the ``size`` ids of a vocabulary; they join the tail.

    A model may be wider than its tokenizer, and then its rows may name ids that spell nothing.
    """
    return into_tail(rows, rows.ids >= size)
