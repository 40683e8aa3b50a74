"""Parts of a store, written by jobs that know nothing of each other, make the store of one job."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from specialize.errors import ConfigurationError, LockedError, NothingPassedError, StoreError
from specialize.io.lock import writer_lock
from specialize.io.part import Part
from specialize.quickstart.run import MODELS
from specialize.stages.stores import merge_store
from specialize.store import Store, verify
from specialize.targets import learning
from specialize.targets.stage import write_targets
from specialize.teacher.protocol import Finish, ScoredText
from tests.support.killed_stages import visible
from tests.support.part_stages import SHARD, align_into, dump_into
from tests.support.scripted_teacher import ScriptedTeacher


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    dump_into(folder / "responses")
    align_into(folder / "responses", folder / "targets")
    return folder


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Both parts of a dump, not yet merged."""
    for index in (1, 0):
        dump_into(tmp_path / "responses", Part(index, 2))
    return tmp_path / "responses"


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("name", ["responses", "targets"])
def test_any_number_of_parts_in_any_order_make_one_store(
    whole: Path, tmp_path: Path, name: str, count: int
) -> None:
    """Five parts of four shards: one is empty."""
    write: Callable[[Path, Part], object] = dump_into
    if name == "targets":
        write = partial(align_into, whole / "responses")
    for index in reversed(range(count)):
        write(tmp_path / name, Part(index, count))
    found = merge_store(tmp_path / name)
    assert visible(tmp_path / name) == visible(whole / name)
    assert verify(tmp_path / name).ok
    assert found == Store.open(whole / name).summary
    assert merge_store(tmp_path / name) == found  # again is harmless


def test_a_part_goes_on_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    out, part = tmp_path / "responses", Part(0, 2)
    asked = dump_into(out, part).asked
    folder = out / "parts" / part.name
    (folder / "summary.json").unlink()
    lines = (folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "manifest.jsonl").write_bytes(lines[0])
    assert dump_into(out, part).asked == asked[SHARD:]
    assert dump_into(out, part).asked == []


def test_what_is_missing_is_named(whole: Path, tmp_path: Path, parts: Path) -> None:
    with pytest.raises(StoreError, match="none has no parts to merge; --shard 0/N writes"):
        merge_store(tmp_path / "none")
    shutil.rmtree(parts / "parts" / "1-of-2")
    (parts / "parts" / "0-of-2" / "summary.json").unlink()
    message = "cannot be merged: part 0/2 is not finished, 1/2 is missing; run each with --shard"
    with pytest.raises(StoreError, match=message):
        merge_store(parts)
    with pytest.raises(ConfigurationError, match="holds parts of 2, not of 3; go on with as many"):
        dump_into(parts, Part(0, 3))
    (parts / "parts" / "0-of-3").mkdir()
    with pytest.raises(StoreError, match=r"parts of 2 and of 3; remove those of all divisions but"):
        merge_store(parts)
    with pytest.raises(ConfigurationError, match=r"holds parts of this store; finish and merge"):
        dump_into(parts)
    shutil.copytree(whole / "responses", tmp_path / "done")
    with pytest.raises(ConfigurationError, match="is finished and takes no part 1/2"):
        dump_into(tmp_path / "done", Part(1, 2))


def test_parts_of_other_plans_are_refused(parts: Path) -> None:
    shutil.rmtree(parts / "parts" / "1-of-2")
    dump_into(parts, Part(1, 2), seed=3)
    message = r"0-of-2 and 1-of-2 .* different plans \(settings.seed: 0 in 0-of-2, 3 in 1-of-2\)"
    with pytest.raises(StoreError, match=message):
        merge_store(parts)


def test_a_damaged_part_is_named_and_written_again(whole: Path, parts: Path) -> None:
    damaged = parts / "parts" / "1-of-2" / "shards" / "00003.texts.jsonl"
    damaged.write_bytes(damaged.read_bytes().replace(b"12", b"13"))
    with pytest.raises(StoreError, match=r"1-of-2/shards/00003.texts.jsonl does not have the hash"):
        merge_store(parts)
    dump_into(parts, Part(1, 2))
    merge_store(parts)
    assert visible(parts) == visible(whole / "responses")


def test_one_job_writes_a_part(parts: Path) -> None:
    with (
        writer_lock(parts / "parts" / "1-of-2"),
        pytest.raises(LockedError, match="1-of-2 is being written by process"),
    ):
        dump_into(parts, Part(1, 2))
    with writer_lock(parts), pytest.raises(LockedError, match="responses is being written by"):
        merge_store(parts)


def test_what_another_job_learns_is_waited_for_or_learned_here(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is killed while it learns leaves the part to others."""
    out, waits = tmp_path / "targets", []
    words = out / "parts" / "1-of-2.words"
    lock = writer_lock(words)
    lock.__enter__()

    def wait(seconds: float) -> None:
        waits.append(list(words.glob("learned-*")))
        lock.__exit__(None, None, None)

    monkeypatch.setattr(learning.time, "sleep", wait)
    align_into(whole / "responses", out, Part(0, 2))
    assert waits == [[]]
    [learned] = words.glob("learned-*")
    content = learned.read_bytes()
    learned.write_bytes(content[:99] + b"?" + content[100:])
    with pytest.raises(StoreError, match="is damaged; remove it, and it is learned again"):
        align_into(whole / "responses", out, Part(1, 2))


def test_nothing_that_is_left_is_refused_at_the_end(tmp_path: Path) -> None:
    dump_into(tmp_path / "r", says=lambda prompt, turn: ("The answer is 5", "eos"))
    for index in range(2):
        write_targets(
            tmp_path / "r", tmp_path / "t", student=str(MODELS / "student"), part=Part(index, 2),
            threads=1, keep="correct",
        )  # fmt: skip
    with pytest.raises(NothingPassedError, match=r"none of 14 responses of .*/t is left with keep"):
        merge_store(tmp_path / "t")


class Doubtful(ScriptedTeacher):
    """Two of its answers cannot be believed."""

    def scored(self, text: str, finish: Finish, k: int, seed: int) -> ScoredText:
        scored = super().scored(text, finish, k, seed)
        return replace(scored, fault="a mass above 1" if "answer is 60" in text else None)


def test_what_is_in_no_shard_is_listed_as_one_job_would(tmp_path: Path) -> None:
    """Quarantined responses in the order of the shards; the raw answers of all parts."""
    for out, parts in ((tmp_path / "one", [None]), (tmp_path / "two", [Part(1, 2), Part(0, 2)])):
        for part in parts:
            dump_into(out, part, teacher=Doubtful)
    for index in (0, 1):
        place = tmp_path / "two" / "parts" / f"{index}-of-2" / "journal.jsonl"
        place.write_bytes(b"answers of %d" % index + b"\n" * index)  # the first is torn
    merge_store(tmp_path / "two")
    journal = tmp_path / "two" / "journal.jsonl"
    assert journal.read_bytes() == b"answers of 0\nanswers of 1\n"
    journal.unlink()
    assert (tmp_path / "one" / "quarantine.jsonl").read_bytes().count(b"\n") == 2
    assert visible(tmp_path / "two") == visible(tmp_path / "one")
