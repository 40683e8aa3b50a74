"""Responses and targets of a recipe, by one job and by several."""

from __future__ import annotations

import multiprocessing
from contextlib import nullcontext
from pathlib import Path

import pytest

from specialize.config.recipe import Recipe
from specialize.engines import Engine, pool
from specialize.errors import ConfigurationError
from specialize.io.part import Part
from specialize.pipeline import prepare_stores
from specialize.stages.recipe_stores import make_stores
from specialize.stages.stores import merge_store
from specialize.teacher import opening
from tests.support import toys
from tests.support.killed_stages import visible
from tests.support.scripted_teacher import ScriptedTeacher

SAMPLES = 26  # to each of 20 questions: two shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    toys.write_world(folder)
    return folder


@pytest.fixture
def recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Its teacher is scripted and opened as often as is asked for."""
    tokenizer = toys.write_tokenizer(folder / "tokenizer")
    teacher = ScriptedTeacher(tokenizer, lambda *_: ("It is 7. The answer is 7", "eos"))
    monkeypatch.setattr(opening, "open_teacher", lambda *_: nullcontext(teacher))
    return toys.toy_recipe(folder, teachers={"toy": {"model": "m", "samples": SAMPLES}})


def stores(run: Path) -> list[dict[str, bytes]]:
    return [visible(run / kind / "toy") for kind in ("responses", "targets")]


def test_jobs_of_a_recipe_write_what_one_does(recipe: Recipe, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    positions = make_stores(recipe, whole)
    assert list(positions) == ["responses/toy", "targets/toy"]
    parts = [make_stores(recipe, run, last="responses", part=Part(i, 2)) for i in (1, 0)]
    assert [*parts[0]] == ["responses/toy/parts/1-of-2"]
    assert sum(int(str(n)) for part in parts for n in part.values()) == positions["responses/toy"]
    with pytest.raises(ConfigurationError, match="holds parts of this store; finish and merge"):
        make_stores(recipe, run)
    message = r"part 0/2 of the targets needs all responses, and .*toy is not finished; write those"
    with pytest.raises(ConfigurationError, match=message):
        make_stores(recipe, run, part=Part(0, 2))
    merge_store(run / "responses" / "toy")
    for index in (0, 1):
        make_stores(recipe, run, part=Part(index, 2))
    merge_store(run / "targets" / "toy")
    assert stores(run) == stores(whole)
    assert make_stores(recipe, run) == positions  # nothing is left to do


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_processes_write_what_one_does(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_context", multiprocessing.get_context("fork"))
    whole, run = tmp_path / "whole", tmp_path / "run"
    prepare_stores(recipe, whole)
    engine = Engine(processes=2)
    assert [*prepare_stores(recipe, run, last="responses", engine=engine)] == ["responses/toy"]
    assert not (run / "targets").exists()
    positions = prepare_stores(recipe, run, engine=engine)
    assert positions == make_stores(recipe, whole, engine=engine)
    assert stores(run) == stores(whole)
    assert (run / "recipe.yaml").exists()
