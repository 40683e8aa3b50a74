"""Replies that other programs kept -> a store of responses, with every drop counted by its reason.

    Kept("row 7", prompt="Q: ...", reply=Reply(tokens, logprobs, entries, ...))   believed: stored
    Kept("row 8", prompt="Q: ...", reply="fewer entries than asked for")          dropped: counted

Each reply is held against the same proof as one of a server: distinct ids of the vocabulary,
finite log-probabilities of mass at most 1, a row for every token.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NoReturn

from specialize.answers import Kind, find_answer, is_correct
from specialize.errors import NothingPassedError
from specialize.records import Example, Response, question_key
from specialize.store import Sample, StoreDescription, StoreWriter, padded_sample
from specialize.store.sealed import Json
from specialize.teacher.protocol import ScoredText
from specialize.teacher.served.proof import Proof
from specialize.teacher.served.wire import BadReplyError, Reply
from specialize.tokens import Tokenizer

SHARD_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class Kept:
    """One record of a dump: whose, and what was replied or why that can not be used."""

    name: str
    prompt: str
    reply: Reply | str


@dataclass(frozen=True, slots=True)
class Import:
    """What a dump is made with; ``examples`` give ids and answers, where there are any."""

    teacher: str
    tokenizer: Tokenizer
    top_k: int
    width: int  # ids of a distribution; at least the tokenizer's
    examples: Sequence[Example] = ()
    kind: Kind = "number"


def write_kept(
    out: Path,
    sources: Sequence[Path],
    read: Callable[[], Iterator[Kept]],
    made: Import,
    *,
    settings: Mapping[str, Json],
    restart: bool = False,
) -> dict[str, object]:
    """Write what ``read`` yields, in its order; continue what was begun.

    Args:
        sources: the files behind it; their hash is part of the store's settings.

    Returns:
        Counts: records, samples, positions, correct, dropped by reason.

    Raises:
        NothingPassedError: no record is left; names the reasons.
    """
    description = _describe(sources, made, settings)
    judge = _Judge(made)
    totals: Counter[str] = Counter(records=0, samples=0, positions=0, correct=0)
    dropped: Counter[str] = Counter()
    with StoreWriter(out, description, shard_samples=SHARD_SAMPLES, restart=restart) as writer:
        for shard, group in enumerate(_groups(read())):
            found = [judge.sample(kept) for kept in group]
            good = [sample for sample in found if isinstance(sample, Sample)]
            lost = Counter(reason for reason in found if isinstance(reason, str))
            if shard not in writer.committed:
                writer.write(shard, good, counts=lost)
            right = sum(sample.response.correct is True for sample in good)
            totals.update(records=len(group), samples=len(good), correct=right)
            totals["positions"] += sum(map(len, good))
            dropped += lost
        if not totals["samples"]:
            _refuse(sources[0], dropped)
        summary: dict[str, object] = {
            **totals,
            "dropped": dict(sorted(dropped.items())),
            "bytes_per_position": description.bytes_per_position,
        }
        if not writer.finished:
            writer.finish(made.tokenizer.vocabulary(), summary)
    return summary


def _refuse(source: Path, dropped: Counter[str]) -> NoReturn:
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    raise NothingPassedError(f"no record of {source} can be used: {reasons or 'none'}")


def _groups(records: Iterator[Kept]) -> Iterator[list[Kept]]:
    while group := list(islice(records, SHARD_SAMPLES)):
        yield group


def _describe(
    sources: Sequence[Path], made: Import, settings: Mapping[str, Json]
) -> StoreDescription:
    digest = hashlib.sha256()
    for source in sources:
        with source.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    asked = repr([(e.id, e.question, e.answer) for e in made.examples])
    return StoreDescription(
        kind="responses",
        teacher=made.teacher,
        tokenizer=made.tokenizer.name,
        fingerprint=made.tokenizer.fingerprint,
        vocabulary_size=made.width,
        k=min(made.top_k, made.width),
        dataset=f"sha256:{hashlib.sha256(asked.encode()).hexdigest()}",
        settings={
            "mode": "import", "source": f"sha256:{digest.hexdigest()}", "tail": "complement",
            **settings,
        },
    )  # fmt: skip


class _Judge:
    """Makes samples of records; keys are examples' ids and how often each came before."""

    def __init__(self, made: Import) -> None:
        self._made = made
        self._proof = Proof(made.tokenizer, made.top_k, made.width)
        self._by_id = {example.id: example for example in made.examples}
        self._by_question = {question_key(e.question): e for e in made.examples}
        self._seen: Counter[str] = Counter()

    def sample(self, kept: Kept) -> Sample | str:
        """The sample of a record, or why there is none."""
        if isinstance(kept.reply, str):
            return kept.reply
        try:
            scored = self._proof.believe(kept.reply)
        except BadReplyError as error:
            return str(error)
        example = self._example(kept)
        if self._made.examples and example is None:
            return "no example has this id or question"
        name = example.id if example is not None else kept.name
        self._seen[name] += 1
        return _sample(name, self._seen[name] - 1, kept.prompt, scored, example, self._made.kind)

    def _example(self, kept: Kept) -> Example | None:
        if kept.name in self._by_id:
            return self._by_id[kept.name]
        asked = question_key(kept.prompt)
        if asked in self._by_question:
            return self._by_question[asked]
        inside = [e for question, e in self._by_question.items() if question in asked]
        return inside[0] if len(inside) == 1 else None


def _sample(
    name: str, number: int, prompt: str, scored: ScoredText, example: Example | None, kind: Kind
) -> Sample:
    correct = None
    if example is not None:
        correct = is_correct(scored.text, example.answer, kind=kind, choices=example.choices)
    response = Response(
        example_id=name,
        sample=number,
        prompt=prompt,
        text=scored.text,
        answer=find_answer(scored.text, kind=kind),
        correct=correct,
    )
    return padded_sample(
        response,
        scored.token_ids,
        scored.token_logprobs,
        scored.topk_ids,
        scored.topk_logprobs,
        scored.tail_logprobs,
    )
