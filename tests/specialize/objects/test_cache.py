"""The cache stays in its bounds, and keeps what was used last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.objects import cache


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPECIALIZE_CACHE_GB", "5e-6")  # 5,000 bytes
    monkeypatch.setattr(cache, "_STAY", 2)
    monkeypatch.setattr(cache, "_usage", cache._Usage())
    return tmp_path / "cache" / "s3" / "bucket"


def kept(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("shards/*"))


def fill(root: Path) -> None:
    """Files of 1,000 bytes; each was used a second after the one before."""
    for number in range(5):
        path = root / f"store-{number % 2}" / "shards" / f"{number}"
        cache.keep(path, bytes(1000))
        os.utime(path, (1000 + number, 1000 + number))


def test_the_files_that_were_not_used_for_longest_go(root: Path) -> None:
    fill(root)
    (root / "store-0" / "store.json").write_bytes(bytes(9000))  # no file of a shard
    cache.note_use(root / "store-0" / "shards" / "0")
    assert kept(root) == ["0", "1", "2", "3", "4"]
    cache.keep(root / "store-0" / "shards" / "5", bytes(2000))
    assert kept(root) == ["0", "3", "4", "5"]
    assert (root / "store-0" / "store.json").exists()


def test_the_last_files_stay_however_large(root: Path) -> None:
    fill(root)
    cache.keep(root / "store-0" / "shards" / "5", bytes(9000))
    assert kept(root) == ["3", "4", "5"]


def test_what_other_processes_keep_is_counted(root: Path) -> None:
    fill(root)
    for number in range(6, 12):
        (root / "store-0" / "shards" / f"{number}").write_bytes(bytes(1000))
    cache.keep(root / "store-0" / "shards" / "5", bytes(1000))
    assert sum(path.stat().st_size for path in root.rglob("shards/*")) <= 5000


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "20GB", ""])
def test_the_bound_is_a_number(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("SPECIALIZE_CACHE_GB", size)
    with pytest.raises(ConfigurationError, match=f"must be a positive number, not '{size}'"):
        cache.limit()
