"""What is asked: every set of a recipe, in every format, with its prompts.

    plan_evaluation(recipe, "validation")
    -> Asked(set gsm8k, format zero-shot-cot, prompts ["Q: Janet's ducks lay 16 eggs ...", ...])
       Asked(set gsm8k, format in-context-cot, prompts ["Q: ...\\n\\nQ: Janet's ducks ...", ...])

The demonstrations of an in-context format are the same for every question, split and checkpoint:
those of the set's own ``prompts`` (a published file for each task) or of the recipe's prompt file,
else some drawn once, by the recipe's seed, from the training examples, which hold no held-out
question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize import datasets
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.datasets.recipe_sets import (
    Split,
    evaluation_examples,
    held_out_examples,
    training_examples,
)
from specialize.errors import ConfigurationError
from specialize.formats import DemonstrationPool, PromptFormat, by_name, parse_prompt_file
from specialize.records import Example, question_key

Asking = tuple[PromptFormat, Sequence[Example]]  # a format and the demonstrations that it shows

_DRAW = 0x64656D6F  # sets the draw of demonstrations apart from other draws of the same seed


@dataclass(frozen=True, slots=True)
class Asked:
    """One set in one format: ``prompts[i]`` asks for ``examples[i]``.

    A prompt of more than ``max_prompt_tokens`` loses words of its context, if it has one, as in
    training.
    """

    spec: EvaluationSet
    split: Split
    format: str
    kind: str
    examples: tuple[Example, ...]
    prompts: tuple[str, ...]
    max_prompt_tokens: int


def plan_evaluation(recipe: Recipe, split: Split) -> list[Asked]:
    """Every set of the recipe in every format, in the recipe's order.

    Raises:
        ConfigurationError: no sets, two of one name, a split without examples, a format or kind
            that is not known, or a demonstration that is held out.
    """
    labels = [spec.label for spec in recipe.evaluation.sets]
    if not labels:
        raise ConfigurationError("the recipe names no evaluation.sets, so nothing can be compared")
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigurationError(f"two evaluation sets are named {label!r}; give one a name")
    asking = {name: _asking(name, recipe) for name in recipe.evaluation.formats}
    asked = []
    for spec in recipe.evaluation.sets:
        examples = tuple(evaluation_examples(spec, split))
        if not examples:
            raise ConfigurationError(f"set {spec.label!r} has no example in its {split} split")
        for name, common in asking.items():
            own = spec.prompts if name.startswith("in-context") else None
            by_task = _by_task(own, name, examples, recipe) if own else {}
            prompts = tuple(_prompt(example, by_task, common) for example in examples)
            most = recipe.training.max_prompt_tokens
            asked.append(Asked(spec, split, name, _kind(spec), examples, prompts, most))
    return asked


def _kind(spec: EvaluationSet) -> str:
    return spec.kind or datasets.kind_of(spec.set)


def _prompt(example: Example, by_task: Mapping[str, Asking], common: Asking) -> str:
    form, shown = by_task.get(example.task, common)
    return form.prompt(example, shown)


def _asking(name: str, recipe: Recipe) -> Asking:
    """A format and the demonstrations that it shows where a set has none of its own."""
    form = by_name(name, max(1, recipe.evaluation.demonstrations))
    if not form.demonstrations:
        return form, ()
    if recipe.evaluation.prompt_file is None:
        return form, _drawn(form.demonstrations, recipe)
    return _published(Path(recipe.evaluation.prompt_file), name, _held_out(recipe))


def _by_task(
    folder: str, name: str, examples: Sequence[Example], recipe: Recipe
) -> dict[str, Asking]:
    """The published prompt of every task, from ``<task>.txt`` (Suzgun et al., arXiv:2210.09261)."""
    held_out = _held_out(recipe)
    tasks = dict.fromkeys(example.task for example in examples)
    return {task: _published(Path(folder) / f"{task}.txt", name, held_out) for task in tasks}


def _held_out(recipe: Recipe) -> dict[str, str]:
    """The id of every held-out example by its question."""
    return {
        question_key(example.question): example.id
        for examples in held_out_examples(recipe).values()
        for example in examples
    }


def _published(path: Path, name: str, held_out: Mapping[str, str]) -> Asking:
    published = parse_prompt_file(path)
    for shown in published.demonstrations:
        if question_key(shown.question) in held_out:
            raise ConfigurationError(
                f"prompt file {path}: demonstration {shown.id!r} asks the held-out question "
                f"{held_out[question_key(shown.question)]!r}; remove it"
            )
    return published.format(cot=name.endswith("cot")), published.demonstrations


def _drawn(count: int, recipe: Recipe) -> list[Example]:
    examples = training_examples(recipe).examples
    rng = np.random.default_rng([recipe.seed, _DRAW])
    first = evaluation_examples(recipe.evaluation.sets[0], "validation")[0]
    return DemonstrationPool(examples).draw(first, count, rng)
