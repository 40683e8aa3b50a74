"""Rows that are read when they are asked for, and what a run keeps of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align.sparse import one_hot
from specialize.config.training import Optimization, Training
from specialize.config.yaml_files import build_recipe
from specialize.errors import DiskFullError, StoreError
from specialize.io.files import write_atomically
from specialize.records import Example
from specialize.rows import Row, RowSet, build_rows, plan_steps, saved
from specialize.rows import build as building
from specialize.rows.ids import Ids
from specialize.rows.row import lengths_of
from specialize.store import Store
from specialize.tokens import Tokenizer
from tests.support import toys

World = tuple[Sequence[Example], Mapping[str, Store], Tokenizer]

COT = {"name": "cot", "format": "zero-shot-cot", "target": "distribution", "teacher": "toy"}
SHOWN = {**COT, "name": "shown", "format": "in-context-cot", "num_fewshot": 2}
SAID = {**COT, "name": "said", "target": "solution", "keep": "all"}
EARLY = {**COT, "name": "early", "row_filter": {"first_share": 0.4}}
ANSWER = {"name": "answer", "format": "zero-shot-answer", "target": "answer"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("rows")
    tokenizer = toys.write_tokenizer(folder / "student")
    found = toys.examples(10)
    toys.write_targets(folder / "targets", found, tokenizer)
    return found, {"toy": Store.open(folder / "targets")}, tokenizer


def rows_of(world: World, *objectives: Mapping[str, object], folder: Path | None = None,
            seed: int = 0) -> RowSet:  # fmt: skip
    found, stores, tokenizer = world
    recipe = build_recipe({
        "student": "student", "train_on": {"set": "jsonl"}, "teachers": {"toy": {}},
        "objectives": list(objectives), "seed": seed,
    })  # fmt: skip
    return build_rows(recipe, found, stores, tokenizer, encoder_decoder=True, folder=folder)


def as_lists(rows: Sequence[Row]) -> list[object]:
    return [
        [row.key, row.objective, row.prompt_ids.tolist(), row.target_ids.tolist(),
         row.distributions.ids.tolist(), row.distributions.logprobs.tolist(),
         row.carries_loss().tolist()]
        for row in rows
    ]  # fmt: skip


def test_what_is_known_before_is_what_the_rows_say(world: World) -> None:
    made = rows_of(world, COT, SHOWN, SAID, EARLY, ANSWER)
    known, read = made.lengths, lengths_of(list(made.rows))
    for name in ("prompt", "target", "learned", "objective"):
        assert getattr(known, name).tolist() == getattr(read, name).tolist(), name
    assert [known.names[i] for i in known.example] == [row.key[0] for row in made.rows]
    unk = world[2].unk
    assert known.unknown.tolist() == [(row.target_ids == unk).sum() for row in made.rows]
    assert as_lists(made.rows[-3:]) == as_lists([made.rows[i] for i in range(-3, 0)])
    with pytest.raises(IndexError, match=rf"row {len(made)} of {len(made)}"):
        made.rows[len(made)]


def test_a_second_call_takes_what_the_first_has_found(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives = (COT, SHOWN, SAID, EARLY, ANSWER)
    memory = rows_of(world, *objectives)
    first = rows_of(world, *objectives, folder=tmp_path)
    monkeypatch.setattr(building, "_part", None)  # nothing is looked for again
    second = rows_of(world, *objectives, folder=tmp_path)
    assert memory.digest == first.digest == second.digest
    assert memory.counts() == first.counts() == second.counts()
    assert as_lists(memory.rows) == as_lists(first.rows) == as_lists(second.rows)


@pytest.mark.parametrize("change", ["seed", "objectives", "examples"])
def test_other_rows_are_found_anew(world: World, tmp_path: Path, change: str) -> None:
    before = rows_of(world, COT, SHOWN, folder=tmp_path)
    found, stores, tokenizer = world
    if change == "examples":
        world = [*found[:-1]], stores, tokenizer
    objectives = (COT,) if change == "objectives" else (COT, SHOWN)
    seed = int(change == "seed")
    after = rows_of(world, *objectives, folder=tmp_path, seed=seed)
    assert after.digest == rows_of(world, *objectives, seed=seed).digest != before.digest


@pytest.mark.parametrize("name", ["prompts.i32", "given.i32", "rows.safetensors", "rows.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_files_are_made_anew(world: World, tmp_path: Path, name: str, damage: str) -> None:
    whole = rows_of(world, COT, ANSWER, folder=tmp_path)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    again = rows_of(world, COT, ANSWER, folder=tmp_path)
    assert as_lists(again.rows) == as_lists(whole.rows)
    assert json.loads((tmp_path / "rows.json").read_text())["key"]


@pytest.mark.parametrize("writer", ["append", "finish", "rows.safetensors", "rows.json"])
def test_a_write_that_fails_leaves_nothing_that_is_believed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    rows_of(world, ANSWER, folder=tmp_path)  # of other rows, and whole

    def fail(*given_: object) -> None:
        if writer in ("append", "finish") or writer == Path(str(given_[0])).name:
            raise DiskFullError(f"no room for {writer}")
        write_atomically(*given_)

    with monkeypatch.context() as patched:
        place = (Ids, writer) if hasattr(Ids, writer) else (saved, "write_atomically")
        patched.setattr(*place, fail)
        with pytest.raises(DiskFullError, match="no room for"):
            rows_of(world, COT, ANSWER, folder=tmp_path)
    again = rows_of(world, COT, ANSWER, folder=tmp_path)
    assert as_lists(again.rows) == as_lists(rows_of(world, COT, ANSWER).rows)


def test_ids_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    sequences = [np.array(ids, np.int32) for ids in ([5, 1], [], [2**31 - 1, 0, 7])]
    for ids in (Ids(), Ids(tmp_path / "ids")):
        starts = [ids.append(each) for each in sequences]
        ids.finish()
        for start, each in zip(starts, sequences, strict=True):
            assert ids.read(start, len(each)).tolist() == each.tolist()
    with pytest.raises(StoreError, match="ids is too short; remove it"):
        Ids(tmp_path / "ids").read(3, 9)
    assert Ids.reopened(tmp_path / "ids", ids.digest) is not None
    assert Ids.reopened(tmp_path / "ids", "0") is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=14))
def test_joint_units_are_those_of_the_slow_way(pairs: list[tuple[int, int]]) -> None:
    ordered = sorted(pairs, key=lambda pair: pair[1])  # rows come objective after objective
    ids = np.array([1], np.int32)
    rows = tuple(
        Row((f"e{example}", i), objective, ids, ids, one_hot(ids))
        for i, (example, objective) in enumerate(ordered)
    )
    names = ("a", "b", "c")
    plan = plan_steps(RowSet(names, names, rows, {}), Training(mixing="joint"), Optimization(), 0)
    units = [
        plan.members[first:last].tolist()
        for first, last in zip(plan.starts[:-1], plan.starts[1:], strict=True)
    ]
    by_example: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, row in enumerate(rows):
        by_example[row.key[0]][row.objective].append(i)
    wanted = [
        [part[turn % len(part)] for _, part in sorted(parts.items())]
        for parts in by_example.values()
        for turn in range(max(map(len, parts.values())))
    ]
    assert units == wanted
