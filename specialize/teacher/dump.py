"""The dump stage: a teacher answers every question, or scores given answers, into a store.

    summary = dump(load_teacher("gpt2-medium"), examples, Path("run/responses/gpt2"),
                   recipe.Teacher(samples=4, temperature=0.7), seed=0)

Shard i holds the samples [i S, (i + 1) S) of the static list of ``asking``; the seed of a sample
and the batches of a shard follow from that list alone. So a dump that was killed goes on with the
shards that are missing, and its store is byte for byte that of a dump that was not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from align.vocabulary import SPECIAL, Vocabulary
from specialize.answers import Kind
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.formats import DemonstrationPool, by_name, is_chat
from specialize.io.part import WHOLE, Part
from specialize.io.progress import progress
from specialize.records import ChatPrompt, Example, Response
from specialize.store import (
    Sample,
    Store,
    StoreDescription,
    StoreWriter,
    committing,
    place_of,
)
from specialize.store.sealed import Json
from specialize.teacher.asks import SHARD_SAMPLES, Ask, Asks, Texts, build_asks
from specialize.teacher.cutting import Cut, cut_at_answer
from specialize.teacher.fitting import fitting
from specialize.teacher.judging import judge
from specialize.teacher.likelihood import TOP_K, measure
from specialize.teacher.protocol import Sampling, ScoredText, Teacher
from specialize.teacher.quarantine import PREFIX, Quarantine
from specialize.teacher.rationale import judge_rationale
from specialize.teacher.statistics import Tally
from specialize.teacher.summary import DumpSummary
from specialize.teacher.thinking import marks_of, opens_thinking, without_thinking

PILOT = 64  # texts that are tried to learn their length and likelihood


def dump(
    teacher: Teacher,
    examples: Sequence[Example],
    out: str | Path,
    settings: TeacherSettings,
    *,
    pool: DemonstrationPool | None = None,
    kind: Kind = "number",
    seed: int = 0,
    shard_samples: int = SHARD_SAMPLES,
    restart: bool = False,
    part: Part | None = None,
    texts: Texts | None = None,
) -> DumpSummary:
    """Let ``teacher`` answer or score every example; continue what an earlier call began.

    Args:
        teacher: what answers; ``load_teacher`` makes one of a local model.
        examples, out: the questions, of one set, and the store's directory.
        settings: mode, format, samples, temperature and limits.
        pool: where demonstrations come from; None: the examples themselves.
        kind: how answers of this set are compared.
        seed: of the samples and of the demonstrations.
        shard_samples, restart: samples that are committed at once; to remove what is there.
        part: write these shards alone, below ``out``; see ``merging.merge_dump``. None: the whole.
        texts: to score, by the example's id; None: the examples' own solutions.

    Returns:
        What the store, or the part of it, holds, and what was counted on the way.

    Raises:
        ConfigurationError: nothing to ask, a prompt that the teacher cannot read, or a store
            that was begun with other settings; names the keys that differ.
        LockedError, DiskFullError: another writer, no room; what was committed is intact.
    """
    asked = build_asks(
        examples, settings, pool=pool, seed=seed, continues=teacher.continues, texts=texts
    )
    asks = fitting(teacher, asked, settings.too_long)
    job = _Job(teacher, settings, kind, seed, shard_samples)
    place = place_of(Path(out), part, restart=restart)
    about = job.describe(asks)
    with StoreWriter(place, about, shard_samples=shard_samples, restart=restart) as writer:
        return _write(writer, job, asks, part)


def _write(writer: StoreWriter, job: _Job, asks: Asks, part: Part | None) -> DumpSummary:
    """Write the shards that are missing, and close the store, or what is a part of one."""
    started = time.monotonic()
    planned = (part or WHOLE).of(-(-len(asks.entries) // job.shard_samples))
    committed = [ask for i in sorted(writer.committed) for ask in job.shard(asks, i)]
    missing = [i for i in planned if i not in writer.committed]
    tally = Tally(job.kind)
    for responses in _committed_responses(writer):
        tally.add(responses)
    vocabulary = job.vocabulary()
    if part is None and not writer.finished:
        writer.publish(vocabulary)
    with (
        progress(
            f"dump {writer.path.name}",
            sum(len(job.shard(asks, i)) for i in planned),
            done=len(committed),
        ) as advance,
        committing(writer) as commit,
    ):
        quarantine = Quarantine(writer.path, committed)
        for i in missing:
            shard = job.shard(asks, i)
            samples, counts, rejected = job.answer(shard)
            quarantine.add(rejected)
            quarantine.check((planned.index(i) + 1) * writer.shard_samples)
            commit(i, samples, counts)
            tally.add(sample.response for sample in samples)
            advance(len(shard))
    summary = DumpSummary(
        mode=job.settings.mode,
        statistics=tally.statistics(),
        counts=writer.counts,
        pilot=job.pilot(asks) if (part or WHOLE).index == 0 else Counter(),
        positions=writer.positions,
        bytes_per_position=writer.description.bytes_per_position,
        left_out=len(asks.left_out),
        too_long=len(asks.too_long),
        seconds=time.monotonic() - started,
        resumed=len(committed),
    )
    if not writer.finished:
        closing = summary.as_json() if part is None else summary.of_part(part.name)
        writer.finish(vocabulary, closing)
    return summary


def _committed_responses(writer: StoreWriter) -> Iterator[Sequence[Response]]:
    """What an earlier call wrote, shard by shard; nothing is read where it wrote nothing."""
    if writer.committed:
        store = Store.open(writer.path, allow_partial=True)
        yield from (texts.responses for texts in store.texts())


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for every shard."""

    teacher: Teacher
    settings: TeacherSettings
    kind: Kind
    seed: int
    shard_samples: int

    def shard(self, asks: Asks, number: int) -> tuple[Ask, ...]:
        """What the shard of this number holds."""
        start = number * self.shard_samples
        return asks.entries[start : start + self.shard_samples]

    def vocabulary(self) -> Vocabulary:
        """The teacher's pieces, as many as its rows may name."""
        width = self.teacher.description.vocabulary_size
        return padded_vocabulary(self.teacher.tokenizer.vocabulary(), width)

    def describe(self, asks: Asks) -> StoreDescription:
        """Everything that decides the store's bytes."""
        settings, who = self.settings, self.teacher.description
        sampled = settings.mode != "score"
        return StoreDescription(
            kind="responses",
            teacher=who.name,
            revision=who.revision,
            dtype=who.dtype,
            tokenizer=who.tokenizer,
            fingerprint=who.fingerprint,
            vocabulary_size=who.vocabulary_size,
            k=settings.num_samples or min(settings.top_logprobs, who.vocabulary_size),
            temperature=settings.temperature if sampled else None,
            prompt=f"{settings.format} sha256:{asks.prompt_digest}",
            dataset=f"sha256:{asks.dataset_digest}",
            settings={
                "mode": settings.mode,
                "cut": settings.cut if sampled else None,
                **_several_ends(self.teacher),
                **_chat(self.teacher, settings),
                "samples": settings.samples,
                "max_new_tokens": settings.max_new_tokens if sampled else None,
                "seed": self.seed if sampled else None,
                "answers": self.kind,
                "tail": who.tail,
                "arithmetic": who.arithmetic,
                **({"probe": dict(who.probe)} if who.probe else {}),
                **({"top_p": settings.top_p} if sampled and settings.top_p < 1 else {}),
                **({"stop": list(settings.until)} if settings.until else {}),
                **_entries(settings),
            },
            tail_temperatures=settings.tail_temperatures,
            layout="ragged" if settings.num_samples or settings.top_p_mass < 1 else "padded",
        )

    def answer(self, shard: Sequence[Ask]) -> Answered:
        """The samples of one shard, and what of them is no correct solution."""
        settings, tokenizer = self.settings, self.teacher.tokenizer
        cut = cut_of(settings, self.kind)
        sampling = sampling_of(settings, cut)
        scored = ask_teacher(self.teacher, shard, settings, sampling)
        announces = is_announced(settings.format)
        answered, prompt_stored = Answered([], Counter(), []), True
        if settings.mode == "score":
            answered.counts.update(measure(scored, sampling.slots))
        for ask, written in zip(shard, scored, strict=True):
            prompt_stored = prompt_stored and ask.sample > 0
            if written.fault:
                answered.counts[PREFIX + written.fault] += 1
                answered.rejected.append((ask, written.fault))
                continue
            text = self._said(ask, written)
            if settings.mode == "rationale":
                sample, reason = judge_rationale(
                    ask, text, tokenizer, kind=self.kind, forced=settings.forced,
                    with_prompt=not prompt_stored,
                )  # fmt: skip
            else:
                kept = text
                if cut is not None and settings.mode == "sample":
                    kept = cut_at_answer(text, cut, tokenizer, choices=ask.example.choices)
                sample, reason = judge(
                    ask, kept, text.text, kind=self.kind, announces=announces,
                    with_prompt=not prompt_stored,
                )  # fmt: skip
            prompt_stored = True
            if settings.chat.thinking == "train":
                sample = text.after_thought(sample)
            answered.samples.append(sample)
            if reason is not None:
                answered.counts[reason] += 1
        return answered

    def _said(self, ask: Ask, text: ScoredText) -> ScoredText:
        """``text`` without what was thought before it, where it was written in a chat."""
        given = self.settings.mode == "score"
        whole = given and self.settings.chat.thinking == "drop"
        if whole or not isinstance(ask.prompt, ChatPrompt):
            return text
        tokenizer, writes = self.teacher.tokenizer, self.teacher.continues and not given
        opened = writes and opens_thinking(ask.prompt, tokenizer)
        if text.thinking:
            return text
        marks = marks_of(ask.prompt, tokenizer)
        return without_thinking(text, tokenizer, opened=opened, marks=marks)

    def pilot(self, asks: Asks) -> Counter[str]:
        """Sums over a few given texts with more entries than are stored; none of a served teacher,
        which would have to be paid for them."""
        if self.settings.mode != "score" or self.teacher.description.probe:
            return Counter()
        return pilot(self.teacher, asks.entries, self.settings)


