"""Evaluation end to end on toys: same tokens as ``generate``, reuse, resume, scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from specialize import datasets
from specialize.artifacts.predictions import PredictionFile, prediction_files, read_questions
from specialize.artifacts.scores import read_scores
from specialize.config.recipe import Recipe, Teacher
from specialize.errors import ConfigurationError, InputError
from specialize.evaluate import asking, evaluate, evaluate_model
from specialize.evaluate.generation import Limits, generate
from specialize.evaluate.planning import EvaluationPlan
from specialize.models.context import context_length
from specialize.records import Example
from specialize.students import checkpoints
from specialize.teacher.local.decode import CausalDecoding, shared_length
from tests.support.evaluation_toys import (
    DIMENSIONS,
    SIZE,
    random_prompts,
    tiny_bart,
    tiny_causal,
    tiny_gpt2,
    tiny_t5,
    write_checkpoint,
    write_model,
    write_world,
)

MODELS = {"t5": tiny_t5, "gpt2": tiny_gpt2}
CAUSAL = {
    "gpt2": lambda: tiny_gpt2(seed=8),
    "llama": lambda: tiny_causal(LlamaForCausalLM, LlamaConfig(**DIMENSIONS)),
    "mistral": lambda: tiny_causal(
        MistralForCausalLM, MistralConfig(**DIMENSIONS, num_key_value_heads=2, sliding_window=16)
    ),
    "opt": lambda: tiny_causal(
        OPTForCausalLM,
        OPTConfig(**DIMENSIONS, ffn_dim=32, word_embed_proj_dim=16, max_position_embeddings=512),
    ),
}


@pytest.fixture
def world(tmp_path: Path) -> tuple[Recipe, Path]:
    return write_world(tmp_path), tmp_path / "run"


def _one_by_one(model, prompt: list[int], limit: int) -> tuple[tuple[int, ...], bool]:
    ids = torch.tensor([prompt])
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=limit,
    )[0].tolist()
    made = made[1:] if model.config.is_encoder_decoder else made[len(prompt) :]
    ends = model.generation_config.eos_token_id
    end = next((i for i, token in enumerate(made) if token in np.atleast_1d(ends)), None)
    return tuple(made[:end]), end is not None


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000])
def test_generates_what_generate_does(kind: str, batch_tokens: int) -> None:
    model, prompts = MODELS[kind](seed=3), random_prompts(24, seed=1)
    model.generation_config.eos_token_id = list(range(1, 12))
    found = {}
    for batch in generate(model, prompts, Limits(12, batch_tokens)):
        assert (
            len(batch) == 1 or len(batch) * max(len(prompts[i]) for i, _ in batch) <= batch_tokens
        )
        found |= {i: (made.ids, made.finished) for i, made in batch}
    wanted = {i: _one_by_one(model, prompt, 12) for i, prompt in enumerate(prompts)}
    assert found == wanted
    ended = sum(finished for _, finished in wanted.values())
    assert 0 < ended < len(prompts), "the toy must have rows of either end"
    assert len({ids for ids, _ in wanted.values()}) > len(prompts) // 2


@pytest.mark.parametrize("count", [6, pytest.param(12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("gated", [True, False])
def test_every_t5_decodes_as_the_library_does(gated: bool, count: int) -> None:
    """Scaled and unscaled output, either feed-forward, prompts that repeat, many layers."""
    model = tiny_t5(seed=9, gated=gated, layers=3)
    prompts = [p for p in random_prompts(count, seed=4) for _ in range(2)]
    found = {i: made for batch in generate(model, prompts, Limits(40, 200)) for i, made in batch}
    for i, prompt in enumerate(prompts):
        assert (found[i].ids, found[i].finished) == _one_by_one(model, prompt, 40)
    long = [tuple(range(4, 60)) * 9]  # beyond the farthest distance that has a bucket of its own
    found = dict(next(generate(model, long, Limits(150, 10_000))))
    assert (found[0].ids, found[0].finished) == _one_by_one(model, list(long[0]), 150)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "opt"])
def test_shared_beginnings_change_no_token(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two few-shot prompts, each with several questions, some other prompts between them."""
    model = CAUSAL[kind]()
    rng = np.random.default_rng(5)
    heads = [rng.integers(2, SIZE, size=size).tolist() for size in (70, 90)]
    prompts = [head + p for p in random_prompts(9, seed=6) for head in heads]
    prompts += random_prompts(5, seed=7)
    read: list[tuple[int, int]] = []
    kept = CausalDecoding._read_once
    monkeypatch.setattr(
        CausalDecoding,
        "_read_once",
        lambda self, prefix, rows: read.append((len(prefix), rows)) or kept(self, prefix, rows),
    )
    found = {i: made for batch in generate(model, prompts, Limits(9, 9000)) for i, made in batch}
    for i, prompt in enumerate(prompts):
        assert (found[i].ids, found[i].finished) == _one_by_one(model, prompt, 9), i
    assert read == ([] if kind == "mistral" else [(70, 9), (90, 9)])


