"""Texts of a teacher without probabilities -> a store of responses with k = 0 and no positions.

    TeacherText(example, rationale="A marsh is wet ...", answer="a marsh", correct=True)

Aligned to a student, every token of such a text becomes a hard row: one entry of probability 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.vocabulary import build_vocabulary
from specialize.records import Example, Response
from specialize.store import Sample, StoreDescription, StoreWriter, padded_sample

SHARD_SAMPLES = 2048


@dataclass(frozen=True, slots=True)
class TeacherText:
    """One rationale with the label that the teacher gave; ``answer`` None: none could be read."""

    example: Example
    rationale: str
    answer: str | None
    correct: bool


def write_texts(
    out: Path,
    texts: Sequence[TeacherText],
    *,
    teacher: str,
    sources: Sequence[Path],
    summary: Mapping[str, object],
    restart: bool = False,
) -> None:
    """Write ``texts`` as a finished store, which may be empty: a teacher that said nothing.

    Args:
        sources: the files that were read; their hash is part of the store's settings.
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    asked = repr([(t.example.id, t.example.text, t.example.answer) for t in texts])
    description = StoreDescription(
        kind="responses",
        teacher=teacher,
        tokenizer="none",
        fingerprint="texts",
        vocabulary_size=0,
        k=0,
        dataset=f"sha256:{hashlib.sha256(asked.encode()).hexdigest()}",
        settings={"mode": "import", "source": f"sha256:{digest.hexdigest()}"},
    )
    with StoreWriter(out, description, shard_samples=SHARD_SAMPLES, restart=restart) as writer:
        for shard, start in enumerate(range(0, len(texts), SHARD_SAMPLES)):
            if shard not in writer.committed:
                part = texts[start : start + SHARD_SAMPLES]
                writer.write(shard, [_sample(text) for text in part])
        if not writer.finished:
            writer.finish(build_vocabulary([]), dict(summary))


def _sample(text: TeacherText) -> Sample:
    response = Response(
        text.example.id, 0, "", text.rationale, answer=text.answer, correct=text.correct
    )
    none, entries = np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
    ids = np.zeros(0, np.int64)
    return padded_sample(response, ids, none, entries.astype(np.int64), entries, none)
