"""A model as it stands, without a run: every example of one set, in the formats asked for.

    asked = Asked("svamp", "SVAMP.json", ("chat",))
    evaluate_standing("HuggingFaceTB/SmolLM2-135M-Instruct", asked, Path("standing/smollm2"))

What it leaves is what a run leaves: ``recipe.yaml``, ``predictions/`` and ``scores.jsonl``. The
same call continues, and its answers can be compared with those of a run (``specialize compare``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.predictions import QUESTIONS, PredictionFile
from specialize.artifacts.scores import CheckpointScore
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import (
    build_recipe,
    override_recipe,
    record_recipe,
    recorded_recipe,
)
from specialize.datasets.recipe_sets import Split
from specialize.errors import ConfigurationError
from specialize.evaluate.planning import TEACHER
from specialize.evaluate.stage import evaluate_model
from specialize.evaluate.subjects import TEACHER_STEP
from specialize.formats import FORMAT_NAMES, is_format_name
from specialize.students import checkpoints

_EVERY = 10**9  # examples


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked.

    Attributes:
        set: a name of ``specialize.datasets``, or a Python file of your own.
        path: the set's file or directory as published; None: from the hub.
        formats: of the prompts.
        limit: only the first examples, of every task; None: all.
        demonstrations: the file, of the same set, whose examples in-context formats show.
    """

    set: str
    path: str | None = None
    formats: tuple[str, ...] = ("zero-shot-cot",)
    limit: int | None = None
    demonstrations: str | None = None


def evaluate_standing(
    model: str, asked: Asked, out: Path, *, overrides: Sequence[str] = ()
) -> dict[str, object]:
    """Let ``model`` answer a set; predictions that still hold are not made again.

    Args:
        model: a directory, GGUF file or hub id.
        asked: the set and the formats.
        out: receives predictions and scores; of one model.
        overrides: ``evaluation.KEY=VALUE`` or ``chat.KEY=VALUE``, as in a recipe.

    Returns:
        By format: how many of how many were right, the share with its 95 % interval, the share
        that ended by itself and the share in which no answer was found.

    Raises:
        ConfigurationError: no such set or format, or ``out`` holds answers of another model.
        InputError: the set's file or the model is missing or damaged.
    """
    recipe = _recipe(model, asked, overrides)
    record_recipe(recipe, out)
    scores = evaluate_model(
        recipe, out, model, label=label_of(model), step=TEACHER_STEP, split="validation"
    )
    return _found(out, model, scores)


def evaluate_beside(
    run: Path, model: str, *, split: Split, overrides: Sequence[str] = ()
) -> dict[str, object]:
    """Let ``model`` answer the sets of a run; its scores stand beside the teachers' in the report.

    Args:
        run: the run's directory.
        model: a directory, GGUF file or hub id.
        split: ``validation`` or ``test``.
        overrides: of the run's recipe, ``key.key=value``; of evaluation alone.

    Returns:
        As ``evaluate_standing``.

    Raises:
        InputError: the model is missing or damaged.
        ConfigurationError: there is no such run, or the model is one of its checkpoints.
    """
    if checkpoints.folder(run).resolve() in Path(model).resolve().parents:
        raise ConfigurationError(
            f"{model} is a checkpoint of {run} itself; leave out --model and name it by --step "
            f"(test is scored for the selected one alone), or leave out {run} to ask it by itself"
        )
    recipe = recorded_recipe(run)
    if overrides:
        recipe = override_recipe(recipe, overrides)
        record_recipe(recipe, run)
    scores = evaluate_model(
        recipe, run, model, label=label_of(model), step=TEACHER_STEP, split=split
    )
    return _found(run, model, scores)


def label_of(model: str) -> str:
    """What a model's predictions are called: the last part of its name, without an ending."""
    name = Path(model).name
    label = name.removesuffix(".gguf") or "model"
    taken = label == QUESTIONS or label.startswith(("step-", TEACHER))
    return f"model-{label}" if taken else label


def _recipe(model: str, asked: Asked, overrides: Sequence[str]) -> Recipe:
    """The recipe of a run that trains nothing."""
    for name in asked.formats:
        if not is_format_name(name):
            known = ", ".join(FORMAT_NAMES)
            raise ConfigurationError(f"format {name!r} is not known; known formats: {known}")
        shown = asked.demonstrations or any("evaluation.prompt_file=" in o for o in overrides)
        if name.startswith("in-context") and not shown:
            raise ConfigurationError(
                f"format {name!r} shows examples; name a file of them with --demonstrations, or a "
                f"published prompt with --set evaluation.prompt_file=FILE"
            )
    if foreign := [o for o in overrides if not o.startswith(("evaluation.", "chat.", "seed="))]:
        raise ConfigurationError(
            f"{foreign[0]!r} says nothing of how a model is asked; only evaluation.*, chat.* and "
            f"seed can be set"
        )
    spec = {
        "set": asked.set, "path": asked.path, "role": "in-distribution", "protocol": "first",
        "limit": asked.limit or _EVERY,
    }  # fmt: skip
    recipe = build_recipe(
        {
            "name": "as-it-stands",
            "student": model,
            "train_on": {"set": asked.set, "path": asked.demonstrations or asked.path},
            "objectives": [{"name": "none", "format": "zero-shot-answer", "target": "answer"}],
            "evaluation": {"formats": list(asked.formats), "sets": [spec]},
        },
        where="the options",
    )
    return override_recipe(recipe, overrides) if overrides else recipe


def _found(folder: Path, model: str, scores: Sequence[CheckpointScore]) -> dict[str, object]:
    results = {f"{each.set}/{each.format}": _summary(folder, each) for each in scores}
    predictions = folder / "predictions" / label_of(model)
    return {"model": model, "predictions": str(predictions), "results": results}


def _summary(out: Path, score: CheckpointScore) -> dict[str, object]:
    file = PredictionFile.of(out, score.checkpoint, score.set, score.split, score.format)
    finished = [each.finished for each in file.read()]
    return {
        "correct": score.accuracy.correct,
        "total": score.accuracy.total,
        "accuracy": score.accuracy.value,
        "interval": list(score.accuracy.interval()),
        "finished": sum(finished) / len(finished),
        "unanswered": score.unanswered / score.accuracy.total,
    }


def table(found: dict[str, object]) -> str:
    """What ``evaluate_standing`` found, for people."""
    results = found["results"]
    lines = [f"{'set/format':32} {'right':>12} {'share [95 %]':>22} {'ended':>7} {'no answer':>9}"]
    for name, each in results.items() if isinstance(results, dict) else ():
        low, high = each["interval"]
        share = f"{100 * each['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        lines.append(
            f"{name:32} {each['correct']:>5} of {each['total']:<4} {share:>21} "
            f"{each['finished']:>7.0%} {each['unanswered']:>9.0%}"
        )
    return "\n".join([*lines, f"predictions: {found['predictions']}"])
