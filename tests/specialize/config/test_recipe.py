"""Recipes: strict reading, overrides, the record of a run."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from specialize.config.compare import conflicts
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import (
    build_recipe,
    build_teacher,
    override_recipe,
    read_recipe,
    record_recipe,
    recorded_recipe,
)
from specialize.errors import ConfigurationError
from specialize.recipes import RECIPES, find_recipe
from specialize.selection.rules import RULES, RuleForm

PLAIN = """
name: small
student: here/student
train_on: {set: gsm8k, path: train.jsonl}
teachers: {big: {samples: 4}}
objectives:
  - {name: cot, format: zero-shot-cot, target: distribution, teacher: big}
  - {name: answer, format: zero-shot-answer, target: answer}
optimization: {learning_rate: 1e-5, steps: 20}
evaluation:
  sets:
    - {set: svamp, role: out-of-distribution, protocol: first, limit: 5}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_reads_what_yaml_would_take_for_text(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, PLAIN))
    assert recipe.optimization.learning_rate == 1e-5
    assert recipe.objectives[1].target == "answer"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 20", "step: 20", r"unknown key 'optimization.step'; did you mean 'steps'\?"),
        ("student:", "studnet:", r"unknown key 'studnet'; did you mean 'student'\?"),
        ("samples: 4", "sample: 4", r"unknown key 'teachers.big.sample'; did you mean 'samples'"),
        ("limit: 5", "limits: 5", r"did you mean 'limit'"),
        ("name: small", "name: small\nname: big", "the key 'name' appears twice"),
        ("steps: 20", "steps: many", r"optimization.steps: .*integer.* got 'many'"),
        ("steps: 20", "steps: 0", r"optimization.steps: .*greater than or equal to 1, got 0"),
        ("teacher: big", "teacher: huge", "wants teacher 'huge'; teachers of this recipe: big"),
        (", teacher: big", "", "has target 'distribution' but no teacher"),
        ("format: zero-shot-cot", "format: zero-shot", "format 'zero-shot'; known formats: "),
        ("protocol: first, limit: 5", "protocol: first", "protocol 'first' but no limit"),
        ("protocol: first, limit: 5", "protocol: index", "protocol 'index' but no index file"),
        ("protocol: first, limit: 5", "protocol: files", r"no \{split\} in its path"),
        ("name: answer", "name: cot", "two objectives are named 'cot'"),
        ("student: here/student", "student: [", "is not YAML"),
    ],
)
def test_a_mistake_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PLAIN
    with pytest.raises(ConfigurationError, match=message):
        read_recipe(written(tmp_path, PLAIN.replace(old, new)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: No such file"):
        read_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match="built-in recipes: specialization"):
        find_recipe(Path("specialisation"))
    written(tmp_path, PLAIN)
    with pytest.raises(ConfigurationError, match=r"is a run; its recipe is .*/recipe\.yaml"):
        find_recipe(tmp_path)


def test_a_list_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a mapping of keys, got list"):
        read_recipe(written(tmp_path, "- a\n- b\n"))


def test_overrides_reach_nested_values_and_list_items(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    recipe = read_recipe(
        path, ["optimization.steps=7", "objectives.1.weight=2.5", "training.tail=renormalize"]
    )
    assert recipe.optimization.steps == 7
    assert recipe.objectives[1].weight == 2.5
    assert recipe.training.tail == "renormalize"
    again = override_recipe(recipe, ["seed=3"])
    assert (again.seed, again.optimization.steps) == (3, 7)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", "write it as key.key=value"),
        ("objectives.9.weight=1", "there is no '9'"),
        ("name.x=1", "cannot be set there"),
        ("optimization.stepz=1", r"did you mean 'steps'"),
    ],
)
def test_a_wrong_override_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_recipe(written(tmp_path, PLAIN), [override])


def test_a_run_keeps_its_recipe(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, PLAIN))
    run = tmp_path / "run"
    record_recipe(recipe, run)
    assert recorded_recipe(run) == recipe
    record_recipe(override_recipe(recipe, ["selection=in-distribution"]), run)
    assert recorded_recipe(run).selection == "in-distribution"
    with pytest.raises(ConfigurationError, match=r"optimization\.steps: 20 in the run, 19 now"):
        record_recipe(override_recipe(recipe, ["optimization.steps=19"]), run)
    with pytest.raises(ConfigurationError, match=r"no run's directory"):
        recorded_recipe(tmp_path / "empty")


@pytest.mark.parametrize(
    ("override", "continues"),
    [
        ("training.checkpoint_every=7", True),
        ("training.keep_checkpoints=1", True),
        ("running.packing=true", True),
        ("evaluation.formats=[zero-shot-answer]", True),
        ("optimization.steps=21", True),
        ("optimization.steps=19", False),
        ("training.dropout=0.1", False),
        ("optimization.learning_rate=1e-4", False),
        ("objectives.0.weight=2", False),
        ("train_on.limit=3", False),
        ("lora={rank: 4}", False),
    ],
)
def test_one_rule_says_which_recipes_continue_a_run(
    tmp_path: Path, override: str, continues: bool
) -> None:
    recipe = read_recipe(written(tmp_path, PLAIN))
    changed = override_recipe(recipe, [override])
    before, now = (each.model_dump(mode="json") for each in (recipe, changed))
    assert (not conflicts(before, now)) is continues
    record_recipe(recipe, tmp_path / "run")
    with (
        contextlib.nullcontext() if continues else pytest.raises(ConfigurationError, match="begun")
    ):
        record_recipe(changed, tmp_path / "run")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_built_in_recipe_survives_yaml(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]()
    path = written(tmp_path, recipe.to_yaml())
    assert read_recipe(path) == recipe
    assert read_recipe(path).digest == recipe.digest
    assert find_recipe(Path(name)) == recipe


def test_a_teachers_settings_are_checked() -> None:
    assert build_teacher({"model": "x", "samples": 3}).samples == 3
    with pytest.raises(ConfigurationError, match="temperature"):
        build_teacher({"temperature": 0})


def test_an_empty_recipe_names_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="student"):
        build_recipe({})
    assert "student" in Recipe.model_fields


@pytest.mark.parametrize("form", RULES, ids=lambda form: form.written)
def test_every_selection_rule_is_a_recipe_s(tmp_path: Path, form: RuleForm) -> None:
    name = form.written.replace("[", "").replace("]", "")
    for placeholder in ("WEIGHT", "DROP", "SHARE"):
        name = name.replace(placeholder, "0.25")
    recipe = read_recipe(written(tmp_path, f"{PLAIN}selection: {name}\n"))
    assert recipe.selection == name
    assert override_recipe(recipe, [f"selection={name}"]).selection == name


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("kne", "selection.*unknown rule 'kne'; did you mean 'knee'"),
        ("within-drop:x", "'x' is not a number"),
        ("mean:1.5", "a weight lies between 0 and 1"),
    ],
)
def test_a_rule_that_is_none_is_refused(tmp_path: Path, rule: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_recipe(written(tmp_path, f"{PLAIN}selection: {rule}\n"))
