"""A key's further names: those of transformers beside ours, earlier ones with a note."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from specialize.config.recipe import Evaluation, Recipe
from specialize.config.section import Strict
from specialize.config.sections import current_names, section_at
from specialize.config.training import Optimization, Training
from specialize.config.yaml_files import (
    build_recipe,
    build_teacher,
    override_recipe,
    read_recipe,
)
from specialize.errors import ConfigurationError

PLAIN: dict[str, object] = {
    "student": "here",
    "train_on": {"set": "gsm8k"},
    "teachers": {"stop": {"model": "m"}, "server": {"model": "n"}},
    "objectives": [{"name": "a", "format": "zero-shot-cot", "target": "rationale",
                    "teacher": "stop"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("section", "other", "name", "value"),
    [
        ("optimization", "max_steps", "steps", 7),
        ("optimization", "lr_scheduler_type", "schedule", "linear"),
        ("optimization", "per_device_train_batch_size", "batch_rows", 3),
        ("optimization", "gradient_accumulation_steps", "accumulation", 5),
        ("optimization", "max_grad_norm", "clip", 0.5),
        ("training", "save_steps", "checkpoint_every", 9),
        ("training", "save_total_limit", "keep_checkpoints", 2),
    ],
)
def test_names_of_transformers_are_accepted(caplog, section, other, name, value) -> None:
    recipe = build_recipe(PLAIN | {section: {other: value}})
    assert vars(vars(recipe)[section])[name] == value
    assert override_recipe(build_recipe(PLAIN), [f"{section}.{other}={value}"]) == recipe
    assert not caplog.text
    assert other not in recipe.to_yaml()
    with pytest.raises(ConfigurationError, match=f"{other} is another name of {name}; give one"):
        build_recipe(PLAIN | {section: {other: value, name: value}})


@pytest.mark.parametrize(
    ("override", "now"),
    [
        ("teachers.server.demonstrations=2", "teachers.server.num_fewshot=2"),
        ("teachers.server.top_k=9", "teachers.server.top_logprobs=9"),
        ("teachers.server.entry_mass=0.5", "teachers.server.top_p_mass=0.5"),
        ("teachers.stop.draws=4", "teachers.stop.num_samples=4"),
        ("objectives.0.demonstrations=2", "objectives.0.num_fewshot=2"),
        ("evaluation.demonstrations=2", "evaluation.num_fewshot=2"),
        ("evaluation.stop=['Q:']", "evaluation.until=['Q:']"),
        ("training.label_share=0.1", "training.hard_label_weight=0.1"),
    ],
)
def test_earlier_names_are_accepted_with_a_note(caplog, override: str, now: str) -> None:
    plain = build_recipe(PLAIN)
    wanted = override_recipe(plain, [now])
    assert wanted != plain
    assert not caplog.text
    with caplog.at_level(logging.WARNING):
        assert override_recipe(plain, [override]) == wanted
    old, new = (text.partition("=")[0].rpartition(".")[2] for text in (override, now))
    assert f"the recipe key {old} is now {new}" in caplog.text


def test_a_file_may_mix_names_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "student: here\ntrain_on: {set: gsm8k}\nobjectives:\n"
        "  - {name: a, format: zero-shot-answer, target: answer, demonstrations: 1}\n"
        "optimization: {max_steps: 5}\n"
    )
    recipe = read_recipe(path, ["optimization.steps=6", "objectives.0.num_fewshot=2"])
    assert recipe.optimization.steps == 6
    assert recipe.objectives[0].num_fewshot == 2


def test_names_of_teachers_are_no_keys() -> None:
    recipe = build_recipe(PLAIN)
    assert set(recipe.teachers) == {"stop", "server"}
    assert current_names({"teachers": {"stop": {}}}) == {"teachers": {"stop": {}}}
    assert section_at(("teachers", "server")).__name__ == "Teacher"
    assert section_at(("teachers", "x", "server")).__name__ == "Server"
    assert build_teacher({"model": "m"}, ["top_k=3"]).top_logprobs == 3


def test_python_takes_the_same_names() -> None:
    assert Optimization.model_validate({"max_steps": 3}).steps == 3
    assert Training.model_validate({"save_steps": 3}).checkpoint_every == 3
    assert Evaluation.model_validate({"stop": ["x"]}).until == ("x",)


def test_a_misspelt_other_name_is_suggested() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'max_grad_norm'"):
        build_recipe(PLAIN | {"optimization": {"max_gard_norm": 1}})


def test_the_schema_describes_every_key_under_every_name() -> None:
    schema = Recipe.model_json_schema()
    sections = {"Recipe": schema, **schema["$defs"]}
    models = {each.__name__: each for each in Strict.__subclasses__()}
    for name, model in models.items():
        if name not in sections:
            continue
        properties = sections[name]["properties"]
        assert set(properties) == set(model.known_keys())
        undescribed = [key for key, value in properties.items() if not value.get("description")]
        assert not undescribed, name
    assert sections["Training"]["properties"]["label_share"]["deprecated"]
    assert "transformers" in sections["Optimization"]["properties"]["max_steps"]["description"]
