"""Stores in object storage: the bytes of a local one, whatever happens on the way."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from specialize.errors import ConfigurationError, LockedError, StoreError
from specialize.io.part import Part
from specialize.objects import lease
from specialize.store import Store, StoreWriter, already_merged, discard_all, merging, place_of
from specialize.store import verify as verify_store
from specialize.store.remote import bring_all
from tests.support.object_storage import (
    Killed,
    Server,
    clients,
    killed_at,
    listing_lags,
    objects,
)
from tests.support.store_samples import PIECES, SHARDS, description, shard, tree, write_store

PLACE = "s3://bucket/run/responses/toy"
LAST = SHARDS - 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a local store that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole") / "store"
    write_store(root)
    return {name: content for name, content in tree(root).items() if name != ".lock"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.0)


def elsewhere(storage: Server) -> None:
    """What follows happens on another machine: nothing of the bucket is here."""
    shutil.rmtree(os.environ["SPECIALIZE_CACHE"], ignore_errors=True)


def test_a_store_in_a_bucket_is_a_local_one(
    storage: Server, whole: dict[str, bytes], tmp_path: Path
) -> None:
    write_store(PLACE)
    assert objects(PLACE) == whole
    elsewhere(storage)
    there = Store.open(PLACE)
    clients().get(PLACE, str(tmp_path / "copy"), recursive=True)
    here = Store.open(tmp_path / "copy")
    assert [one.response for one in there] == [one.response for one in here]
    assert there.digest == here.digest
    assert there.vocabulary() == here.vocabulary()
    assert verify_store(PLACE).as_json() == verify_store(tmp_path / "copy").as_json()


def test_a_local_store_that_was_copied_to_a_bucket_is_read(storage: Server, tmp_path: Path) -> None:
    write_store(tmp_path / "store")
    clients().put(str(tmp_path / "store"), PLACE, recursive=True)
    assert len(Store.open(PLACE)) == 9
    assert verify_store(PLACE).ok


def test_an_unfinished_store_has_the_shards_whose_lines_are_there(storage: Server) -> None:
    with StoreWriter(PLACE, description(), shard_samples=3) as writer:
        writer.write(1, shard(1))
        clients().pipe_file(f"{PLACE}/lines/00002.json", b'{"body":{},"crc32":"00000000"}\n')
        clients().pipe_file(f"{PLACE}/lines/00000.json", objects(PLACE)["lines/00001.json"])
    elsewhere(storage)
    assert Store.open(PLACE, allow_partial=True).shard_sizes == [3]
    with pytest.raises(StoreError, match="is not finished"):
        Store.open(PLACE)


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_a_writer_that_died_at_any_operation_is_continued(
    storage: Server, whole: dict[str, bytes], step: int
) -> None:
    """Here, where what it had fetched is left, or on another machine; half-written or finished."""
    killed = 0
    for operation in range(1, 200, step):
        place = f"s3://bucket/killed-{operation}"
        try:
            with killed_at(operation):
                write_store(place)
        except Killed:
            killed += 1
        else:
            break
        if operation % 2:
            elsewhere(storage)
        committed = {name for name in objects(place) if name.startswith("lines/")}
        if "summary.json" not in objects(place) and "store.json" in objects(place):
            read = Store.open(place, allow_partial=True)
            assert len([*read]) == 3 * len(committed)
        write_store(place)
        assert objects(place) == whole
    assert killed > 24 // step


@pytest.mark.parametrize("kinds", [[500, "cut", 503], ["lost"]])
def test_a_server_that_fails_now_and_then(
    storage: Server, whole: dict[str, bytes], kinds: list[int | str]
) -> None:
    """``lost``: what was done is done, so that the second attempt finds what the first has made."""
    count, faults = itertools.count(), itertools.cycle(kinds)
    failing = {"PUT"} if kinds == ["lost"] else {"PUT", "GET"}

    def fault(method: str, path: str) -> int | str | None:
        return next(faults) if method in failing and next(count) % 8 == 0 else None

    storage.faults = fault
    write_store(PLACE)
    assert len([*Store.open(PLACE)]) == 9
    storage.faults = None
    assert objects(PLACE) == whole


@pytest.mark.parametrize("operation", [6, pytest.param(11, marks=pytest.mark.slow)])
def test_a_restart_that_died_is_continued(
    storage: Server, whole: dict[str, bytes], operation: int
) -> None:
    write_store(PLACE, teacher="another")
    with killed_at(operation), pytest.raises(Killed):
        StoreWriter(PLACE, description(), shard_samples=3, restart=True).__enter__()
    with StoreWriter(PLACE, description(), shard_samples=3, restart=True):
        pass
    write_store(PLACE)
    assert objects(PLACE) == whole


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("00001.safetensors", "flip"),
        ("00001.texts.jsonl", "remove"),
        pytest.param("00001.texts.jsonl", "cut", marks=pytest.mark.slow),
        pytest.param("00001.safetensors", "remove", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_object_is_seen_and_redone(
    storage: Server, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, harm: str,
) -> None:  # fmt: skip
    write_store(PLACE)
    assert len([*Store.open(PLACE)]) == 9  # from now on sound copies are here
    content = bytearray(whole[f"shards/{name}"])
    content[len(content) // 2] ^= 4
    if harm == "cut":
        del content[-1]
    if harm == "remove":
        clients().rm_file(f"{PLACE}/shards/{name}")
    else:
        clients().pipe_file(f"{PLACE}/shards/{name}", bytes(content))
    problem = "is missing" if harm == "remove" else "does not have the hash|has .* bytes instead of"
    assert any(name in problem for problem in verify_store(PLACE).problems)
    with monkeypatch.context() as other:
        other.setenv("SPECIALIZE_CACHE", str(tmp_path / "other machine"))
        with pytest.raises(StoreError, match=f"{name} ({problem})"):
            Store.open(PLACE).shard(1)
    with StoreWriter(PLACE, description(), shard_samples=3) as writer:
        assert writer.redone == (1,)
        assert not writer.finished
    assert objects(PLACE).keys() & {"summary.json", "lines/00001.json"} == set()
    write_store(PLACE)
    assert objects(PLACE) == whole


def test_a_damaged_copy_here_is_fetched_again(storage: Server) -> None:
    write_store(PLACE)
    first = [*Store.open(PLACE)]
    for file in Path(os.environ["SPECIALIZE_CACHE"]).rglob("shards/*"):
        file.write_bytes(bytes(file.stat().st_size))
    assert [one.response for one in Store.open(PLACE)] == [one.response for one in first]


def test_uploads_without_a_line_are_removed(storage: Server, whole: dict[str, bytes]) -> None:
    with StoreWriter(PLACE, description(), shard_samples=3) as writer:
        writer.write(0, shard(0), counts={"dropped": 0, "seen": 4})
    for number in (1, 7):
        clients().pipe_file(f"{PLACE}/shards/{number:05d}.safetensors", b"half of a sha")
    with StoreWriter(PLACE, description(), shard_samples=3):
        names = [name for name in objects(PLACE) if name.startswith("shards/")]
        assert names == ["shards/00000.safetensors", "shards/00000.texts.jsonl"]
    write_store(PLACE)
    assert objects(PLACE) == whole


@pytest.mark.parametrize(
    ("late", "times"), [("lines/00001.json", 9), ("shards/00001.safetensors", 1)]
)
def test_a_listing_that_lags_loses_nothing(
    storage: Server, whole: dict[str, bytes], late: str, times: int
) -> None:
    with StoreWriter(PLACE, description(), shard_samples=3) as writer:
        for number in range(2):
            writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
    with listing_lags({late: times}):
        write_store(PLACE)
        assert len(Store.open(PLACE)) == 9
    assert objects(PLACE) == whole


def test_what_others_began_is_refused(storage: Server) -> None:
    clients().pipe_file(f"{PLACE}/holiday.jpg", b"")
    with pytest.raises(ConfigurationError, match=r"toy holds holiday.jpg, which is no part"):
        write_store(PLACE)
    with pytest.raises(ConfigurationError, match=r"toy holds holiday.jpg, which is no part"):
        discard_all(Path(PLACE))
    write_store("s3://bucket/other", teacher="another")
    with pytest.raises(ConfigurationError, match="teacher: 'another' in the store, 'toy' now"):
        write_store("s3://bucket/other")
    with pytest.raises(StoreError, match=r"no store at .*nothing"):
        Store.open("s3://bucket/nothing")


def test_two_writers(storage: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 20.0)
    monkeypatch.setattr(lease, "RENEWAL", 0.05)
    monkeypatch.setattr(lease, "_LOOK", 0.1)
    with StoreWriter(PLACE, description(), shard_samples=3):
        with pytest.raises(LockedError, match=rf"toy is being written by process {os.getpid()}"):
            write_store(PLACE)
        monkeypatch.setenv("SPECIALIZE_CACHE", str(tmp_path / "other machine"))
        with pytest.raises(LockedError, match=rf"toy is being written by process {os.getpid()}"):
            write_store(PLACE)
    write_store(PLACE)
    assert verify_store(PLACE).ok


def test_a_writer_that_was_taken_over_stops(
    storage: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    with StoreWriter(PLACE, description(), shard_samples=3) as suspended:
        suspended.write(0, shard(0), counts={"dropped": 0, "seen": 4})
        with monkeypatch.context() as other:
            other.setenv("SPECIALIZE_CACHE", str(tmp_path / "other machine"))
            with StoreWriter(PLACE, description(), shard_samples=3) as writer:
                for number in range(1, SHARDS):
                    writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
        suspended.write(1, shard(1), counts={"dropped": 1, "seen": 4})  # the same bytes: no harm
        with pytest.raises(LockedError, match="committed another shard 2"):
            suspended.write(2, shard(5))
    write_store(PLACE)
    assert objects(PLACE) == whole


def test_parts_are_merged_in_the_bucket(storage: Server, whole: dict[str, bytes]) -> None:
    for index in (1, 0):
        part = Part(index, 2)
        with StoreWriter(place_of(Path(PLACE), part), description(), shard_samples=3) as writer:
            for number in part.of(SHARDS):
                writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
            writer.finish(PIECES, {})
        elsewhere(storage)
    with pytest.raises(ConfigurationError, match="holds parts of this store"):
        place_of(Path(PLACE), None)
    with merging(Path(PLACE)) as merged:
        storage.requests.clear()
        merged.writer.finish(PIECES, {"accuracy": 0.5})
    elsewhere(storage)
    assert already_merged(Path(PLACE)) is not None
    assert objects(PLACE) == whole


def test_all_shards_are_brought_at_once_where_they_fit(
    storage: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(PLACE)
    store = Store.open(PLACE)
    with monkeypatch.context() as small:
        small.setenv("SPECIALIZE_CACHE_GB", "1e-6")
        assert not bring_all(store.path, store.records)
    assert bring_all(store.path, store.records)
    storage.requests.clear()
    assert len([*store]) == 9
    assert storage.requests == []


def test_a_store_larger_than_the_cache(storage: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(PLACE, shards=24)
    elsewhere(storage)
    monkeypatch.setenv("SPECIALIZE_CACHE_GB", "1e-5")
    store = Store.open(PLACE)
    assert [one.response.text for one in store] == [
        one.response.text for number in range(24) for one in shard(number)
    ]
    kept = [*Path(os.environ["SPECIALIZE_CACHE"]).rglob("shards/*")]
    assert 30 <= len(kept) < 40  # of 48
