"""Shards committed beside the computing of the next are those of a writer that waits."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from specialize.errors import DiskFullError
from specialize.store import Sample, Store, StoreWriter, committing, verify
from tests.support.store_samples import PIECES, description, shard, tree, write_store


def test_the_same_files_in_the_same_order(tmp_path: Path) -> None:
    write_store(tmp_path / "whole")
    with StoreWriter(tmp_path / "s", description(), shard_samples=3) as writer:
        with committing(writer) as commit:
            for number in range(3):
                commit(number, shard(number), {"dropped": number, "seen": 4})
        assert writer.committed == {0, 1, 2}
        writer.finish(PIECES, {"accuracy": 0.5})
    assert tree(tmp_path / "s") == tree(tmp_path / "whole")


def test_the_caller_goes_on_while_a_shard_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, let_go = threading.Event(), threading.Event()
    write = StoreWriter.write

    def slow(self: StoreWriter, number: int, samples: Sequence[Sample], **counts: object) -> None:
        began.set()
        assert let_go.wait(30)
        write(self, number, samples, **counts)

    monkeypatch.setattr(StoreWriter, "write", slow)
    with StoreWriter(tmp_path, description(), shard_samples=3) as writer:
        with committing(writer) as commit:
            commit(0, shard(0), {})
            assert began.wait(30)
            assert writer.committed == frozenset()  # here the next shard would be computed
            let_go.set()
        assert writer.committed == {0}


def test_a_full_disk_is_told_by_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with StoreWriter(tmp_path, description(), shard_samples=3) as writer:
        with committing(writer) as commit:
            commit(0, shard(0), {})
        with monkeypatch.context() as patch:
            patch.setattr("specialize.io.files.os.write", full)
            with committing(writer) as commit:
                commit(1, shard(1), {})
                with pytest.raises(DiskFullError, match="no room for"):
                    commit(2, shard(2), {})
        with monkeypatch.context() as patch:
            patch.setattr("specialize.io.files.os.write", full)
            with pytest.raises(DiskFullError, match="no room for"), committing(writer) as commit:
                commit(1, shard(1), {})  # told at the end of the block
        assert writer.committed == {0}
    assert len(Store.open(tmp_path, allow_partial=True)) == 3


def interrupted(root: Path) -> None:
    with (
        StoreWriter(root, description(), shard_samples=3) as writer,
        committing(writer) as commit,
    ):
        commit(0, shard(0), {})
        raise KeyboardInterrupt


def test_what_was_begun_is_finished_when_the_caller_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert len(Store.open(tmp_path, allow_partial=True)) == 3
    assert [p for p in verify(tmp_path).problems if "not finished" not in p] == []
