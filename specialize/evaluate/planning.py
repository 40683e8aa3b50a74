"""What is asked: every set of a recipe, in every format, with its prompts.

    EvaluationPlan(recipe).of("validation")
    -> PromptedSet(gsm8k, zero-shot-cot, prompts ["Q: Janet's ducks lay 16 eggs ...", ...])
       PromptedSet(gsm8k, in-context-cot, prompts ["Q: ...\\n\\nQ: Janet's ducks ...", ...])

The demonstrations of an in-context format are the same for every question, split and checkpoint:
those of the set's own ``prompts`` (a published file for each task) or of the recipe's prompt file,
else some drawn once, by the recipe's seed, from the training examples, which hold no held-out
question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from specialize import datasets
from specialize.answers import Kind
from specialize.artifacts.predictions import content_digest, prompt_digest
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.datasets.recipe_sets import RecipeSets, Split
from specialize.errors import ConfigurationError
from specialize.formats import (
    ChatFormat,
    DemonstrationPool,
    Format,
    PromptFormat,
    by_name,
    parse_prompt_file,
)
from specialize.records import Example, Prompt, question_key

Asking = tuple[PromptFormat, Sequence[Example]]  # a format and the demonstrations that it shows

TEACHER = "teacher-"  # begins the labels of teachers
_DRAW = 0x64656D6F  # sets the draw of demonstrations apart from other draws of the same seed


@dataclass(frozen=True, slots=True)
class PromptedSet:
    """One set in one format: ``prompts[i]`` asks for ``examples[i]``.

    A prompt of more than ``max_prompt_tokens`` loses words of its context, if it has one, as in
    training.
    """

    spec: EvaluationSet
    split: Split
    format: str
    kind: Kind
    examples: tuple[Example, ...]
    prompts: tuple[Prompt, ...]
    max_prompt_tokens: int
    prompt_digests: tuple[str, ...] = field(init=False, repr=False)
    digest: str = field(init=False, repr=False)  # of all that a grade needs to know of the set

    def __post_init__(self) -> None:
        digests = tuple(prompt_digest(prompt) for prompt in self.prompts)
        facts = [
            (example.id, digest, example.answer, example.choices, example.task)
            for example, digest in zip(self.examples, digests, strict=True)
        ]
        object.__setattr__(self, "prompt_digests", digests)
        object.__setattr__(self, "digest", content_digest(json.dumps([self.kind, facts]).encode()))


def asked_of(prompted: PromptedSet, label: str, recipe: Recipe) -> PromptedSet:
    """``prompted`` for the model called ``label``: a teacher's template has its own arguments."""
    before, _, name = label.partition(TEACHER)
    teacher = None if before else recipe.teachers.get(name)
    if teacher is None or teacher.chat.arguments == recipe.chat.arguments:
        return prompted
    own = teacher.chat.arguments
    prompts = [
        prompt if isinstance(prompt, str) else replace(prompt, arguments=own)
        for prompt in prompted.prompts
    ]
    return replace(prompted, prompts=tuple(prompts))


class EvaluationPlan:
    """What a recipe asks of every model: made once for each split, every set read once."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.sets = recipe, RecipeSets(recipe)
        self._splits: dict[Split, tuple[PromptedSet, ...]] = {}
        self._formats: dict[str, Asking] = {}
        self._held_out: dict[str, str] | None = None

    def of(self, split: Split) -> tuple[PromptedSet, ...]:
        """Every set of the recipe in every format, in the recipe's order.

        Raises:
            ConfigurationError: no sets, two of one name, a split without examples, a format or
                kind that is not known, or a demonstration that is held out.
        """
        if split not in self._splits:
            self._splits[split] = tuple(self._plan(split))
        return self._splits[split]

    def _plan(self, split: Split) -> Iterator[PromptedSet]:
        recipe = self.recipe
        _check_names([spec.label for spec in recipe.evaluation.sets])
        for name in recipe.evaluation.formats:
            if name not in self._formats:
                self._formats[name] = self._asking(name)
        for spec in recipe.evaluation.sets:
            examples = tuple(self.sets.evaluation(spec, split))
            if not examples:
                raise ConfigurationError(f"set {spec.label!r} has no example in its {split} split")
            kind = _kind(spec)
            for name, common in self._formats.items():
                own = spec.prompts if name.startswith("in-context") else None
                by_task = self._by_task(own, name, examples) if own else {}
                prompts = tuple(_prompt(example, by_task, common) for example in examples)
                longest = recipe.training.max_prompt_tokens
                yield PromptedSet(spec, split, name, kind, examples, prompts, longest)

    def _asking(self, name: str) -> Asking:
        """A format and the demonstrations that it shows where a set has none of its own."""
        evaluation = self.recipe.evaluation
        form = self._form(name)
        if not form.demonstrations:
            return form, ()
        if evaluation.prompt_file is None:
            return form, self._drawn(form.demonstrations)
        return self._published(Path(evaluation.prompt_file), name)

    def _by_task(self, folder: str, name: str, examples: Sequence[Example]) -> dict[str, Asking]:
        """The published prompt of every task, ``<task>.txt`` (Suzgun et al., arXiv:2210.09261)."""
        tasks = dict.fromkeys(example.task for example in examples)
        return {task: self._published(Path(folder) / f"{task}.txt", name) for task in tasks}

    def _published(self, path: Path, name: str) -> Asking:
        published = parse_prompt_file(path)
        held_out = self._held_out_questions()
        for shown in published.demonstrations:
            if question_key(shown.question) in held_out:
                raise ConfigurationError(
                    f"prompt file {path}: demonstration {shown.id!r} asks the held-out question "
                    f"{held_out[question_key(shown.question)]!r}; remove it"
                )
        form = self._form(name)
        if isinstance(form, Format | ChatFormat):
            form = published.like(form)
        return form, published.demonstrations

    def _form(self, name: str) -> PromptFormat:
        count = max(1, self.recipe.evaluation.num_fewshot)
        return by_name(name, count, chat=self.recipe.chat.style)

    def _held_out_questions(self) -> Mapping[str, str]:
        """The id of every held-out example by its question."""
        if self._held_out is None:
            self._held_out = {
                question_key(example.question): example.id
                for examples in self.sets.held_out().values()
                for example in examples
            }
        return self._held_out

    def _drawn(self, count: int) -> list[Example]:
        rng = np.random.default_rng([self.recipe.seed, _DRAW])
        first = self.sets.evaluation(self.recipe.evaluation.sets[0], "validation")[0]
        return DemonstrationPool(self.sets.training().examples).draw(first, count, rng)


def _kind(spec: EvaluationSet) -> Kind:
    """How answers to the set are compared."""
    if spec.kind is None:
        return datasets.kind_of(spec.set)
    kinds: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}
    if spec.kind not in kinds:
        raise ConfigurationError(
            f"set {spec.label!r} has kind {spec.kind!r}; known kinds: {', '.join(kinds)}"
        )
    return kinds[spec.kind]


def _check_names(labels: Sequence[str]) -> None:
    if not labels:
        raise ConfigurationError("the recipe names no evaluation.sets, so nothing can be compared")
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigurationError(f"two evaluation sets are named {label!r}; give one a name")


def _prompt(example: Example, by_task: Mapping[str, Asking], common: Asking) -> Prompt:
    form, shown = by_task.get(example.task, common)
    return form.prompt(example, shown)
