"""Replies that other programs kept -> a store of responses, with every drop counted by its reason.

    Kept("row 7", prompt="Q: ...", reply=Reply(tokens, logprobs, entries, ...))   believed: stored
    Kept("row 8", prompt="Q: ...", reply="fewer entries than asked for")          dropped: counted

Each reply is held against the same proof as one of a server: distinct ids of the vocabulary,
finite log-probabilities of mass at most 1, a row for every token. Then its rows must be those of
its tokens (``placement``), and so must the file's. A reply that a limit cut is stored as not
finished and not correct.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, NoReturn

from specialize.answers import Kind, find_answer, is_correct
from specialize.errors import InputError, NothingPassedError
from specialize.imports.finish import CUT
from specialize.imports.matching import Examples
from specialize.imports.placement import Placement, fault_of, names_shift, weigh
from specialize.imports.source_files import SourceFile
from specialize.records import Example, Response
from specialize.store import Sample, StoreDescription, StoreWriter
from specialize.store.sealed import Json
from specialize.teacher.protocol import ScoredText
from specialize.teacher.served.proof import Proof
from specialize.teacher.served.wire import BadReplyError, Reply
from specialize.tokens import Tokenizer

SHARD_SAMPLES = 512
_RECORDS, _CORRECT = "records", "correct"  # among the counts of a shard, beside the reasons


@dataclass(frozen=True, slots=True)
class Kept:
    """One record of a dump: whose, and what was replied or why that cannot be used.

    A ``ScoredText`` has passed its proof. ``shown`` is the text that the dump has beside the
    tokens; None where it has none.
    """

    name: str
    prompt: str
    reply: Reply | ScoredText | str
    shown: str | None = None


Shards = Iterator[tuple[int, list[Kept]]]  # numbers of shards with their records


@dataclass(frozen=True, slots=True)
class Import:
    """What a dump is made with; ``examples`` give ids and answers, where there are any."""

    teacher: str
    tokenizer: Tokenizer
    top_k: int
    width: int  # ids of a distribution; at least the tokenizer's
    examples: Sequence[Example] = ()
    kind: Kind = "number"
    temperature: float | None = None  # at which the texts were sampled; None: not known


def write_kept(
    out: Path,
    sources: Sequence[SourceFile],
    read: Callable[[frozenset[int]], Shards],
    made: Import,
    *,
    settings: Mapping[str, Json],
    restart: bool = False,
    shard_samples: int = SHARD_SAMPLES,
) -> dict[str, Json]:
    """Write what ``read`` yields, in its order; continue what was begun.

    Args:
        sources: the files it was read from; their hash is part of the store's settings.
        read: yields shards with their numbers, and may leave out those that it is given: they are
            written. What was read of them then is no evidence against the rest of the file now.

    Returns:
        Counts: records, samples, positions, correct, cut by length, dropped by reason.

    Raises:
        InputError: the rows of the file are not those of its tokens; says which shift would fit.
        NothingPassedError: no record is left; names the reasons.
    """
    description = _describe(sources, made, settings)
    judge = _Judge(made)
    # a second answer to an example is named by counting, for which all must be seen
    by_name = not made.examples and len({file.stem for file in sources}) == len(sources)
    with StoreWriter(out, description, shard_samples=shard_samples, restart=restart) as writer:
        for shard, group in read(writer.committed if by_name else frozenset()):
            found = [judge.judge(kept) for kept in group]
            if judge.placement.fault is not None:
                fault = _commonest([v.reason for v in found], judge.placement.fault)
                raise InputError(f"{sources[0]}: {fault}; none of its records is believed")
            if shard not in writer.committed:
                good = [verdict.sample for verdict in found if verdict.sample is not None]
                writer.write(shard, good, counts=_counts(found))
        summary = _summary(writer.counts, writer.positions)
        if not summary["samples"]:
            _refuse(sources[0], writer.counts)
        summary |= {"bytes_per_position": description.bytes_per_position}
        if not writer.finished:
            writer.finish(made.tokenizer.vocabulary(), summary)
    return summary


def _commonest(reasons: Sequence[str], fault: str) -> str:
    """The shift that most records name, where they do; else ``fault``."""
    (most, count), *_ = Counter(reasons).most_common(1)
    return most if names_shift(most) and 2 * count > len(reasons) else fault


class Verdict(NamedTuple):
    """The sample of a record, or why there is none; a reason beside a sample is no drop."""

    sample: Sample | None
    reason: str = ""


def _counts(verdicts: Sequence[Verdict]) -> Counter[str]:
    """What became of the records of one shard: how many, and how often for each reason."""
    found = Counter(verdict.reason for verdict in verdicts if verdict.reason)
    samples = [verdict.sample for verdict in verdicts if verdict.sample is not None]
    found[_RECORDS] = len(verdicts)
    found[_CORRECT] = sum(sample.response.correct is True for sample in samples)
    return +found


def _summary(counts: Mapping[str, int], positions: int) -> dict[str, Json]:
    dropped = _dropped(counts)
    return {
        "records": counts.get(_RECORDS, 0),
        "samples": counts.get(_RECORDS, 0) - sum(dropped.values()),
        "positions": positions,
        "correct": counts.get(_CORRECT, 0),
        "cut_by_length": counts.get(CUT, 0),
        "dropped": {**dropped},
    }


def _dropped(counts: Mapping[str, int]) -> dict[str, int]:
    kept = (_RECORDS, _CORRECT, CUT)
    return {reason: count for reason, count in sorted(counts.items()) if reason not in kept}


def _refuse(source: SourceFile, counts: Mapping[str, int]) -> NoReturn:
    reasons = ", ".join(f"{count} {reason}" for reason, count in _dropped(counts).items())
    raise NothingPassedError(f"no record of {source} can be used: {reasons or 'none'}")


def in_groups(records: Iterable[Kept], size: int) -> Shards:
    """Shards of ``size`` records each, in their order."""
    waiting = iter(records)
    for number in count():
        group = list(islice(waiting, size))
        if not group:
            return
        yield number, group


def _describe(
    sources: Sequence[SourceFile], made: Import, settings: Mapping[str, Json]
) -> StoreDescription:
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, Path):
            with source.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            digest.update(f"{source.name} {source.mark}\n".encode())
    asked = Examples(made.examples).digest()
    return StoreDescription(
        kind="responses",
        teacher=made.teacher,
        tokenizer=made.tokenizer.name,
        fingerprint=made.tokenizer.fingerprint,
        vocabulary_size=made.width,
        k=min(made.top_k, made.width),
        temperature=made.temperature,
        dataset=f"sha256:{hashlib.sha256(asked.encode()).hexdigest()}",
        settings={
            "mode": "import", "source": f"sha256:{digest.hexdigest()}", "tail": "complement",
            **settings,
        },
    )  # fmt: skip


class _Judge:
    """Makes samples of records; keys are examples' ids and how often each came before."""

    def __init__(self, made: Import) -> None:
        self.placement = Placement()
        self._made = made
        self._proof = Proof(made.tokenizer, made.top_k, made.width)
        self._examples = Examples(made.examples)
        self._seen: Counter[str] = Counter()

    def judge(self, kept: Kept) -> Verdict:
        """The sample of a record, or why there is none."""
        if isinstance(kept.reply, str):
            return Verdict(None, kept.reply)
        try:
            reply = kept.reply
            scored = reply if isinstance(reply, ScoredText) else self._proof.believe(reply)
        except BadReplyError as error:
            return Verdict(None, str(error))
        fault = self._misplaced(scored) or _other_text(kept.shown, scored, self._made.tokenizer)
        if fault is not None:
            return Verdict(None, fault)
        example = self._examples.find(kept.name, kept.prompt)
        if self._made.examples and example is None:
            return Verdict(None, "no example has this id or question")
        name = example.id if example is not None else kept.name
        self._seen[name] += 1
        sample = _sample(name, self._seen[name] - 1, kept.prompt, scored, example, self._made.kind)
        return Verdict(sample, CUT if scored.finish == "length" else "")

    def _misplaced(self, scored: ScoredText) -> str | None:
        """Why the rows are not those of the tokens; None where they are."""
        ids, logprobs, _ = scored.distributions.padded(self._proof.k)
        evidence = weigh(scored.token_id, ids, logprobs, hot=(self._made.temperature or 1) > 1)
        self.placement.add(evidence)
        return fault_of(evidence, scored.token_id, ids, logprobs)


def _other_text(shown: str | None, scored: ScoredText, tokenizer: Tokenizer) -> str | None:
    """Why ``shown`` is not the text of the tokens; None where it is, or they go on with a stop."""
    if shown is None:
        return None
    for name in tokenizer.special_tokens():
        shown = shown.replace(name, "")
    stated, spelled = ("".join(t.replace("\ufffd", "").split()) for t in (shown, scored.text))
    if spelled.startswith(stated):
        return None
    if stated.startswith(spelled):
        return "the text goes on after its tokens"
    return "the text is not what the tokens spell"


def _sample(
    name: str, number: int, prompt: str, scored: ScoredText, example: Example | None, kind: Kind
) -> Sample:
    correct = None
    if example is not None:
        right = is_correct(scored.text, example.answer, kind=kind, choices=example.choices)
        correct = right and scored.finish != "length"
    response = Response(
        example_id=name,
        sample=number,
        prompt=prompt,
        text=scored.text,
        answer=find_answer(scored.text, kind=kind),
        correct=correct,
        finished=scored.finish in ("eos", "stop"),
    )
    return scored.sample(response)
