"""A new run takes over what would come out equal, and says why it does not take over the rest."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from specialize import pipeline
from specialize.cli.stages import cli
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import override_recipe, record_recipe
from specialize.errors import ConfigurationError
from specialize.stages.recipe_stores import make_stores
from specialize.stages.reuse import find_reusable, take_over
from specialize.store import Store, verify
from specialize.teacher import opening
from tests.support import toys
from tests.support.scripted_teacher import ScriptedTeacher


def says(prompt: str, _turn: int) -> tuple[str, str]:
    return "It is 7. The answer is 7.", "eos"


def no_teacher(*_: object) -> None:
    raise AssertionError("a teacher was opened")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A recipe and a run that has its responses and targets."""
    folder = tmp_path_factory.mktemp("reuse")
    tokenizer = toys.write_world(folder, count=6)
    run = folder / "begun"
    teacher = {"model": "scripted", "samples": 2, "top_logprobs": 4, "temperature": 0.5}
    recipe = toys.toy_recipe(folder, teachers={"toy": teacher})
    record_recipe(recipe, run)
    scripted = ScriptedTeacher(tokenizer, says)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open_teacher", lambda *_: nullcontext(scripted))
        make_stores(recipe, run)
    return recipe, run


def test_equal_parts_are_taken_over(
    world: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    changed = override_recipe(recipe, ["optimization.learning_rate=1e-5", "optimization.steps=3"])
    said = take_over(find_reusable(changed, run), run, tmp_path / "new")
    assert said == [f"{kind}/toy: reused from {run}" for kind in ("responses", "targets")]
    monkeypatch.setattr(opening, "open_teacher", no_teacher)
    make_stores(changed, tmp_path / "new")
    for kind in ("responses", "targets"):
        old, new = run / kind / "toy", tmp_path / "new" / kind / "toy"
        assert Store.open(new).digest == Store.open(old).digest
        assert verify(new).ok
        for file in (old / "shards").iterdir():
            assert file.samefile(new / "shards" / file.name)
        assert not (old / "manifest.jsonl").samefile(new / "manifest.jsonl")
    assert take_over(find_reusable(changed, run), run, tmp_path / "new") == []


OTHERS = [
    ("alignment.top_k=2", None, "k: 5 in the store, 2 now"),
    ("alignment.policy=chunk", None, "settings.policy: 'prefix' in the store, 'chunk' now"),
    ("teachers.toy.samples=3", "teachers.toy.samples: 2 in the run, 3 now", "its responses are"),
    ("teachers.toy.model=other", "teachers.toy.model: 'scripted' in", "its responses are"),
    ("teachers.toy.device=cpu", None, None),
    ("train_on.limit=4", "the questions that are asked, or their prompts", "its responses are"),
    ("seed=4", "seed: 0 there, 4 now", "its responses are"),
    ("selection=knee", None, None),
    ("training.max_target_tokens=9", None, None),
]


@pytest.mark.parametrize(("change", "responses", "targets"), OTHERS, ids=[o[0] for o in OTHERS])
def test_what_differs_is_said(
    world: tuple[Recipe, Path], change: str, responses: str | None, targets: str | None
) -> None:
    recipe, run = world
    found = find_reusable(override_recipe(recipe, [change]), run)
    for part, why in zip(found, (responses, targets), strict=True):
        assert (part.why_anew is None) == (why is None), part
        assert why is None or part.why_anew.startswith(why)


def test_an_unfinished_store_and_an_unknown_teacher(
    world: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, run = world
    shutil.copytree(run, tmp_path / "begun")
    (tmp_path / "begun" / "responses" / "toy" / "summary.json").unlink()
    first, second = find_reusable(recipe, tmp_path / "begun")
    assert "is not finished" in first.why_anew
    assert second.why_anew == "its responses are"
    values = recipe.model_dump(mode="json")
    other = Recipe.model_validate(
        {**values, "teachers": {**values["teachers"], "new": {"model": "m"}}}
    )
    assert find_reusable(other, run)[-1].why_anew == "that run has no teacher 'new'"


def test_a_run_is_not_its_own_source(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    with pytest.raises(ConfigurationError, match="to continue it, leave out --from"):
        take_over(find_reusable(recipe, run), run, run)


def test_imported_targets_are_taken_over_as_they_are(tmp_path: Path) -> None:
    toys.write_world(tmp_path, count=4)
    recipe = toys.toy_recipe(tmp_path)
    record_recipe(recipe, tmp_path / "run")
    (part,) = find_reusable(recipe, tmp_path / "run")
    assert (part.kind, part.why_anew) == ("targets", None)


def test_the_dry_run_says_it(
    world: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world[1]
    monkeypatch.setattr(opening, "open_teacher", no_teacher)
    new = str(tmp_path / "new")
    asked = ["run", "--from", str(run), "--out", new, "--dry-run", "--set", "alignment.top_k=2"]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.output
    assert "responses/toy: reused" in done.output
    assert "targets/toy: made anew: k: 5 in the store, 2 now" in done.output
    assert not (tmp_path / "new").exists()
    refused = CliRunner().invoke(cli, ["run", "--out", new])
    assert refused.exit_code == 2
    assert "name a RECIPE, or a run to take it from with --from" in refused.output


def test_a_dry_run_refuses_what_the_run_refuses(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    with pytest.raises(ConfigurationError, match=r"optimization\.learning_rate: 0\.001 in the run"):
        pipeline.plan_recipe(override_recipe(recipe, ["optimization.learning_rate=1"]), run)
