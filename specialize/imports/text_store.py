"""Texts of a teacher without probabilities -> a store of responses with k = 0 and no positions.

    Response("obqa/train/0", 0, "", "A marsh is wet ...", answer="a marsh", correct=True)

Aligned to a student, every token of such a text becomes a hard row: one entry of probability 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from align.sparse import one_hot
from align.vocabulary import build_vocabulary
from specialize.records import Response
from specialize.store import Sample, StoreDescription, StoreWriter
from specialize.store.sealed import Json

SHARD_SAMPLES = 2048


def write_texts(
    out: Path,
    responses: Sequence[Response],
    *,
    teacher: str,
    asked: str,
    sources: Sequence[Path],
    summary: Mapping[str, Json],
    restart: bool = False,
) -> None:
    """Write ``responses`` as a finished store, which may be empty: a teacher that answered nothing.

    Args:
        asked: what the texts answer, by which the store knows its data.
        sources: the files that were read; their hash is part of the store's settings.
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
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
        for shard, start in enumerate(range(0, len(responses), SHARD_SAMPLES)):
            if shard not in writer.committed:
                part = responses[start : start + SHARD_SAMPLES]
                writer.write(shard, [_sample(response) for response in part])
        if not writer.finished:
            writer.finish(build_vocabulary([]), summary)


def _sample(response: Response) -> Sample:
    ids = np.zeros(0, np.int32)
    return Sample(response, ids, np.zeros(0, np.float32), one_hot(ids))
