"""Step-by-step and TinyLLM as recipes: weights, baselines, ablations, a run, held-out questions."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize import datasets
from specialize.config import trust
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.datasets.recipe_sets import take_fraction, training_examples
from specialize.errors import ConfigurationError
from specialize.evaluate.planning import EvaluationPlan
from specialize.formats import by_name
from specialize.pipeline import evaluate_run, run_recipe
from specialize.recipes import RECIPES
from specialize.recipes.step_by_step import step_by_step
from specialize.recipes.tinyllm import (
    tinyllm,
    with_alphas,
    without_examples,
    without_forcing,
    without_teacher,
)
from specialize.records import Example
from specialize.stages.recipe_stores import make_stores
from specialize.store import Store
from specialize.tokens import load_tokenizer
from specialize.train.session import prepare_rows
from tests.support import toys

MODELS = Path(__file__).parents[3] / "specialize" / "quickstart" / "models"


def weights(recipe: Recipe) -> dict[str, float]:
    return {objective.name: objective.weight for objective in recipe.objectives}


def test_alpha_and_lambda_weigh_the_two_tasks() -> None:
    assert weights(step_by_step(alpha=0.8)) == pytest.approx({"predict": 0.8, "explain": 0.2})
    assert weights(step_by_step(lambda_=0.3)) == {"predict": 1.0, "explain": 0.3}
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got 1"):
        step_by_step(alpha=1)


def test_prefixes_of_the_code_and_of_the_paper() -> None:
    asked = Example("x/0", "Why?", "so")
    paper = step_by_step(prefixes=("answer:[label]", "rationale:[rationale]"))
    prompts = [
        [by_name(objective.format).prompt(asked) for objective in recipe.objectives]
        for recipe in (step_by_step(), paper)
    ]
    assert prompts == [
        ["predict: Why?", "explain: Why?"], ["[label] Why?", "[rationale] Why?"]
    ]  # fmt: skip
    assert paper.evaluation.formats == ("answer:[label]",)  # prediction needs the label alone


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_its_own_file(name: str) -> None:
    recipe = RECIPES[name]()
    assert build_recipe(recipe.model_dump(mode="json")) == recipe
    assert recipe.evaluation.sets


def test_baselines_differ_in_objectives_alone() -> None:
    told = {name: RECIPES[name]() for name in ("fine-tuning", "distillation", "single-task")}
    (label,), (distilled,), (single,) = (recipe.objectives for recipe in told.values())
    assert (label.teacher, distilled.teacher, single.target) == (None, "palm", "solution")
    assert by_name(label.format).prompt(Example("x/0", "Why?", "so")) == "Why?"  # no prefix
    for recipe in told.values():
        assert recipe.optimization == RECIPES["step-by-step"]().optimization
        assert recipe.train_on == RECIPES["step-by-step"]().train_on


def test_any_number_of_teachers() -> None:
    recipe = tinyllm({"a": 1.0, "b": 2.0, "c": 0.5}, models={"a": "m"})
    assert weights(recipe) == {"predict": 1, "explain-a": 1, "explain-b": 2, "explain-c": 0.5}
    assert [o.missing for o in recipe.objectives] == ["refuse", "mask", "mask", "mask"]
    asked = recipe.teachers["a"]
    assert (asked.mode, asked.forced, asked.num_fewshot) == ("rationale", True, 2)


def test_ablations() -> None:
    recipe = tinyllm({"a": 1.0, "b": 1.0}, models={"a": "m", "b": "n"})
    alone = without_teacher(recipe, "a")
    assert (list(alone.teachers), list(weights(alone))) == (["b"], ["predict", "explain-b"])
    with pytest.raises(ValueError, match="has no teacher 'c'; it has: a, b"):
        without_teacher(recipe, "c")
    assert {t.num_fewshot for t in without_examples(recipe).teachers.values()} == {0}
    assert {t.forced for t in without_forcing(recipe).teachers.values()} == {False}
    with pytest.raises(ValueError, match="teacher 'flan-t5' has no model"):
        without_forcing(tinyllm())
    low, high = with_alphas(recipe, (0.1, 3.0))
    assert weights(low) == {"predict": 1, "explain-a": 0.1, "explain-b": 0.1}
    assert (high.name, weights(high)["explain-b"]) == ("tinyllm-alpha-3", 3)


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=60), st.data())
def test_a_smaller_fraction_is_part_of_a_larger(numbers: list[int], data: st.DataObject) -> None:
    found = [Example(f"x/{n}", f"Number {n}?", "1") for n in numbers]
    small, large = sorted(data.draw(st.tuples(*[st.floats(0.01, 1)] * 2)))
    fewer, more = take_fraction(found, small), take_fraction(found, large)
    assert [e for e in more if e in fewer] == fewer
    assert len(more) == max(1, round(large * len(found)))
    assert take_fraction(list(reversed(found)), large) == list(reversed(more))


# ---- whole runs --------------------------------------------------------------------------------

OBJECTIVES = [
    {"name": "predict", "format": "predict", "target": "answer", "weight": 0.5},
    {"name": "explain", "format": "explain", "target": "rationale", "teacher": "toy",
     "keep": "all", "weight": 0.5},
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("multitask")
    toys.write_world(folder)
    return folder


def toy(world: Path, **changes: object) -> Recipe:
    recipe = toys.toy_recipe(
        world, objectives=OBJECTIVES, training={"mixing": "joint", "checkpoint_every": 4}
    )
    values = recipe.model_dump(mode="json")
    values["evaluation"] |= {"formats": ["predict"], "max_new_tokens": 4}
    return build_recipe(values | changes)


def test_validation_chooses_and_test_is_scored_once(world: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world / "run", run)
    run_recipe(toy(world), run)
    scores = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    chosen = json.loads((run / "selection.json").read_text())["checkpoint"]
    validated = {s["checkpoint"] for s in scores if s["split"] == "validation"}
    tested = {s["checkpoint"] for s in scores if s["split"] == "test"}
    assert validated == {"step-000000", "step-000004", "step-000008"}
    assert tested == {"step-000000", chosen}
    with pytest.raises(ConfigurationError, match="test is scored for the selected checkpoint"):
        evaluate_run(run, "test", steps=[4])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(set(line["objectives"]) == {"predict", "explain"} for line in lines)


def test_test_rows_reach_nothing_but_the_test(world: Path, tmp_path: Path) -> None:
    """Neither training nor unlabelled questions, demonstrations, teachers nor selection."""
    held = datasets.load("jsonl", world / "test.jsonl") + datasets.load(
        "jsonl", world / "validation.jsonl"
    )
    train = datasets.load("jsonl", world / "train.jsonl")
    copied = [  # the same questions under other ids, in other spelling
        Example(f"copy/{i}", e.question.upper() + "  ", e.answer, e.rationale)
        for i, e in enumerate(held)
    ]
    mixed = toys.write_examples(tmp_path / "mixed.jsonl", train + copied)
    more = {"set": "jsonl", "path": str(mixed)}
    recipe = toy(world, train_on=more, unlabelled=[more])
    training = training_examples(recipe)
    assert training.dropped == 2 * len(held)
    forbidden = {e.question.casefold().strip() for e in held}
    assert not forbidden & {e.question.casefold().strip() for e in training.questions}
    run = tmp_path / "run"
    shutil.copytree(world / "run", run)
    rows = prepare_rows(recipe, run)
    assert {row.key[0] for row in rows.rows} <= {e.id for e in train}
    shown_in = {"formats": ["in-context-cot"], "num_fewshot": 2}
    evaluation = recipe.evaluation.model_dump() | shown_in
    plan = EvaluationPlan(build_recipe(recipe.model_dump() | {"evaluation": evaluation}))
    for asked in plan.of("test"):
        for prompt, example in zip(asked.prompts, asked.examples, strict=True):
            shown = prompt.casefold().replace(example.question.casefold(), "", 1)
            assert not any(question in shown for question in forbidden)
    same_ids = toys.write_examples(tmp_path / "same.jsonl", train + held)
    with pytest.raises(ConfigurationError, match="are held out for evaluation"):
        training_examples(toy(world, train_on={"set": "jsonl", "path": str(same_ids)}))
    unlabelled = toy(world, unlabelled=[{"set": "jsonl", "path": str(same_ids)}])
    with pytest.raises(ConfigurationError, match="are held out for evaluation"):
        training_examples(unlabelled)


def test_the_second_teacher_is_small_and_spells_bytes() -> None:
    folder = MODELS / "second_teacher"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6e6
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    tokenizer = load_tokenizer(folder)
    assert b"".join(tokenizer.pieces(tokenizer.encode("Ünïcode 漢字"))).decode() == " Ünïcode 漢字"


def test_two_bundled_teachers_of_different_tokenizers(tmp_path: Path) -> None:
    """Each is asked why, aligned to one student, and both are averaged over one text."""
    train = toys.examples(4, name="shop")
    toys.write_examples(tmp_path / "train.jsonl", train)
    toys.write_examples(tmp_path / "validation.jsonl", toys.examples(2, name="v", seed=8))
    toys.write_examples(tmp_path / "test.jsonl", toys.examples(2, name="t", seed=9))
    asked = {"mode": "rationale", "max_new_tokens": 12, "top_k": 4}
    given = {"mode": "score", "format": "explain"}
    first, second = str(MODELS / "teacher"), str(MODELS / "second_teacher")
    each = {"target": "distribution", "keep": "all"}
    recipe = toy(
        tmp_path,
        student=str(MODELS / "student"),
        teachers={
            "a": {"model": first, **asked}, "b": {"model": second, **asked, "forced": True},
            "a-gold": {"model": first, **given}, "b-gold": {"model": second, **given},
        },
        objectives=[
            OBJECTIVES[0],
            {"name": "explain-a", "format": "explain-a", "teacher": "a", **each},
            {"name": "explain-b", "format": "explain-b", "teacher": "b", **each, "weight": 0.5},
            {"name": "averaged", "format": "rationale:[why]", **each,
             "average": {"a-gold": 2, "b-gold": 1}},
        ],
    )  # fmt: skip
    run = tmp_path / "run"
    make_stores(recipe, run)
    names = ("a", "b", "a-gold", "b-gold")
    stores = {name: Store.open(run / "responses" / name) for name in names}
    assert stores["a"].description.fingerprint != stores["b"].description.fingerprint
    assert [s.response.answer for s in stores["b"]] == [e.answer for e in train]  # forced
    assert all("Answer: " in s.response.prompt for s in stores["b"])
    rows = prepare_rows(recipe, run)
    averaged = [row for row in rows.rows if row.objective == 3]
    assert [row.key[0] for row in averaged] == [e.id for e in train]
    for row in averaged:
        assert row.distributions.mass() == pytest.approx(1, abs=2e-2)
        assert not row.distributions.is_hard.all()
        one, other = (
            Store.open(run / "targets" / name)[row.key].distributions
            for name in ("a-gold", "b-gold")
        )
        top = int(row.distributions.ids[0])
        mass = [
            float(np.exp(r.logprobs[: r.indptr[1]])[r.ids[: r.indptr[1]] == top].sum())
            for r in (one, other)
        ]
        wanted = math.log((2 * mass[0] + mass[1]) / 3)
        assert row.distributions.logprobs[0] == pytest.approx(wanted, abs=1e-3)


def documented(name: str) -> str:
    """The file of that name as docs/recipes.md shows it."""
    text = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    return text.split(f"<!-- {name} -->\n```python\n")[1].split("```\n")[0]


def test_a_new_set_and_a_new_teacher_are_one_short_file_each(tmp_path: Path) -> None:
    (tmp_path / "my_set.py").write_text(documented("my_set.py"))
    teacher = documented("my_teacher.py").replace('"gpt2"', repr(str(MODELS / "teacher")))
    (tmp_path / "my_teacher.py").write_text(teacher)
    assert all(len(documented(f).splitlines()) < 40 for f in ("my_set.py", "my_teacher.py"))
    for split, start in (("train", 0), ("validation", 40), ("test", 60)):
        lines = "\n".join(f"{start + i} {i + 1}" for i in range(8))
        (tmp_path / f"{split}.txt").write_text(lines)
    for name in ("my_set.py", "my_teacher.py"):
        trust.allow_code(tmp_path / name)
    mine = {"model": str(tmp_path / "my_teacher.py")}
    own = {"set": str(tmp_path / "my_set.py"), "path": str(tmp_path)}
    recipe = toy(
        tmp_path,
        student=str(MODELS / "student"),
        train_on=own | {"split": "train"},
        teachers={"toy": mine | {"mode": "rationale", "top_k": 1}},
        evaluation={
            "sets": [own | {"name": "sums", "role": "in-distribution", "protocol": "published"}],
            "formats": ["predict"], "max_new_tokens": 4,
        },
        optimization={"steps": 4, "batch_rows": 4, "accumulation": 1},
    )  # fmt: skip
    run_recipe(recipe, tmp_path / "run")
    store = Store.open(tmp_path / "run" / "responses" / "toy")
    found = store["sums/train/3", 0].response
    assert (found.text, found.answer, found.correct) == ("3 + 4 = 7.", "7", True)
    assert (tmp_path / "run" / "report.md").is_file()
    with pytest.raises(ConfigurationError, match="does not define read, KIND"):
        datasets.load(str(tmp_path / "my_teacher.py"), tmp_path)
    with pytest.raises(ConfigurationError, match="there is no file"):
        datasets.load(str(tmp_path / "none.py"), tmp_path)
