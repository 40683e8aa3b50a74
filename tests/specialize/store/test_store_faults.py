"""A store survives its writer: kills, torn lines, full disks, damaged shards."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from specialize.errors import DiskFullError, StoreError
from specialize.io import fault_injection
from specialize.store import Store, StoreWriter, verify
from tests.support.store_samples import PIECES, description, shard, tree, write_store

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole") / "store"
    write_store(root)
    return tree(root)


def test_the_variable_kills(tmp_path: Path, whole: dict[str, bytes]) -> None:
    def write(fault: int) -> int:
        return subprocess.run(
            [sys.executable, "-m", "tests.support.store_samples", str(tmp_path / "s")],
            cwd=ROOT, check=False, env={**os.environ, "SPECIALIZE_FAULT": str(fault)},
        ).returncode  # fmt: skip

    assert write(30) == -signal.SIGKILL
    assert len(Store.open(tmp_path / "s", allow_partial=True)) in (3, 6)
    assert write(0) == 0
    assert tree(tmp_path / "s") == whole


def test_a_torn_last_line_is_written_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    root = tmp_path / "store"
    with StoreWriter(root, description(), shard_samples=3) as writer:
        for number in range(2):
            writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
    manifest = (root / "manifest.jsonl").read_bytes()
    first = manifest.index(b"\n") + 1
    endings = [manifest[:cut] for cut in range(first, len(manifest), 23)]
    endings += [manifest[:first] + filler * 200 for filler in (b"\0", b"\xa5", b"{}\n")]
    for ending in endings:
        (root / "manifest.jsonl").write_bytes(ending)
        assert len(Store.open(root, allow_partial=True)) == 3
        assert not verify(root).ok
        write_store(root)
        assert tree(root) == whole
        (root / "summary.json").unlink()


def test_a_damaged_middle_line_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "store"
    write_store(root)
    (root / "summary.json").unlink()
    lines = (root / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    damaged = lines[0] + lines[1].replace(b'"positions":', b'"positions": ') + lines[2]
    (root / "manifest.jsonl").write_bytes(damaged)
    with pytest.raises(StoreError, match=r"manifest.jsonl: line 2 is damaged"):
        write_store(root)
    with pytest.raises(StoreError, match=r"manifest.jsonl: line 2 is damaged"):
        Store.open(root, allow_partial=True)
    assert any("line 2 is damaged" in problem for problem in verify(root).problems)


@pytest.mark.parametrize("name", ["00001.safetensors", "00001.texts.jsonl"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "remove", "link"])
def test_a_damaged_shard_is_redone(
    tmp_path: Path, whole: dict[str, bytes], name: str, harm: str
) -> None:
    root = tmp_path / "store"
    write_store(root)
    path = root / "shards" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.unlink()
    if harm == "link":
        (tmp_path / "elsewhere").write_bytes(whole[f"shards/{name}"])
        path.symlink_to(tmp_path / "elsewhere")
    elif harm != "remove":
        path.write_bytes(content if harm == "flip" else content[:-1])
    assert any(name in problem for problem in verify(root).problems)
    with StoreWriter(root, description(), shard_samples=3) as writer:
        assert writer.redone == (1,)
        assert writer.committed == {0, 2}
        assert not writer.finished
    write_store(root)
    assert tree(root) == whole
    if harm == "link":
        assert (tmp_path / "elsewhere").exists()


def test_what_a_crash_left_is_cleared(tmp_path: Path, whole: dict[str, bytes]) -> None:
    root = tmp_path / "store"
    write_store(root)
    (root / "shards" / ".tmp-0123").write_bytes(b"half a sha")
    (root / "shards" / "00007.safetensors").write_bytes(b"without a line")
    (root / ".tmp-4567").write_bytes(b"half a summ")
    assert len(verify(root).problems) == 2  # both are among the shards
    write_store(root)
    assert tree(root) == whole


@pytest.mark.parametrize("reserve", [0, 100, 700, 1_050, 2_000])
def test_full_disk(
    tmp_path: Path, whole: dict[str, bytes], reserve: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond ``reserve`` bytes: a real refusal of the system."""
    root = tmp_path / "store"
    # Python would keep what it compiles meanwhile cut off at the limit
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (reserve, hard))
    try:
        with pytest.raises(DiskFullError, match=r"no room for .*: [\d,]+ bytes needed, [\d,]+ fr"):
            write_store(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    left = [path.name for path in root.rglob("*") if path.name.startswith(".tmp-")]
    assert left == []
    write_store(root)
    assert tree(root) == whole


def test_full_disk_at_every_write(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle of a write: half of the bytes are there when the disk is full."""
    write, calls = os.write, 0

    def failing(handle: int, content: memoryview) -> int:
        nonlocal calls
        calls += 1
        if calls < fatal:
            return write(handle, content)
        if calls == fatal and len(content) > 1:
            return write(handle, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for fatal in range(1, 40):
        root, calls = tmp_path / f"store-{fatal}", 0
        with monkeypatch.context() as patch:
            patch.setattr("specialize.io.files.os.write", failing)
            try:
                write_store(root)
            except DiskFullError:
                if (root / "store.json").exists():
                    partial = Store.open(root, allow_partial=True)
                    assert [one.response.key for one in partial] == list(partial.keys)
            else:
                break
        write_store(root)
        assert tree(root) == whole
    assert fatal > 10  # every write of the store was refused once


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_is_not_hidden(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    root = tmp_path / "store"
    with StoreWriter(root, description(), shard_samples=3) as writer:
        writer.write(0, shard(0), counts={"dropped": 0, "seen": 4})
        with monkeypatch.context() as patch:
            patch.setattr(f"specialize.io.files.os.{call}", failing)
            with pytest.raises(OSError, match="Input/output error"):
                writer.write(1, shard(1))
        assert writer.committed == {0}
        writer.write(1, shard(1), counts={"dropped": 1, "seen": 4})
    write_store(root)
    assert tree(root) == whole


def test_a_disk_that_forgets_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with StoreWriter(tmp_path / "store", description(), shard_samples=3) as writer:
        with monkeypatch.context() as patch:
            patch.setattr("specialize.io.files.os.write", lambda h, c: write(h, bytes(len(c))))
            with pytest.raises(StoreError, match="the disk did not keep what was written"):
                writer.write(0, shard(0))
        assert writer.committed == frozenset()


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match="file"),
        StoreWriter(tmp_path / "file" / "store", description(), shard_samples=3),
    ):
        pass


def test_an_error_in_the_block_leaves_a_store_to_continue(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    root = tmp_path / "store"

    def interrupted() -> None:
        with StoreWriter(root, description(), shard_samples=3) as writer:
            writer.write(0, shard(0), counts={"dropped": 0, "seen": 4})
            raise RuntimeError("teacher")

    with pytest.raises(RuntimeError, match="teacher"):
        interrupted()
    write_store(root)
    assert tree(root) == whole


def test_faults_are_off_unless_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(fault_injection.os, "kill", lambda *_: killed.append(1))
    for armed, deaths in ((0, 0), (3, 1)):
        fault_injection.arm(armed)
        for _ in range(10):
            fault_injection.before_file_operation()
        assert len(killed) == deaths
    fault_injection.arm(0)


def test_finish_with_other_words_replaces_the_summary(tmp_path: Path) -> None:
    root = tmp_path / "store"
    write_store(root)
    with StoreWriter(root, description(), shard_samples=3) as writer:
        writer.finish(PIECES, {"accuracy": 1.0})
        before = tree(root)
        writer.finish(PIECES, {"accuracy": 1.0})
        assert tree(root) == before
    assert Store.open(root).summary == {"accuracy": 1.0}
    assert verify(root).ok
    with StoreWriter(root, description(), shard_samples=3) as writer:
        writer.finish(None, {})
    assert verify(root).ok
    assert not (root / "vocabulary.safetensors").exists()
