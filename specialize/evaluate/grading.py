"""Texts into predictions, predictions into scores.

    "... The answer is 18" for gold "18"   ->  Prediction(answer="18", correct=True, ...)
    1,000 predictions of step-000400       ->  CheckpointScore(accuracy=Accuracy(262, 1000), ...)

A score always follows the present rules for answers: ``rules_digest`` changes with them, and what
was graded under another one is graded again (``sheets``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from specialize import answers
from specialize.answers import Kind, find_answer, is_correct
from specialize.artifacts.predictions import Prediction, Settings, content_digest
from specialize.artifacts.scores import Accuracy, CheckpointScore
from specialize.config.recipe import Recipe
from specialize.evaluate import voting
from specialize.evaluate.planning import PromptedSet
from specialize.evaluate.voting import majority
from specialize.records import Example


def grade(prediction: Prediction, example: Example, kind: Kind) -> Prediction:
    """The prediction with the answer found in its text, compared with the example's.

    Of several drawn texts the one that gives the majority's answer is the text.
    """
    text, drawn = prediction.text, prediction.samples
    if drawn:
        text = drawn[majority(drawn, kind)]
    correct = not prediction.refused and is_correct(
        text, example.answer, kind=kind, choices=example.choices
    )
    return replace(
        prediction,
        text=text,
        answer=find_answer(text, kind=kind),
        correct=correct,
        gold=example.answer,
        task=example.task,
    )


@cache
def rules_digest() -> str:
    """Of the source of everything that grades: with other rules it is another one."""
    sources = [*Path(answers.__file__).parent.rglob("*.py"), Path(voting.__file__), Path(__file__)]
    return content_digest(b"\0".join(path.read_bytes() for path in sorted(sources)))


def score(settings: Settings, predictions: Sequence[Prediction]) -> CheckpointScore:
    """The score of one complete set of predictions; split by task where the set has several."""
    tasks = sorted({prediction.task for prediction in predictions})
    parts = {task: _accuracy([p for p in predictions if p.task == task]) for task in tasks}
    return CheckpointScore(
        checkpoint=settings.checkpoint,
        step=settings.step,
        set=settings.set,
        split=settings.split,
        role=settings.role,
        format=settings.format,
        accuracy=_accuracy(predictions),
        by_task=parts if len(tasks) > 1 else {},
        unanswered=sum(prediction.answer is None for prediction in predictions),
    )


def settings_of(
    prompted: PromptedSet, checkpoint: str, step: int, model: str, recipe: Recipe
) -> Settings:
    """What a model's answers to ``prompted`` hold under; ``model`` is the digest of its files."""
    spec = prompted.spec
    return Settings(
        checkpoint=checkpoint,
        step=step,
        model=model,
        set=spec.label,
        split=prompted.split,
        role=spec.role,
        format=prompted.format,
        kind=prompted.kind,
        examples=len(prompted.examples),
        limited=spec.limit is not None and spec.protocol != "first",
        max_new_tokens=recipe.evaluation.max_new_tokens,
        decoding=_decoding(recipe),
    )


def _decoding(recipe: Recipe) -> str:
    """How answers come about, in words that differ where answers may."""
    evaluation = recipe.evaluation
    decoding = "greedy"
    if evaluation.samples > 1:
        decoding = (
            f"majority of {evaluation.samples} at temperature {evaluation.temperature:g}, seed "
            f"{recipe.seed}"
        )
    stops = ", ".join(map(repr, evaluation.until))
    return f"{decoding}; ends at {stops}" if stops else decoding


def _accuracy(predictions: Sequence[Prediction]) -> Accuracy:
    return Accuracy(sum(p.correct for p in predictions), len(predictions))
