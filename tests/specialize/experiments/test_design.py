"""Experiments as values: every arm makes a recipe, what is named exists, plans need no network."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from specialize.errors import ConfigurationError
from specialize.experiments import EXPERIMENTS, find_experiment, one_step, world
from specialize.experiments.cells import cells_of, groups
from specialize.experiments.design import Arm, Contrast, Experiment, Scale
from specialize.experiments.planning import plan, scale_of
from specialize.recipes.tinyllm import DEMONSTRATIONS
from tests.support.commands import specialize


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_every_arm_changes_the_recipe_as_it_says(experiment: Experiment, tmp_path: Path) -> None:
    found = {arm.name: experiment.recipe(tmp_path, arm, 3) for arm in experiment.arms}
    assert all(recipe.seed == 3 for recipe in found.values())
    plain = [
        recipe.model_copy(update={"name": ""}).digest for recipe in found.values()
    ]  # an override that changes nothing would make two arms of one
    assert len(set(plain)) == len(experiment.arms)


def test_what_is_named_exists() -> None:
    experiment = find_experiment("x02")
    assert experiment.name == "X02"
    with pytest.raises(ConfigurationError, match="no experiment 'X99'; there are: X01"):
        find_experiment("X99")
    with pytest.raises(ConfigurationError, match="X02 has no arm 'rows 9'; it has: text 2"):
        experiment.arm("rows 9")
    with pytest.raises(ValueError, match="X02 has no arm 'lost'"):
        replace(experiment, contrasts=(Contrast("?", ("lost",), ("text 2",)),))
    with pytest.raises(ValueError, match="X02 has two arms of one name"):
        replace(experiment, arms=(*experiment.arms, Arm("text 2")))
    with pytest.raises(ValueError, match="needs as many arms added as taken away"):
        Contrast("?", ("a", "b"), ("c",))


def test_what_is_held_equal(tmp_path: Path) -> None:
    """Arms of one comparison have the same steps, and as many rows or questions in each."""
    recipes = {
        (name, arm.name): EXPERIMENTS[name].recipe(tmp_path, arm, 0)
        for name in ("X03", "X05", "X06", "X08", "X09", "X09A")
        for arm in EXPERIMENTS[name].arms
    }
    for (name, arm), recipe in recipes.items():
        rows = recipe.optimization.batch_rows * recipe.optimization.accumulation
        if name in ("X08", "X09", "X09A"):  # joint: whole questions
            assert rows == one_step.TOGETHER * len(recipe.objectives)
            assert {o.weight for o in recipe.objectives} == {1.0}, arm
        else:
            assert (rows, recipe.optimization.steps) == (world.ROWS, world.STEPS)
        assert recipe.optimization.steps == recipe.training.checkpoint_every  # nothing is selected
        measures = EXPERIMENTS[name].measures
        assert len(recipe.evaluation.formats) == 1 + len(measures)
    second = recipes["X09", "both"].teachers["second"]
    assert (second.forced, second.num_fewshot) == (True, DEMONSTRATIONS)
    assert recipes["X05", "formats together"].objectives == tuple(
        recipes["X05", "formats at random"].objectives
    )


def test_cells_that_ask_the_same_share_a_dump(tmp_path: Path) -> None:
    experiment = find_experiment("X10")
    arms = ["prefix k5", "one-to-one k5", "k16", "5 drawn entries"]
    grouped = groups(cells_of(experiment, tmp_path, arms=arms, seeds=(0, 1)))
    assert [[cell.arm.name for cell in group] for group in grouped] == [arms[:3], arms[3:]] * 2
    assert [group[0].seed for group in grouped] == [0, 0, 1, 1]


def test_a_plan_multiplies_counts(tmp_path: Path) -> None:
    cells = cells_of(find_experiment("X10"), tmp_path, arms=["prefix k5", "k16"], seeds=(0,))
    small = plan(cells, Scale(questions=10, question_tokens=3, solution_tokens=7))
    assert (small["cells"], small["dumps"], small["teacher_tokens"]) == (2, 1, 10 * 2 * 7)
    assert small["training_tokens"] == 2 * 100 * 24 * (3 + 7)
    both = [plan(cells_of(find_experiment(name), tmp_path), Scale()) for name in ("X03", "X06")]
    answered = [each["answer_tokens"] / each["cells"] for each in both]
    assert answered[0] == 2 * answered[1]  # two formats
    hours = [plan(cells, Scale(teraflops=speed))["device_hours"] for speed in (1.0, 2.0)]
    assert hours[0] == pytest.approx(2 * hours[1])


def test_a_plan_counts_rounds(tmp_path: Path) -> None:
    """Texts that are written once more and scored, their steps, and answers of the last alone."""
    arms = {"first stage": 1, "on-policy": 3}  # stages, each with a text to each question
    for arm, stages in arms.items():
        cells = cells_of(find_experiment("X16"), tmp_path, arms=[arm], seeds=(0,))
        planned = plan(cells, Scale(questions=10, question_tokens=3, solution_tokens=7))
        assert planned["teacher_tokens"] == stages * 10 * 7
        assert planned["training_tokens"] == stages * 60 * 24 * (3 + 7)
        assert planned["answer_tokens"] == (2 * 600 + (stages - 1) * 10) * (3 + 7)


def test_a_plan_counts_each_size_and_the_answers_before_training(tmp_path: Path) -> None:
    def planned(arm: str, before: bool) -> dict[str, object]:
        scale = replace(find_experiment("X01"), before=before)
        free = Scale(teacher_parameters=0, questions=10)
        return plan(cells_of(scale, tmp_path, arms=[arm], seeds=(0,)), free)

    sizes = {arm.name: arm.size for arm in find_experiment("X01").arms}
    small, large = planned("0.3M", True), planned("1M", True)
    times = sizes["1M"] / sizes["0.3M"]
    assert large["device_hours"] == pytest.approx(times * small["device_hours"])
    assert small["answer_tokens"] == 2 * planned("0.3M", False)["answer_tokens"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_plan_is_made_without_a_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", None)
    experiment = find_experiment(name)
    planned = plan(cells_of(experiment, tmp_path), scale_of("google/flan-t5-base", "gsm8k"))
    assert planned["cells"] == len(experiment.arms) * len(experiment.seeds)
    counts = ("teacher_tokens", "training_tokens", "disk_bytes_at_most", "device_hours")
    assert all(planned[each] > 0 for each in counts)
    assert not list(tmp_path.iterdir())


def test_sizes_are_known_without_a_network() -> None:
    assert scale_of("org/SmolLM2-360M-Instruct", "gsm8k").parameters == 360e6
    assert scale_of("Qwen/Qwen3-1.7B", "gsm8k").parameters == 1.7e9
    with pytest.raises(ConfigurationError, match="the size of 'my-model' is not known"):
        scale_of("my-model", "gsm8k")
    with pytest.raises(ConfigurationError, match="the size of 'mine' is not known; known: gsm8k"):
        scale_of("google/flan-t5-base", "mine")


def test_commands_that_run_nothing(tmp_path: Path) -> None:
    listed = json.loads(specialize(tmp_path, "experiment", "ls", "--json").stdout)
    assert listed.keys() == EXPERIMENTS.keys()
    asked = ["experiment", "X02", "--dry-run", "--student", "google/flan-t5-base", "--data"]
    done = specialize(tmp_path, *asked, "gsm8k", "--json")
    planned = json.loads(done.stdout)
    assert planned["cells"] == 3 * len(EXPERIMENTS["X02"].arms)
    assert planned["assumed"]["questions"] == 7473
    for words, says in (
        (["--student", "google/flan-t5-base"], "add --dry-run"),
        (["--dry-run", "--data", "gsm8k"], "name that, too"),
    ):
        refused = specialize(tmp_path, "experiment", "X02", *words)
        assert (refused.returncode, says in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())
    done = specialize(tmp_path, "experiment", "X02", "--page", "pages")
    assert done.returncode == 3
    assert "no outcomes at pages/X02.json; run the experiment first" in done.stderr
