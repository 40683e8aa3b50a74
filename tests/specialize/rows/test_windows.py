"""Rows in windows of shards: each once an epoch, in an order that no later window changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.config.recipe import Recipe
from specialize.config.training import Optimization, Training
from specialize.datasets.recipe_sets import training_examples
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.rows import RowSet, build_rows, plan_steps
from specialize.rows.build import targets_of
from specialize.rows.windows import GrowingPlan, joined, windows
from specialize.store import Store
from specialize.tokens import load_tokenizer
from tests.support import toys


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 examples; the targets, of 18 of them, are in 5 shards."""
    folder = tmp_path_factory.mktemp("windows")
    tokenizer = toys.write_world(folder)
    found = toys.examples(20)[2:]
    toys.write_targets(folder / "some", found, tokenizer)
    return folder


def recipe_of(world: Path, shards: int | None, **training: object) -> Recipe:
    return toys.toy_recipe(world, training={"window_shards": shards, **training})


def sets_of(recipe: Recipe, world: Path, folder: Path) -> list[RowSet]:
    store, examples = Store.open(world / "some"), training_examples(recipe).examples
    tokenizer = load_tokenizer(recipe.student)
    targets = targets_of(recipe, examples, {"toy": store}, tokenizer, encoder_decoder=True)
    return list(windows(targets, lambda _: store, folder))


def content(rows: RowSet) -> Counter[tuple[object, ...]]:
    return Counter(
        (
            row.key, row.objective, row.prompt_ids.tobytes(), row.target_ids.tobytes(),
            row.distributions.logprobs.tobytes(), row.distributions.ids.tobytes(),
        )
        for row in rows.rows
    )  # fmt: skip


