"""A run as evaluation, selection and training leave it, without any of them: made-up answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from specialize.answers import find_answer, is_correct
from specialize.artifacts.predictions import Prediction, PredictionFile, Settings, write_questions
from specialize.artifacts.scores import Accuracy, CheckpointScore, write_scores
from specialize.choosing import select
from specialize.config.recipe import Dataset, Evaluation, EvaluationSet, Objective, Recipe, Teacher
from specialize.records import Example, Response
from specialize.store import StoreDescription, StoreWriter
from tests.support.store_samples import padded_sample

SETS = {
    "shop": ("in-distribution", 0.04, 0.78),
    "farm": ("out-of-distribution", 0.05, 0.52),
    "depot": ("out-of-distribution", 0.03, 0.44),
    "errands": ("out-of-distribution", 0.02, 0.30),
    "sort_words": ("general", 0.71, 0.33),
    "count_objects": ("general", 0.64, 0.45),
}
STEPS = (0, 100, 200, 300, 400, 500)


def toy_recipe(names: Sequence[str] = tuple(SETS), **values: object) -> Recipe:
    sets = tuple(
        EvaluationSet(set="jsonl", name=name, role=SETS[key][0], path="{split}", protocol="files")
        for name, key in zip(names, SETS, strict=False)
    )
    given = {
        "name": "toy specialization",
        "student": "models/student",
        "train_on": Dataset(set="gsm8k", path="train.jsonl"),
        "teachers": {"big": Teacher(model="models/teacher")},
        "objectives": (
            Objective(name="cot", format="zero-shot-cot", target="distribution", teacher="big"),
            Objective(name="answer", format="zero-shot-answer", target="answer"),
        ),
        "evaluation": Evaluation(sets=sets),
    }
    return Recipe(**(given | values))


def renamed(recipe: Recipe, extra: str) -> Recipe:
    """With names that no recipe may have: the report does not lean on that check."""
    sets = tuple(
        spec.model_copy(update={"name": f"{spec.name}{extra}"}) for spec in recipe.evaluation.sets
    )
    evaluation = recipe.evaluation.model_copy(update={"sets": sets})
    names = {"name": f"{recipe.name}{extra}", "student": f"{recipe.student}{extra}"}
    return recipe.model_copy(update={**names, "evaluation": evaluation})


def write_toy_run(
    run: Path, recipe: Recipe, *, count: int = 120, steps: Sequence[int] = STEPS, test: bool = True,
    seed: int = 5,
) -> None:  # fmt: skip
    """Predictions, scores, metrics, stores and a selection."""
    rng = np.random.default_rng(seed)
    scores = []
    for spec, key in zip(recipe.evaluation.sets, SETS, strict=False):
        _, low, high = SETS[key]
        for step in steps:
            rise = 1 - np.exp(-3.5 * step / steps[-1])
            late = 0.1 * max(0, step - 0.6 * steps[-1]) / steps[-1] if key != "shop" else 0
            share = low + (high - low) * rise - late
            scores.append(
                _answer(run, spec, f"step-{step:06d}", step, "validation", share, count, rng)
            )
    write_scores(run / "scores.jsonl", scores)
    selection = select(recipe, run)
    if test:
        for spec, key in zip(recipe.evaluation.sets, SETS, strict=False):
            _, low, high = SETS[key]
            for label, step, share in (
                ("step-000000", 0, low), (selection.checkpoint, selection.step, high),
                ("teacher-big", -1, 0.93),
            ):  # fmt: skip
                scores.append(_answer(run, spec, label, step, "test", share, count, rng))
        write_scores(run / "scores.jsonl", scores)
    _write_metrics(run / "metrics.jsonl", steps[-1], rng)
    _write_targets(run / "targets" / "big", rng)


def _answer(
    run: Path, spec: EvaluationSet, label: str, step: int, split: str, share: float, count: int,
    rng: np.random.Generator,
) -> CheckpointScore:  # fmt: skip
    examples = [toy_example(spec.label, split, i) for i in range(count)]
    write_questions(run, spec.label, split, examples)
    file = PredictionFile.of(run, label, spec.label, split, "zero-shot-cot")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.remove()
    file.write_settings(
        Settings(
            checkpoint=label,
            step=step,
            model="m",
            set=spec.label,
            split=split,
            role=spec.role,
            format="zero-shot-cot",
            kind="number",
            examples=count,
            limited=False,
            max_new_tokens=64,
        )
    )
    predictions = [_prediction(example, bool(rng.random() < share), rng) for example in examples]
    file.append(predictions)
    right = sum(p.correct for p in predictions)
    return CheckpointScore(
        checkpoint=label, step=step, set=spec.label, split=split, role=spec.role,
        format="zero-shot-cot", accuracy=Accuracy(right, count),
        unanswered=sum(p.answer is None for p in predictions),
    )  # fmt: skip


def toy_example(set_: str, split: str, i: int) -> Example:
    each, boxes = 3 + i % 9, 2 + i % 5
    return Example(
        id=f"{set_}/{split}/{i:05d}",
        question=f"A shop sells boxes of {each} pears. Ann buys {boxes} boxes and eats 2 pears. "
        f"How many pears are left?",
        answer=str(each * boxes - 2),
        rationale=f"Ann buys {each} * {boxes} = {each * boxes} pears.\n"
        f"{each * boxes} - 2 = {each * boxes - 2} are left.",
    )


def _prediction(example: Example, right: bool, rng: np.random.Generator) -> Prediction:
    given = example.answer if right else str(int(example.answer) + int(rng.integers(1, 20)))
    lost = not right and rng.random() < 0.08
    text = "pears pears pears" if lost else f"{example.rationale}\nThe answer is {given}"
    return Prediction(
        id=example.id, prompt="0" * 16, text=text, answer=None if lost else given,
        gold=example.answer, correct=right, finished=not lost, tokens=31,
    )  # fmt: skip


def _write_metrics(path: Path, steps: int, rng: np.random.Generator) -> None:
    lines = []
    for step in range(1, steps + 1):
        fall = float(np.exp(-step / 90))
        noise = 1 + 0.08 * rng.standard_normal(2)
        objectives = {
            "cot": {"nats": 0.35 + 2.4 * fall * noise[0], "tokens": 800, "tail_mass": 0.03,
                    "student_mass": 0.95 - 0.6 * fall, "agreement": 0.9 - 0.6 * fall, "hard": 0.1},
            "answer": {"nats": 0.6 + 1.6 * fall * noise[1], "tokens": 120, "tail_mass": 0.0,
                       "student_mass": 0.5, "agreement": 0.7 - 0.4 * fall, "hard": 1.0},
        }  # fmt: skip
        lines.append(json.dumps({"step": step, "loss": 1.0, "objectives": objectives}))
    path.write_text("\n".join(lines) + '\n{"step": 9')


def _write_targets(path: Path, rng: np.random.Generator) -> None:
    description = StoreDescription(
        kind="targets", teacher="models/teacher", revision="r1", dtype="float32",
        tokenizer="student", fingerprint="f" * 64, vocabulary_size=100, k=2, temperature=0.7,
    )  # fmt: skip
    sample = padded_sample(
        Response("shop/train/0", 0, "Q", "The answer is 3", "3", True),
        token_id=np.array([5, 1], np.int32),
        token_logprob=np.zeros(2, np.float32),
        topk_id=np.array([[5, 0], [1, 0]], np.int32),
        topk_logprob=np.array([[0, -np.inf], [0, -np.inf]], np.float32),
        tail_logprob=np.full(2, -np.inf, np.float32),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with StoreWriter(path, description, shard_samples=4) as writer:
        writer.write(0, [sample])
        summary = {"samples": 1, "positions": 2, "bytes_per_position": 14, "soft_share": 0.981,
                   "rows_same": 790, "rows_mid": 190, "rows_eos": 20, "mean_kept": 0.962,
                   "mean_inconsistent": 0.011, "mean_tail": 0.027,
                   "nats_per_token": 0.41}  # fmt: skip
        writer.finish({5: b"5", 1: b""}, summary)


def with_texts(prediction: Prediction, text: str) -> Prediction:
    """The same prediction with another text and answer."""
    return replace(prediction, text=text, answer=text)


def regraded(prediction: Prediction, text: str) -> Prediction:
    """The same prediction with another text, graded as evaluation does."""
    answer = find_answer(text, kind="number")
    correct = is_correct(text, prediction.gold, kind="number")
    return replace(prediction, text=text, answer=answer, correct=correct)
