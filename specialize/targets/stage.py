"""The align stage: a store of teacher responses -> a store of targets in a student's vocabulary.

Every response keeps its key, text and verdict; its rows become one row per token of the student,
the end of sequence included::

    responses   " $" {" $": .9, " a": .1}   "12" {"12": .7, "10": .2, tail .1}
    targets     "▁$12" {"▁$12": .63, "▁$10": .18, ...}   "</s>" {"</s>": 1}

Shard i of the targets comes from shard i of the responses, so that a killed run continues. The
teacher is known by the pieces in its store alone; no model is loaded. A store of texts alone
(k = 0) becomes hard rows: one entry of probability 1 for each token of the student.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from align import Projector, Ragged, SparseDistributions, concatenate, one_hot, ragged
from align.blocks import Blocks
from align.prefix.rule import text_of
from align.project import Policy
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.io.progress import progress
from specialize.store import (
    Sample,
    Store,
    StoreDescription,
    StoreWriter,
    committing,
    sample_from_rows,
)
from specialize.store.reader import read_store_file
from specialize.targets.counts import row_counts, summarize, token_classes
from specialize.targets.text_alignment import known_blocks
from specialize.tokens import Tokenizer, load_tokenizer

Keep = Literal["correct", "all"]


def write_targets(
    responses: Path,
    targets: Path,
    *,
    student: str,
    policy: Policy = "prefix",
    top_k: int = 5,
    keep: Keep = "all",
    threads: int | None = None,
    restart: bool = False,
) -> dict[str, object]:
    """Project every response of ``responses`` into the vocabulary of ``student``.

    Args:
        responses: a finished store of responses.
        targets: the new store's directory; continued if it holds one of the same settings.
        student: directory, tokenizer file or hub id.
        policy: how distributions are carried over, see ``align.project``.
        top_k: entries kept per position; the rest joins the tail.
        threads: how many work on a shard, None for as many as there are cores; no result depends
            on it.
        keep: ``correct`` leaves out responses that are not known to be right.

    Returns:
        Counts: samples, positions, soft and hard rows by kind, mean masses of the soft rows.

    Raises:
        StoreError: the responses are damaged, unfinished or no responses.
        ConfigurationError: the student has no end of sequence, or ``targets`` was begun with
            another student, other responses or other settings; names what differs.
        NothingPassedError: no response is left.
    """
    store, tokenizer = Store.open(responses), load_tokenizer(student)
    _check(store, tokenizer)
    _, shard_samples = read_store_file(responses)
    description = _describe(store, tokenizer, policy, top_k, keep)
    projector = _projector(store, tokenizer, policy, top_k, threads or os.cpu_count() or 1)
    job = _Job(projector, tokenizer, token_classes(tokenizer.vocabulary()), top_k, keep)
    with StoreWriter(targets, description, shard_samples=shard_samples, restart=restart) as writer:
        _write_missing(writer, store, job)
        summary = summarize(writer.counts, description)
        _refuse_nothing(store, summary, keep)
        if not writer.finished:
            writer.finish(tokenizer.vocabulary(), summary)
    return summary


def _refuse_nothing(store: Store, summary: Mapping[str, object], keep: Keep) -> None:
    """A teacher that said nothing has empty targets; one of whom nothing is left is a mistake."""
    if not summary["samples"] and len(store):
        raise NothingPassedError(
            f"none of {len(store):,} responses in {store.path} is left with keep={keep!r}"
        )


def _write_missing(writer: StoreWriter, store: Store, job: _Job) -> None:
    committed = writer.committed
    if not writer.finished:
        job.observe(store)
    with (
        progress(f"align {writer.path.name}", len(store)) as advance,
        committing(writer) as commit,
    ):
        for i, samples in enumerate(store.shards()):
            if i not in committed:
                commit(i, *job.project(samples))
            advance(len(samples))


def _check(store: Store, tokenizer: Tokenizer) -> None:
    if store.description.kind != "responses":
        raise ConfigurationError(f"{store.path} holds {store.description.kind}, not responses")
    if tokenizer.eos is None:
        raise ConfigurationError(
            f"tokenizer {tokenizer.name} has no end of sequence, so a student could not learn to "
            f"stop; name it in tokenizer_config.json as eos_token"
        )


def _describe(
    store: Store, tokenizer: Tokenizer, policy: Policy, top_k: int, keep: Keep
) -> StoreDescription:
    """Teacher, prompt and data of the responses; tokenizer of the student."""
    source = store.description
    return StoreDescription(
        kind="targets",
        teacher=source.teacher,
        revision=source.revision,
        dtype=source.dtype,
        temperature=source.temperature,
        prompt=source.prompt,
        dataset=source.dataset,
        tokenizer=tokenizer.name,
        fingerprint=tokenizer.fingerprint,
        vocabulary_size=tokenizer.size,
        k=top_k if source.k else 1,
        settings={
            "responses": f"sha256:{store.digest}",
            "policy": policy,
            "words": "observed" if policy == "prefix" else None,
            "keep": keep,
            "tail": source.settings.get("tail"),
        },
    )


def _projector(
    store: Store, tokenizer: Tokenizer, policy: Policy, top_k: int, threads: int
) -> Projector | None:
    """None where there are texts alone.

    Where both have one tokenizer its whole vocabulary is used on both sides, which the projector
    recognizes: rows are then carried over as they are.
    """
    if not store.description.k:
        return None
    target = tokenizer.vocabulary()
    same = store.description.fingerprint == tokenizer.fingerprint
    source = target if same else store.align_vocabulary()
    return Projector(
        source,
        target,
        policy=policy,
        encode=tokenizer.encode_batch,
        keep=top_k,
        threads=threads,
    )


def _spelled(rows: SparseDistributions, size: int) -> SparseDistributions:
    """``rows`` without entries beyond the ``size`` ids of a vocabulary; they join the tail.

    A model may be wider than its tokenizer, and then its rows may name ids that spell nothing.
    """
    beyond = rows.ids >= size
    if not beyond.any():
        return rows
    owner = rows.row_of_entry()
    mass = np.exp(rows.tail.astype(np.float64))
    np.add.at(mass, owner[beyond], np.exp(rows.logprobs[beyond].astype(np.float64)))
    counts = np.bincount(owner[~beyond], minlength=len(rows))
    with np.errstate(divide="ignore"):
        tail = np.log(mass).astype(np.float32)
    return SparseDistributions(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        rows.ids[~beyond],
        rows.logprobs[~beyond],
        np.where(np.bincount(owner[beyond], minlength=len(rows)) > 0, tail, rows.tail),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for every shard."""

    projector: Projector | None
    tokenizer: Tokenizer
    classes: NDArray[np.uint8]
    top_k: int
    keep: Keep

    def observe(self, store: Store) -> None:
        """Learn from all responses what words that were only begun became, if the policy asks.

        All of them, also where some targets are there already: a shard's targets must not depend
        on where the stage was interrupted.
        """
        if self.projector is None or self.projector.policy != "prefix":
            return
        with progress("read words", len(store)) as advance:
            for samples in store.shards():
                kept = self._kept(samples)
                source, tokens = ragged([s.token_id for s in kept]), self._tokens(kept)
                blocks = self._blocks(self.projector, kept, source, tokens)
                self.projector.observe(source, tokens, blocks=blocks)
                advance(len(samples))

    def _kept(self, samples: Sequence[Sample]) -> list[Sample]:
        return [s for s in samples if self.keep == "all" or s.response.correct]

    def _tokens(self, samples: Sequence[Sample]) -> Ragged:
        """The student's tokens of the responses."""
        texts = [sample.response.text for sample in samples]
        return ragged(self.tokenizer.encode_batch(texts, eos=True))

    def _blocks(
        self, projector: Projector, samples: Sequence[Sample], source: Ragged, tokens: Ragged
    ) -> Blocks | None:
        """The alignment by the responses' texts, for the policy that can use it."""
        if projector.policy != "prefix":
            return None
        mine, its = text_of(source, projector.source.eos), text_of(tokens, projector.target.eos)
        texts = [sample.response.text for sample in samples]
        return known_blocks(projector.source, self.tokenizer, mine, its, texts)[0]

    def project(self, samples: Sequence[Sample]) -> tuple[list[Sample], Counter[str]]:
        """The targets of one shard's responses, and counts of what became of them."""
        kept = self._kept(samples)
        counts = Counter({"samples": len(kept), "left out": len(samples) - len(kept)})
        if not kept:
            return [], counts
        tokens = self._tokens(kept)
        if self.projector is None:
            return _hard(kept, tokens), counts + Counter(rows=len(tokens.ids))
        source = ragged([sample.token_id for sample in kept])
        projection = self.projector.project(
            source,
            _spelled(concatenate([sample.rows() for sample in kept]), len(self.projector.source)),
            tokens,
            blocks=self._blocks(self.projector, kept, source, tokens),
        )
        bounds = zip(tokens.indptr[:-1].tolist(), tokens.indptr[1:].tolist(), strict=True)
        rows = projection.distributions
        targets = [
            sample_from_rows(sample.response, tokens.ids[start:end], rows[start:end], self.top_k)
            for sample, (start, end) in zip(kept, bounds, strict=True)
        ]
        tails = np.concatenate([target.tail_logprob for target in targets])
        counts += row_counts(projection, 1 - np.exp(tails), self.classes[tokens.ids])
        return targets, counts


def _hard(samples: Sequence[Sample], tokens: Ragged) -> list[Sample]:
    """The texts' own tokens as targets, each the only entry of its row."""
    made = []
    for i, sample in enumerate(samples):
        ids = tokens.sample(i)
        made.append(sample_from_rows(sample.response, ids, one_hot(ids), 1))
    return made