@pytest.mark.parametrize("shards", [1, 2, 5, 9])
def test_windows_have_the_rows_of_the_whole(world: Path, tmp_path: Path, shards: int) -> None:
    """Gold answers are where their first response is; those without one come last."""
    recipe = recipe_of(world, shards)
    examples, tokenizer = training_examples(recipe).examples, load_tokenizer(recipe.student)
    store = Store.open(world / "some")
    whole = build_rows(recipe, examples, {"toy": store}, tokenizer, encoder_decoder=True)
    sets = sets_of(recipe, world, tmp_path)
    assert len(sets) == -(-5 // shards) + 1
    together = joined(sets)
    assert content(together) == content(whole)
    found, wanted = together.counts(), whole.counts()
    assert wanted["cot"].pop("no_response") == 2
    assert found == wanted
    assert [row.key[0] for row in sets[-1].rows] == [e.id for e in examples[:2]]
    for number, part in enumerate(sets[:-1]):
        mine = {key for key, _ in store.part(number * shards, (number + 1) * shards).keys}
        assert {row.key[0] for row in part.rows} <= mine
    lengths = together.lengths
    assert lengths.prompt.tolist() == [len(row.prompt_ids) for row in together.rows]
    assert lengths.target.tolist() == [len(row.target_ids) for row in together.rows]
    assert [lengths.names[i] for i in lengths.example] == [row.key[0] for row in together.rows]


def test_rows_of_a_window_are_found_once(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(world, 2)
    first = sets_of(recipe, world, tmp_path)
    monkeypatch.setattr("specialize.rows.build._found", None)
    again = sets_of(recipe, world, tmp_path)
    assert [rows.digest for rows in again] == [rows.digest for rows in first]
    assert content(joined(again)) == content(joined(first))


@cache
def drawn(sizes: tuple[int, ...]) -> tuple[RowSet, ...]:
    return tuple(toys.random_rows(size, seed=size) if size else no_rows() for size in sizes)


def no_rows() -> RowSet:
    some = toys.random_rows(2)
    return RowSet(some.objectives, some.formats, (), {})


def growing(sizes: tuple[int, ...], taken: list[int], seed: int = 0) -> GrowingPlan:
    """A plan over windows of so many rows, and a note of each that is taken up."""

    def coming() -> Iterator[RowSet]:
        for number, rows in enumerate(drawn(sizes)):
            taken.append(number)
            yield rows

    return GrowingPlan(coming(), made_up_recipe(seed), overhead=10)


@cache
def made_up_recipe(seed: int) -> Recipe:
    objectives = [
        {"name": "objective-0", "format": "zero-shot-cot", "target": "rationale", "teacher": "t"},
        {"name": "objective-1", "format": "zero-shot-answer", "target": "answer"},
    ]
    objectives = [{**objective, "missing": "mask"} for objective in objectives]
    return Recipe.model_validate(
        {
            "student": "s", "train_on": {"set": "gsm8k"}, "teachers": {"t": {}}, "seed": seed,
            "objectives": objectives, "training": {"window_shards": 1},
            "optimization": {"batch_rows": 3, "accumulation": 2},
        }
    )  # fmt: skip


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 23), min_size=1, max_size=5).filter(lambda s: sum(s) > 1),
    seed=st.integers(0, 3),
)
def test_no_step_depends_on_later_windows(sizes: list[int], seed: int) -> None:
    """Steps in turn, while windows come, are those of a plan that has seen all from the start; a
    window is taken up when a step needs it, and every epoch has every row once."""
    taken: list[int] = []
    along, after = growing(tuple(sizes), taken, seed), growing(tuple(sizes), [], seed)
    whole = after.at(1000)
    steps = 2 * sum(sizes) // 6 + 1
    seen: list[int] = []
    ends = np.cumsum(sizes)
    for step in range(steps):
        plan = along.at(step)
        needed = int(np.searchsorted(ends, 6 * (step + 1))) + 1
        assert len(taken) == min(needed, len(sizes))
        rows = plan.rows_of(step)
        assert rows.tolist() == whole.rows_of(step).tolist()
        assert plan.epoch(step) == whole.epoch(step) == max(0, 6 * step - 1) // sum(sizes)
        for one, other in zip(plan.micro_batches(step), whole.micro_batches(step), strict=True):
            assert one.tolist() == other.tolist()
        assert plan.tokens_of(step).tolist() == whole.tokens_of(step).tolist()
        seen += rows.tolist()
    total = sum(sizes)
    for epoch in range(len(seen) // total):
        mine = seen[epoch * total : (epoch + 1) * total]
        assert sorted(mine) == list(range(total))
        for first, last in zip([0, *ends[:-1]], ends, strict=True):
            assert sorted(mine[first:last]) == list(range(first, last))


def test_one_window_has_an_order_of_its_own(world: Path) -> None:
    """The first window is in the order of a run without windows."""
    rows = toys.random_rows(30)
    sizes, training = Optimization(batch_rows=3, accumulation=2), Training()
    plan = partial(plan_steps, rows, training, sizes, 5)
    assert plan().rows_of(2).tolist() == plan(windows=[30]).rows_of(2).tolist()
    two = plan(windows=[15, 15])
    orders = [np.concatenate([two.rows_of(i) for i in range(5)])[part] for part in
              (slice(15), slice(15, 30))]  # fmt: skip
    assert (orders[0] != orders[1] - 15).any()


def test_an_objective_without_rows_in_any_window(world: Path, tmp_path: Path) -> None:
    """Known at the end: a window may be without rows of it."""
    recipe = recipe_of(world, 2, max_target_tokens=10)
    sets = sets_of(recipe, world, tmp_path)
    plan = GrowingPlan(iter(sets), recipe, overhead=0)
    assert len(plan.at(1).rows) >= 12  # gold answers are short
    with pytest.raises(NothingPassedError, match="'cot' has no row to train on in any window"):
        plan.at(100)
    with pytest.raises(NothingPassedError, match="'cot' has no row"):
        GrowingPlan(iter(()), recipe, overhead=0).at(0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training": {"mixing": "joint"}}, "window_shards and mixing: joint exclude each other"),
        ({"training": {"samples_per_question": 2}}, "several windows"),
        ({"rounds": {}}, "window_shards and rounds exclude each other"),
        ({"objectives": [{"name": "a", "format": "zero-shot-cot", "target": "distribution",
                          "teacher": "toy", "keep": "first-correct"}]}, "several windows"),
        ({"objectives": [{"name": "a", "format": "zero-shot-answer", "target": "answer"}]},
         "of one teacher into windows, but the objectives learn from none"),
        ({"teachers": {"other": {}},
          "objectives": [{"name": "a", "format": "zero-shot-cot", "target": "distribution",
                          "average": {"toy": 1, "other": 1}}]}, "learn from other, toy"),
    ],
)  # fmt: skip
def test_what_has_no_windows_is_refused(
    world: Path, changes: dict[str, dict[str, object]], told: str
) -> None:
    training = {"window_shards": 1, **changes.pop("training", {})}
    with pytest.raises(ConfigurationError, match=told):
        toys.toy_recipe(world, training=training, **changes)
