"""What a dump will cost, before it starts: rows, tokens, bytes, room on the disk, time.

Given texts are counted exactly. Of sampled ones only the limit is known, so a few are really drawn:
their length and speed are taken for all. Nothing is written.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from specialize.config.recipe import Teacher as TeacherSettings
from specialize.formats import DemonstrationPool
from specialize.records import Example
from specialize.store import StoreDescription
from specialize.teacher.asks import Ask, build_asks
from specialize.teacher.dump import check_context, sampling_of
from specialize.teacher.protocol import ScoredText, Teacher

_PILOT, _SERVED_PILOT = 64, 4  # responses; a served teacher may have to be paid for them


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

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it, temporary files included."""
        return self.bytes <= self.bytes_free

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"fits": self.fits}


def plan(
    teacher: Teacher,
    examples: Sequence[Example],
    out: Path,
    settings: TeacherSettings,
    *,
    pool: DemonstrationPool | None = None,
    seed: int = 0,
    shard_samples: int,
) -> DumpPlan:
    """What ``dump`` with the same arguments will do.

    Raises:
        ConfigurationError: what ``dump`` would refuse.
    """
    asks = build_asks(examples, settings, pool=pool, seed=seed, continues=teacher.continues)
    check_context(teacher, asks)
    entries = asks.entries
    firsts = [ask for ask in entries if ask.sample == 0]
    prompts = teacher.tokenizer.encode_batch([ask.prompt for ask in firsts])
    started = time.monotonic()
    # spread over the list, so that early and late questions count alike
    drawn = _SERVED_PILOT if teacher.description.probe else _PILOT
    pilot = _try(teacher, entries[:: max(1, len(entries) // drawn)][:drawn], settings)
    seconds = time.monotonic() - started
    per_row = sum(map(len, pilot)) / len(pilot)
    text_bytes = sum(len(text.text.encode()) for text in pilot) / len(pilot)
    tokens = round(per_row * len(entries))
    most = len(entries) * settings.max_new_tokens if settings.mode != "score" else tokens
    position = _bytes_per_position(teacher, settings)
    texts = round(text_bytes * len(entries)) + sum(len(ask.prompt.encode()) for ask in firsts)
    return DumpPlan(
        questions=len(firsts),
        rows=len(entries),
        shards=-(-len(entries) // shard_samples),
        prompt_tokens=sum(map(len, prompts)),
        tokens=tokens,
        tokens_at_most=most,
        bytes=tokens * position + texts,
        bytes_at_most=most * (position + 4) + texts,
        bytes_free=_free(out),
        seconds=seconds / len(pilot) * len(entries),
    )


def _try(teacher: Teacher, asks: Sequence[Ask], settings: TeacherSettings) -> list[ScoredText]:
    prompts, sampling = [ask.prompt for ask in asks], sampling_of(settings)
    if settings.mode == "score":
        return teacher.score(prompts, [ask.text or "" for ask in asks], sampling)
    return teacher.sample(prompts, [ask.seed for ask in asks], sampling)


def _bytes_per_position(teacher: Teacher, settings: TeacherSettings) -> int:
    who = teacher.description
    description = StoreDescription(
        kind="responses",
        teacher=who.name,
        tokenizer=who.tokenizer,
        fingerprint=who.fingerprint,
        vocabulary_size=who.vocabulary_size,
        k=settings.draws or min(settings.top_k, who.vocabulary_size),
        tail_temperatures=settings.tail_temperatures,
        layout="ragged" if settings.draws or settings.entry_mass < 1 else "padded",
    )
    return description.bytes_per_position


def _free(out: Path) -> int:
    """Bytes free where ``out`` will be."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
