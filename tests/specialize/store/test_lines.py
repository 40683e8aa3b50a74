"""Responses as the lines of their file: written as they are, decoded once they are looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specialize.store import Store, StoreWriter, shard_of, thinking_tokens
from specialize.store.lines import keys_of, lines_of
from specialize.store.shard_file import ShardFile
from tests.support.store_samples import PIECES, description, sample


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One shard of three samples, the second of which thought."""
    samples = [sample(number, positions=2) for number in range(3)]
    thought = replace(samples[1].response, thinking="hm", thinking_tokens=1)
    samples[1] = replace(samples[1], response=thought)
    with StoreWriter(tmp_path / "s", description(), shard_samples=3) as writer:
        writer.write(0, shard_of(samples))
        writer.finish({token: b"%d" % token for token in PIECES}, {})
    return Store.open(tmp_path / "s")


def test_a_shard_is_written_again_without_being_decoded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShardFile, "responses", None)
    with StoreWriter(tmp_path / "again", store.description, shard_samples=3) as writer:
        writer.write(0, store.shard(0))
        writer.finish(store.align_vocabulary(), {})
    for path in store.path.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(store.path)).read_bytes() == (
                path.read_bytes()
            )


def test_lines_say_what_the_decoded_responses_say(store: Store) -> None:
    lines = store.shard(0).responses
    decoded = list(lines)
    assert decoded == store.shard_texts(0).responses
    assert keys_of(lines) == keys_of(decoded)
    assert thinking_tokens(lines).tolist() == thinking_tokens(decoded).tolist() == [0, 1, 0]
    for one, other in zip(lines_of(lines), lines_of(decoded), strict=True):
        assert np.array_equal(one, other)
    assert not thinking_tokens(store.shard(0).where(np.array([True, False, True])).responses).any()