def test_shared_length_leaves_every_prompt_a_token() -> None:
    assert shared_length([[1, 2, 3], [1, 2]]) == 1
    assert shared_length([[1, 2, 3], [1, 2, 4], [1, 2, 3]]) == 2
    assert shared_length([[5], [6]]) == 0


def test_an_encoder_decoder_of_another_kind() -> None:
    model, prompts = tiny_bart(seed=2), random_prompts(10, seed=8)
    found = {i: made for batch in generate(model, prompts, Limits(8, 60)) for i, made in batch}
    for i, prompt in enumerate(prompts):
        assert (found[i].ids, found[i].finished) == _one_by_one(model, prompt, 8)


def test_a_context_bounds_every_row_alone() -> None:
    model, prompts = tiny_gpt2(seed=5, context=20), random_prompts(16, seed=2)
    found = {i: made for batch in generate(model, prompts, Limits(12, 400)) for i, made in batch}
    for i, prompt in enumerate(prompts):
        ids, finished = _one_by_one(model, prompt, min(12, 20 - len(prompt)))
        assert (found[i].ids, found[i].finished) == (ids, finished)
    with pytest.raises(ValueError, match="leaves no room in a context of 20"):
        list(generate(model, [[5] * 20], Limits(4, 400)))


def test_context_length_of_each_kind() -> None:
    assert context_length(tiny_t5(seed=0).config) is None
    assert context_length(tiny_gpt2(seed=0, context=33).config) == 33


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(0, 10)


