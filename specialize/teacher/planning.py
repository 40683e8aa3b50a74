"""What a dump will cost, before it starts: rows, tokens, bytes, room on the disk, time.

Given texts are counted exactly. Of sampled ones only the limit is given, so a few are really drawn:
their length and speed are taken for all. Nothing is written.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from specialize.answers import Kind
from specialize.config.recipe import Teacher as TeacherSettings
from specialize.formats import DemonstrationPool
from specialize.records import Example
from specialize.store import StoreDescription
from specialize.store.sealed import Json
from specialize.teacher.asks import Ask, Asks, Texts, build_asks
from specialize.teacher.dump import PILOT, ask_teacher, cut_of, sampling_of, spread
from specialize.teacher.fitting import fitting
from specialize.teacher.likelihood import TOP_K, advised_top_k, masses, measure, nats_per_token
from specialize.teacher.protocol import ScoredText, Teacher

_SERVED_PILOT = 4  # responses; a served teacher may have to be paid for them


@dataclass(frozen=True, slots=True)
class DumpPlan:
    """Estimates; ``tokens_at_most`` and ``bytes_at_most`` are bounds."""

    questions: int
    rows: int  # responses
    shards: int
    prompt_tokens: int  # of all prompts that are read
    tokens: int  # of all texts
    tokens_at_most: int
    bytes: int
    bytes_at_most: int
    bytes_free: int
    seconds: float
    too_long: int  # examples that do not fit into the context
    pilot: Mapping[str, int]  # the sums of ``likelihood``
    advised_bytes_per_position: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it, temporary files included."""
        return self.bytes <= self.bytes_free

    def as_json(self) -> dict[str, Json]:
        values: dict[str, Json] = {**asdict(self), "fits": self.fits}
        del values["pilot"]
        return {
            **values,
            "nats_per_token": nats_per_token(self.pilot),
            **masses(self.pilot),
            "advised_top_k": advised_top_k(self.pilot),
        }


def plan(
    teacher: Teacher,
    examples: Sequence[Example],
    out: Path,
    settings: TeacherSettings,
    *,
    pool: DemonstrationPool | None = None,
    kind: Kind = "number",
    seed: int = 0,
    shard_samples: int,
    texts: Texts | None = None,
) -> DumpPlan:
    """What ``dump`` with the same arguments will do.

    Raises:
        ConfigurationError: what ``dump`` would refuse.
    """
    asks = build_asks(
        examples, settings, pool=pool, seed=seed, continues=teacher.continues, texts=texts
    )
    asks = fitting(teacher, asks, settings.too_long)
    entries, firsts = asks.entries, asks.firsts
    prompts = teacher.prompt_tokens([ask.prompt for ask in firsts])
    pilot, sums, seconds = _try(teacher, entries, settings, kind)
    per_row = sum(map(len, pilot)) / len(pilot)
    tokens = round(per_row * len(entries))
    most = len(entries) * settings.max_new_tokens if settings.mode != "score" else tokens
    stored = settings.num_samples or settings.top_logprobs
    position = _bytes_per_position(teacher, settings, stored)
    written = _text_bytes(pilot, asks)
    return DumpPlan(
        questions=len({ask.example.id for ask in firsts}),
        rows=len(entries),
        shards=-(-len(entries) // shard_samples),
        prompt_tokens=sum(map(len, prompts)),
        tokens=tokens,
        tokens_at_most=most,
        bytes=tokens * position + written,
        bytes_at_most=most * (position + 4) + written,
        bytes_free=_free(out),
        seconds=seconds / len(pilot) * len(entries),
        too_long=len(asks.too_long),
        pilot=sums,
        advised_bytes_per_position=_bytes_per_position(teacher, settings, advised_top_k(sums)),
    )


def _text_bytes(pilot: Sequence[ScoredText], asks: Asks) -> int:
    """Of all prompts, and of texts as long as those of the pilot."""
    each = sum(len(text.text.encode()) for text in pilot) / len(pilot)
    prompts = sum(len(str(ask.prompt).encode()) for ask in asks.firsts)
    return round(each * len(asks.entries)) + prompts


def _try(
    teacher: Teacher, asks: Sequence[Ask], settings: TeacherSettings, kind: Kind
) -> tuple[list[ScoredText], Counter[str], float]:
    """A few texts, the sums of their ``likelihood`` with many entries, and the seconds taken."""
    top_k, served = settings.top_logprobs, bool(teacher.description.probe)
    if not served and settings.num_samples is None:
        top_k = min(max(*TOP_K, top_k), teacher.description.vocabulary_size)
    some = spread(asks, _SERVED_PILOT if served else PILOT)
    cut = cut_of(settings, kind)
    sampling = replace(sampling_of(settings, cut), top_k=top_k, entry_mass=1.0)
    started = time.monotonic()
    texts = ask_teacher(teacher, some, settings, sampling)
    return texts, measure(texts, sampling.slots), time.monotonic() - started


def _bytes_per_position(teacher: Teacher, settings: TeacherSettings, k: int) -> int:
    who = teacher.description
    description = StoreDescription(
        kind="responses",
        teacher=who.name,
        tokenizer=who.tokenizer,
        fingerprint=who.fingerprint,
        vocabulary_size=who.vocabulary_size,
        k=min(k, who.vocabulary_size) if settings.num_samples is None else k,
        tail_temperatures=settings.tail_temperatures,
        layout="ragged" if settings.num_samples or settings.top_p_mass < 1 else "padded",
    )
    return description.bytes_per_position


def _free(out: Path) -> int:
    """Bytes free where ``out`` will be."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
