"""A shard that is opened again is hashed again only where its files have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import StoreError
from specialize.store import Store, StoreWriter, layout, reader
from tests.support.store_samples import PIECES, description, sample


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three shards of one sample, of which one is open at a time."""
    monkeypatch.setattr(reader, "_OPEN_SHARDS", 1)
    with StoreWriter(tmp_path / "s", description(), shard_samples=1) as writer:
        for number in range(3):
            writer.write(number, [sample(number, positions=2)])
        writer.finish({token: b"%d" % token for token in PIECES}, {})
    return Store.open(tmp_path / "s")


def test_each_file_is_hashed_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    check = layout.FileMark.check

    def counted(self: layout.FileMark, path: Path, content: bytes) -> None:
        hashed.append(len(content))
        check(self, path, content)

    monkeypatch.setattr(layout.FileMark, "check", counted)
    wanted = [store.sample_at(position, 0).response for position in range(3)]
    assert len(hashed) == 6  # arrays and texts of three shards
    assert [store.sample_at(position, 0).response for position in range(3)] == wanted
    assert len(hashed) == 6


@pytest.mark.parametrize("name", ["00000.safetensors", "00000.texts.jsonl"])
def test_what_has_changed_since_is_found(store: Store, name: str) -> None:
    (path,) = store.path.rglob(name)
    store.sample_at(0, 0)
    store.sample_at(1, 0)  # closes shard 0
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="does not have the hash with which it was written"):
        store.sample_at(0, 0)
    assert store.sample_at(2, 0).response.example_id