def test_every_checkpoint_answers_every_set(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    write_checkpoint(run, 20)
    write_checkpoint(run, 10)
    (run / "checkpoints" / "step-000030.partial").mkdir()
    scores = evaluate(recipe, run)
    assert [(s.checkpoint, s.step, s.set) for s in scores] == [
        (f"step-{step:06d}", step, name) for step in (0, 10, 20) for name in ("near", "far", "wide")
    ]
    assert all(s.split == "validation" and s.accuracy.total == 6 for s in scores)
    assert read_scores(run / "scores.jsonl") == scores
    file = PredictionFile.of(run, "step-000010", "near", "validation", "zero-shot-cot")
    predictions = file.read()
    examples = datasets.load(
        "jsonl", recipe.evaluation.sets[0].path.replace("{split}", "validation")
    )
    assert [p.id for p in predictions] == [e.id for e in examples]
    assert [p.gold for p in predictions] == [e.answer for e in examples]
    assert read_questions(run, "near", "validation") == {e.id: e for e in examples}


def test_an_interruption_adds_no_candidate(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    for step in (0, 10, 20):
        write_checkpoint(run, step)
    with checkpoints.writing(run, 15) as folder:
        write_model(tiny_t5(seed=15), folder)
        checkpoints.mark_interrupted(folder)
    asked = {score.step for score in evaluate(recipe, run)}
    assert asked == {0, 10, 20}
    named = next(c for c in checkpoints.complete(run) if c.step == 15)
    assert {s.step for s in evaluate(recipe, run, checkpoints=[named])} == {15}, "asked by name"


def test_predictions_are_the_model_s_own(world: tuple[Recipe, Path]) -> None:
    """Against a model asked by hand, prompt by prompt."""
    recipe, run = world
    evaluate(recipe, run, checkpoints=[write_checkpoint(run, 10)])
    model = tiny_t5(seed=10)
    tokenizer = asking.load_tokenizer(run / "checkpoints" / "step-000010")
    file = PredictionFile.of(run, "step-000010", "far", "validation", "zero-shot-cot")
    questions = read_questions(run, "far", "validation")
    for prediction in file.read():
        prompt = f"Q: {questions[prediction.id].question}\nLet's think step by step\n"
        ids, finished = _one_by_one(model, tokenizer.encode(prompt, eos=True), 7)
        assert prediction.text == tokenizer.decode(ids)
        assert (prediction.finished, prediction.tokens) == (finished, len(ids))


def test_a_second_evaluation_loads_no_model(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    write_checkpoint(run, 10)
    first = evaluate(recipe, run)
    before = _contents(run)
    monkeypatch.setattr(asking, "load_model", _refuse)
    assert evaluate(recipe, run) == first
    assert _contents(run) == before


def test_what_changes_is_asked_again(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    write_checkpoint(run, 10)
    evaluate(recipe, run)
    asked: list[Path] = []
    load = asking.load_model
    monkeypatch.setattr(asking, "load_model", lambda path: asked.append(path) or load(path))
    with checkpoints.writing(run, 10) as folder:
        write_model(tiny_t5(seed=77), folder)
    evaluate(recipe, run)
    assert [path.name for path in asked] == ["step-000010"], "new weights under an old name"
    longer = recipe.evaluation.model_copy(update={"max_new_tokens": 8})
    evaluate(recipe.model_copy(update={"evaluation": longer}), run)
    assert [path.name for path in asked[1:]] == ["student", "step-000010"]


def test_more_examples_ask_only_the_new_ones(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    short = recipe.evaluation.model_copy(
        update={"sets": tuple(s.model_copy(update={"limit": 2}) for s in recipe.evaluation.sets)}
    )
    evaluate(recipe.model_copy(update={"evaluation": short}), run)
    counted: list[int] = []
    real = asking.generate
    monkeypatch.setattr(
        asking,
        "generate",
        lambda m, prompts, *rest, **how: (
            counted.append(len(prompts)) or real(m, prompts, *rest, **how)
        ),
    )
    evaluate(recipe, run)
    assert counted == [3 * (6 - 2)]


@pytest.mark.parametrize("cut", [1, 40])
def test_an_interrupted_evaluation_goes_on(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Killed in the middle of a line: the torn line is made again, whole ones are kept."""
    recipe, run = world
    write_checkpoint(run, 10)
    evaluate(recipe, run)
    whole = _contents(run)
    path = PredictionFile.of(run, "step-000010", "near", "validation", "zero-shot-cot").path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[3] + lines[0] + lines[5][:-cut])
    (run / "scores.jsonl").unlink()
    counted: list[int] = []
    real = asking.generate
    monkeypatch.setattr(
        asking,
        "generate",
        lambda m, prompts, *rest, **how: (
            counted.append(len(prompts)) or real(m, prompts, *rest, **how)
        ),
    )
    evaluate(recipe, run)
    assert counted == [4]
    assert _contents(run) == whole


def test_a_failure_in_the_middle_keeps_what_was_answered(
    world: tuple[Recipe, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = world
    tight = recipe.model_copy(
        update={"evaluation": recipe.evaluation.model_copy(update={"batch_tokens": 1})}
    )
    real = asking.generate

    def failing(*asked, **how):
        for number, batch in enumerate(real(*asked, **how)):
            if number == 5:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(asking, "generate", failing)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tight, run)
    kept = sum(len(file.read()) for file in prediction_files(run))
    assert kept == 5
    assert not (run / "scores.jsonl").exists()
    monkeypatch.setattr(asking, "generate", real)
    assert len(evaluate(tight, run)) == 3


def test_a_line_that_is_no_prediction_is_named(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    evaluate(recipe, run)
    path = prediction_files(run)[0].path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"id": 3\n' + lines[1])
    with pytest.raises(InputError, match=r"jsonl:2 is no prediction .*remove the file"):
        evaluate(recipe, run)
    path.write_bytes(b"".join(lines))
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(InputError, match="is no settings of predictions"):
        evaluate(recipe, run)


def test_kept_predictions_are_graded_by_the_present_rules(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    evaluate(recipe, run)
    file = PredictionFile.of(run, "step-000000", "near", "validation", "zero-shot-cot")
    lines = [json.loads(line) for line in file.path.read_text().splitlines()]
    for line in lines[:2]:
        line |= {"text": f"so it is clear.\nThe answer is {line['gold']}", "correct": False}
    file.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = {s.set: s for s in evaluate(recipe, run)}
    assert scores["near"].accuracy.correct >= 2
    assert [p.correct for p in file.read()][:2] == [True, True]


def test_test_split_and_teacher_are_separate(world: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, run = world
    teacher = write_model(tiny_gpt2(seed=1), tmp_path / "big")
    recipe = recipe.model_copy(
        update={
            "teachers": {
                "big": Teacher(model=str(teacher)),
                "imported": Teacher(),
                "big-scored": Teacher(model=str(teacher), mode="score"),  # the same: asked once
            }
        }
    )
    chosen = write_checkpoint(run, 10)
    evaluate(recipe, run)
    tested = evaluate(recipe, run, checkpoints=[chosen], split="test", with_teachers=True)
    assert [(s.checkpoint, s.step, s.split) for s in tested] == [
        *[("step-000010", 10, "test")] * 3,
        *[("teacher-big", -1, "test")] * 3,
    ]
    found = {(s.checkpoint, s.split) for s in read_scores(run / "scores.jsonl")}
    assert found == {
        ("teacher-big", "test"),
        ("step-000000", "validation"),
        ("step-000010", "validation"),
        ("step-000010", "test"),
    }
    assert len(evaluate_model(recipe, run, teacher, label="other", step=-1, split="test")) == 3


def test_a_prompt_beyond_the_context_is_refused_and_counted(
    world: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, run = world
    small = write_model(tiny_gpt2(seed=1, context=60), tmp_path / "small")
    long = recipe.evaluation.sets[0].path.replace("{split}", "test")
    examples = datasets.load("jsonl", long)
    asked = Example(id="near/test/long", question="How many? " * 9, answer="3")
    datasets.write_jsonl(Path(long), [*examples, asked])
    scores = evaluate_model(recipe, run, small, label="small", step=-1, split="test")
    file = PredictionFile.of(run, "small", "near", "test", "zero-shot-cot")
    assert [p.refused for p in file.read()] == [False] * 6 + [True]
    assert scores[0].accuracy.total == 7
    assert scores[0].unanswered >= 1


def test_tasks_are_scored_apart(world: tuple[Recipe, Path]) -> None:
    recipe, run = world
    path = Path(recipe.evaluation.sets[2].path.replace("{split}", "validation"))
    examples = datasets.load("jsonl", path)
    tasks = ["sort", "count", "count", "sort", "sort", "sort"]
    datasets.write_jsonl(
        path,
        [
            Example(id=e.id, question=e.question, answer=e.answer, task=task)
            for e, task in zip(examples, tasks, strict=True)
        ],
    )
    score = {s.set: s for s in evaluate(recipe, run)}["wide"]
    assert {task: part.total for task, part in score.by_task.items()} == {"count": 2, "sort": 4}


def test_demonstrations_are_fixed_and_from_training(world: tuple[Recipe, Path]) -> None:
    recipe, _ = world
    several = recipe.evaluation.model_copy(
        update={"formats": ("zero-shot-answer", "in-context-cot")}
    )
    recipe = recipe.model_copy(update={"evaluation": several})
    validation, test = EvaluationPlan(recipe).of("validation"), EvaluationPlan(recipe).of("test")
    assert [a.format for a in validation] == ["zero-shot-answer", "in-context-cot"] * 3
    shown = {
        prompt[: prompt.rindex("Q: ")]
        for asked in (*validation, *test)
        if asked.format == "in-context-cot"
        for prompt in asked.prompts
    }
    assert len(shown) == 1
    trained = {e.question for e in datasets.load("jsonl", recipe.train_on.path)}
    questions = [line[3:] for line in shown.pop().splitlines() if line.startswith("Q: ")]
    assert len(questions) == 2
    assert set(questions) <= trained


def test_a_held_out_demonstration_is_refused(world: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, _ = world
    held_out = datasets.load("jsonl", recipe.evaluation.sets[1].path.replace("{split}", "test"))[2]
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(
        f"Q: {held_out.question}\nLet's think step by step\nIt is.\nThe answer is 3\n\n"
    )
    update = {"formats": ("in-context-cot",), "prompt_file": str(prompt)}
    evaluation = recipe.evaluation.model_copy(update=update)
    with pytest.raises(ConfigurationError, match="asks the held-out question 'far/test/002'"):
        EvaluationPlan(recipe.model_copy(update={"evaluation": evaluation})).of("validation")
    prompt.write_text("Q: How old is it?\nLet's think step by step\nOld.\nThe answer is 90\n\n")
    asked = EvaluationPlan(recipe.model_copy(update={"evaluation": evaluation})).of("validation")
    assert asked[0].prompts[0].startswith("Q: How old is it?\nLet's think step by step\nOld.\n")


def test_mistakes_are_explained(world: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, run = world
    with pytest.raises(InputError, match="there is no model directory"):
        evaluate_model(recipe, run, tmp_path / "absent", label="x", step=-1, split="test")
    for sets, message in (
        ((), "the recipe names no"),
        (recipe.evaluation.sets[:1] * 2, "two evaluation sets are named 'near'"),
    ):
        other = recipe.evaluation.model_copy(update={"sets": sets})
        with pytest.raises(ConfigurationError, match=message):
            evaluate(recipe.model_copy(update={"evaluation": other}), run)


def _contents(run: Path) -> dict[str, bytes]:
    files = [path for path in run.rglob("*") if path.is_file() and "checkpoints" not in path.parts]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def _refuse(path: Path) -> None:
    raise AssertionError(f"{path} was loaded")
