"""When the power fails a committed shard is still there, and the rest is written again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from specialize.records import Response
from specialize.store import Store, StoreWriter
from tests.support import store_samples
from tests.support.killed_stages import Stage, dump_stage, visible
from tests.support.power_loss import Disk, Operation, lay_out, recorded
from tests.support.store_samples import memory_folder


def record(stage: Stage, out: Path) -> list[Operation]:
    """The operations of ``stage``; a mark is where a commit has returned."""
    write = StoreWriter.write

    with recorded(out) as log, pytest.MonkeyPatch.context() as patch:

        def marking(self: StoreWriter, shard: int, *rest: object, **options: object) -> None:
            write(self, shard, *rest, **options)
            log.append(Operation("mark", "", size=shard))

        patch.setattr(StoreWriter, "write", marking)
        stage(out)
        return list(log)


@pytest.mark.parametrize("what", ["store", "dump"])
def test_every_moment(what: str) -> None:
    stage = store_samples.write_store if what == "store" else dump_stage()
    with memory_folder() as folder:
        log = record(stage, folder / "whole")
        whole = visible(folder / "whole")
        expected = {one.response.key: one.response for one in Store.open(folder / "whole")}
        disk, committed, tried = Disk(), set(), 0
        seen: set[frozenset[tuple[str, bytes]]] = set()
        for number, operation in enumerate(log):
            disk.apply(operation)
            if operation.name == "mark":
                committed.add(operation.size)
            for told, files in disk.states():
                key = frozenset(files.items())
                if key in seen:
                    continue
                seen.add(key)
                tried += 1
                lay_out(folder / "left", files)
                where = f"after operation {number} ({operation.name} {operation.path}): {told}"
                check(folder / "left", committed, expected, where)
                stage(folder / "left")
                assert visible(folder / "left") == whole, where
                shutil.rmtree(folder / "left")
    assert committed == {0, 1, 2}
    assert len(log) > 50
    assert tried > 100


def check(
    root: Path, committed: set[int], expected: dict[tuple[str, int], Response], where: str
) -> None:
    """What was committed can be read, and whatever can be read is what was written."""
    if not (root / "store.json").exists():
        assert not committed, where
        return
    store = Store.open(root, allow_partial=True)
    shards = {int(record.shard) for record in store._records}
    assert committed <= shards, where
    for sample in store:
        assert sample.response == expected[sample.response.key], where


def test_a_forgetful_order_would_be_noticed() -> None:
    """The replay finds what it is there to find: a rename before the bytes are synced."""
    disk = Disk()
    for operation in (
        Operation("mkdir", "."), Operation("sync", "."),
        Operation("write", "a.tmp", content=b"1234"), Operation("replace", "a.tmp", target="a"),
        Operation("sync", "."),
    ):  # fmt: skip
        disk.apply(operation)
    assert {files["a"] for _, files in disk.states()} == {
        b"1234", b"", b"12", b"\xa5" * 4, bytes(4)
    }  # fmt: skip
    disk.apply(Operation("sync", "a"))
    assert [files for _, files in disk.states()] == [{"a": b"1234"}] * 5