def pilot(teacher: Teacher, asks: Sequence[Ask], settings: TeacherSettings) -> Counter[str]:
    """Score or draw a few texts, spread over the list, with as many entries as may be advised."""
    some = spread(asks, PILOT)
    top_k = min(max(TOP_K), teacher.description.vocabulary_size)
    sampling = replace(sampling_of(settings, None), top_k=top_k, entry_mass=1.0, draws=None)
    return measure(ask_teacher(teacher, some, settings, sampling), top_k)


def spread(asks: Sequence[Ask], count: int) -> Sequence[Ask]:
    """At most ``count`` of the list, early and late ones alike."""
    return asks[:: max(1, len(asks) // count)][:count]


def ask_teacher(
    teacher: Teacher, asks: Sequence[Ask], settings: TeacherSettings, sampling: Sampling
) -> list[ScoredText]:
    """The texts of ``asks``, written or given, with their rows; nothing is cut or judged."""
    prompts = [ask.prompt for ask in asks]
    if settings.mode == "score":
        scored = teacher.score(prompts, [ask.text or "" for ask in asks], sampling)
        ends = teacher.tokenizer.ends
        return [
            _without_end(text, ends) if ask.cut else text
            for ask, text in zip(asks, scored, strict=True)
        ]
    return teacher.sample(prompts, [ask.seed for ask in asks], sampling)


def _without_end(scored: ScoredText, ends: Sequence[int]) -> ScoredText:
    """A given text that a limit cut: the row of an end that was never written goes."""
    has_end = len(scored) > 0 and scored.token_id[-1] in ends
    kept = scored.first(len(scored) - 1, scored.text) if has_end else scored
    return replace(kept, finish="length")


class Answered(NamedTuple):
    """A shard's samples, how many are no correct solution by reason, and which are not stored.

    Of given texts ``counts`` has the sums of ``likelihood`` too.
    """

    samples: list[Sample]
    counts: Counter[str]
    rejected: list[tuple[Ask, str]]


def _chat(teacher: Teacher, settings: TeacherSettings) -> dict[str, Json]:
    """What makes the turns of a chat into what the teacher reads."""
    if not is_chat(settings.format):
        return {}
    template, control = teacher.tokenizer.chat, teacher.tokenizer.named_control()
    return {
        "chat": {
            "template": template.digest if template and teacher.continues else "the server's",
            "arguments": dict(settings.chat.arguments),
            **({"control": [*control]} if control else {}),
            **({} if settings.chat.thinking == "drop" else {"thinking": settings.chat.thinking}),
        }
    }


def _several_ends(teacher: Teacher) -> dict[str, Json]:
    """The ids that end a text, where there is more than the one of the vocabulary."""
    ends = teacher.tokenizer.ends
    return {"ends": [*ends]} if len(ends) > 1 else {}


def _entries(settings: TeacherSettings) -> dict[str, Json]:
    """What differs from the plain ``top_k`` entries, and whether foreign code was run."""
    entries: dict[str, Json] = {}
    if settings.num_samples is not None:
        entries["entries"] = f"{settings.num_samples} draws"
    elif settings.top_p_mass < 1:
        entries["entries"] = f"mass {settings.top_p_mass:g}"
    return entries | ({"trust_remote_code": True} if settings.trust_remote_code else {})


def cut_of(settings: TeacherSettings, kind: Kind) -> Cut | None:
    """Where texts are over by what they say; None where they are whole as they come.

    In a chat the teacher ends its own turn.
    """
    if (
        is_chat(settings.format)
        or settings.cut == "none"
        or settings.forced
        or not is_announced(settings.format)
    ):
        return None
    return Cut(settings.cut, kind)


def sampling_of(settings: TeacherSettings, cut: Cut | None) -> Sampling:
    """How the teacher is asked to write."""
    return Sampling(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_logprobs,
        stop=settings.until,
        until=cut.end if cut is not None else None,
        entry_mass=settings.top_p_mass,
        draws=settings.num_samples,
        tail_temperatures=settings.tail_temperatures,
    )


def is_announced(format_name: str) -> bool:
    """Whether solutions in this format have a line "The answer is ..."."""
    return by_name(format_name).announces


def padded_vocabulary(vocabulary: Vocabulary, size: int) -> Vocabulary:
    """``vocabulary`` with special ids added, for models that are wider than their tokenizer."""
    more = size - len(vocabulary)
    if more <= 0:
        return vocabulary
    return Vocabulary(
        np.concatenate([vocabulary.indptr, np.full(more, vocabulary.indptr[-1])]),
        vocabulary.data,
        np.concatenate([vocabulary.flags, np.full(more, SPECIAL, np.uint8)]),
        eos=vocabulary.eos,
        folds=vocabulary.folds,
    )
