"""Chats in evaluation: what a model is asked and says is what transformers makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from specialize.artifacts.predictions import Prediction, prediction_files
from specialize.artifacts.scores import read_scores
from specialize.config.chat import Chat
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_teacher
from specialize.errors import ConfigurationError
from specialize.evaluate import asking, evaluate, evaluate_model, generation
from specialize.evaluate.generation import end_tokens
from specialize.evaluate.planning import EvaluationPlan
from specialize.pipeline import run_recipe
from specialize.tokens import load_tokenizer
from tests.support import teacher_toys as toys
from tests.support.evaluation_toys import write_world

LIMIT = 24


def chat_recipe(folder: Path, **chat: object) -> Recipe:
    plain = write_world(folder, count=2)
    asked = plain.evaluation.model_copy(
        update={
            "formats": ("chat-cot", "in-context-chat-answer"),
            "sets": plain.evaluation.sets[:1],
            "max_new_tokens": LIMIT,
        }
    )
    return plain.model_copy(update={"evaluation": asked, "chat": Chat(**chat)})


def ask(recipe: Recipe, folder: Path, model: Path) -> dict[str, list[Prediction]]:
    evaluate_model(recipe, folder / "run", model, label="m", step=0, split="test")
    files = prediction_files(folder / "run")
    return {file.path.name.split(".")[2]: list(file.read()) for file in files}


def test_answers_are_those_of_generate(tmp_path: Path) -> None:
    recipe = chat_recipe(tmp_path, system="Be brief.", arguments={"brief": True})
    found = ask(recipe, tmp_path, toys.chat())
    library = AutoTokenizer.from_pretrained(toys.chat())
    model = AutoModelForCausalLM.from_pretrained(toys.chat())
    tokenizer = load_tokenizer(toys.chat())
    plan = EvaluationPlan(recipe).of("test")
    assert [each.format for each in plan] == ["chat-cot", "in-context-chat-answer"]
    for prompted in plan:
        for prompt, prediction in zip(prompted.prompts, found[prompted.format], strict=True):
            turns = [turn.as_json() for turn in prompt.messages]
            assert len(turns) == (2 if prompted.format == "chat-cot" else 6)
            ids = library.apply_chat_template(
                turns, add_generation_prompt=True, return_dict=False, brief=True
            )
            made = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False,
                max_new_tokens=LIMIT, eos_token_id=list(tokenizer.ends), pad_token_id=0,
            )[0, len(ids) :].tolist()  # fmt: skip
            ended = made[-1] in tokenizer.ends
            assert prediction.text == tokenizer.decode(made[:-1] if ended else made)
            assert prediction.finished == ended


@pytest.mark.parametrize("formats", [("zero-shot-cot",), ("chat",)])
def test_every_end_of_a_model_ends_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: tuple[str, ...]
) -> None:
    """Its configuration names one; the template shows another, in whatever format it is asked."""
    recipe = chat_recipe(tmp_path)
    asked = recipe.evaluation.model_copy(update={"formats": formats})
    seen = []

    def generate(model: PreTrainedModel, *arguments: object, **named: object) -> Iterator[object]:
        seen.append(end_tokens(model))
        return generation.generate(model, *arguments, **named)

    monkeypatch.setattr(asking, "generate", generate)
    ask(recipe.model_copy(update={"evaluation": asked}), tmp_path, toys.chat())
    assert seen == [frozenset(load_tokenizer(toys.chat()).ends)]
    assert len(seen[0]) == 2


def test_other_arguments_are_other_prompts(tmp_path: Path) -> None:
    digests = [
        EvaluationPlan(chat_recipe(tmp_path, **chat)).of("test")[0].prompt_digests
        for chat in ({}, {"arguments": {"brief": True}}, {"system": "Be brief."})
    ]
    assert len({*digests}) == 3


def test_a_model_without_template_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no chat template"):
        ask(chat_recipe(tmp_path), tmp_path, toys.t5())


def test_a_student_without_template_is_refused_before_anything_is_dumped(tmp_path: Path) -> None:
    recipe = chat_recipe(tmp_path).model_copy(update={"student": str(toys.t5())})
    with pytest.raises(ConfigurationError, match="has no chat template"):
        run_recipe(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_teacher_is_asked_with_its_own_arguments(tmp_path: Path) -> None:
    plain = chat_recipe(tmp_path, arguments={"brief": True})
    teacher = build_teacher(
        {"model": str(toys.chat()), "chat": {"arguments": {"brief": False}}}, ()
    )
    recipe = plain.model_copy(update={"student": str(toys.chat()), "teachers": {"toy": teacher}})
    scores = evaluate(recipe, tmp_path / "run", split="test", with_teachers=True)
    files = {
        f.path.parent.name: [p.prompt for p in f.read()]
        for f in prediction_files(tmp_path / "run")
        if "in-context" not in f.path.name
    }
    assert files.keys() == {"step-000000", "teacher-toy"}
    assert not {*files["step-000000"]} & {*files["teacher-toy"]}
    assert len(scores) == 4
    evaluate(recipe, tmp_path / "run", split="test")  # the teacher's stay in the scores
    assert len(read_scores(tmp_path / "run" / "scores.jsonl")) == 4
