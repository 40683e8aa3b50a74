"""Which examples a recipe trains on, and which it holds out.

    sets = RecipeSets(recipe)
    sets.training()                           -> GSM8K train without every held-out question
    sets.evaluation(spec, "validation")       -> 500 of GSM8K test

No example of a validation or test split can be trained on or shown as a demonstration: an
example with a held-out id is refused, one that merely repeats a held-out question in a set of
its own is dropped and counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.config.recipe import Dataset, EvaluationSet, Recipe
from specialize.errors import ConfigurationError
from specialize.records import Example

Split = Literal["validation", "test"]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The examples that may be trained on, and how many were left out because they are held out.

    ``unlabelled`` are questions whose answers are not used: they are "" there.
    """

    examples: tuple[Example, ...]
    dropped: int
    unlabelled: tuple[Example, ...] = ()

    @property
    def questions(self) -> tuple[Example, ...]:
        """All that teachers are asked."""
        return self.examples + self.unlabelled


class RecipeSets:
    """The sets that a recipe names; each file of them is read once, however often it is needed."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._loaded: dict[tuple[str, str | None, str | None], list[Example]] = {}
        self._held_out: dict[str, list[Example]] | None = None

    def training(self) -> TrainingSet:
        """The training examples, none of which is in a validation or test split.

        Raises:
            ConfigurationError: a training example is a held-out one, or two training sets give
                one id to different questions.
        """
        kept, dropped = self._allowed(self.recipe.train_on)
        known = {example.id: example.question for example in kept}
        unlabelled: list[Example] = []
        for spec in self.recipe.unlabelled:
            found, excluded = self._allowed(spec)
            dropped += excluded
            new = [example for example in found if example.id not in known]
            unlabelled += [replace(example, answer="", rationale="") for example in new]
            known |= {example.id: example.question for example in new}
            _refuse_other_questions(found, known, spec)
        return TrainingSet(tuple(kept), dropped, tuple(unlabelled))

    def held_out(self) -> dict[str, list[Example]]:
        """Every example of every validation and test split, by ``<set>/<split>``."""
        if self._held_out is None:
            splits: tuple[Split, ...] = ("validation", "test")
            self._held_out = {
                f"{spec.label}/{split}": self.evaluation(spec, split)
                for spec in self.recipe.evaluation.sets
                for split in splits
            }
        return self._held_out

    def evaluation(self, spec: EvaluationSet, split: Split) -> list[Example]:
        """The examples of one split of an evaluation set, cut to its limit.

        Protocol ``paper`` draws validation by a fixed seed (Fu et al. 2023, arXiv:2301.12726),
        ``index`` takes the published positions as validation, ``first`` takes the first ``limit``
        examples (of every task) as validation and the next as test, ``files`` reads one file per
        split, ``published`` takes the set's own splits. Ids begin with the set's name.
        """
        examples, own = self._of_split(spec, split), f"{spec.set}/"
        if spec.label == spec.set:
            return examples
        return [
            replace(example, id=f"{spec.label}/{example.id.removeprefix(own)}")
            if example.id.startswith(own)
            else example
            for example in examples
        ]

    def _of_split(self, spec: EvaluationSet, split: Split) -> list[Example]:
        if spec.protocol == "files":
            path = (spec.path or "").replace("{split}", split)
            return self._load(spec.set, path, None)[: spec.limit]
        if spec.protocol == "published":
            return self._load(spec.set, spec.path, split)[: spec.limit]
        examples = self._load(spec.set, spec.path, spec.split)
        if spec.protocol == "first":
            return _first(examples, spec.limit or len(examples), split)
        if spec.protocol == "index":
            rest, chosen = datasets.code_split(examples, Path(spec.index or ""))
            return (chosen if split == "validation" else rest)[: spec.limit]
        return datasets.paper_split(spec.set, examples)[split][: spec.limit]

    def _allowed(self, spec: Dataset) -> tuple[list[Example], int]:
        """The wanted part of a set without held-out examples, and how many these were."""
        examples = self._load(spec.set, spec.path, spec.split)
        if spec.exclude_index is not None:
            examples, _ = datasets.code_split(examples, Path(spec.exclude_index))
        if spec.limit is not None:
            examples = examples[: spec.limit]
        datasets.check_disjoint_ids(examples, self.held_out())
        kept, dropped = datasets.drop_overlaps(examples, self.held_out())
        if not kept:
            raise ConfigurationError(
                f"set {spec.set!r} leaves no training example: {len(examples)} read, "
                f"{len(dropped)} of them are held out for evaluation"
            )
        return take_fraction(kept, spec.fraction), len(dropped)

    def _load(self, name: str, path: str | None, split: str | None) -> list[Example]:
        key = (name, path, split)
        if key not in self._loaded:
            self._loaded[key] = datasets.load(name, path, split=split)
        return self._loaded[key]


def _refuse_other_questions(
    found: Sequence[Example], known: Mapping[str, str], spec: Dataset
) -> None:
    """Refuse ids of a set that name other questions in the sets before it."""
    for example in found:
        if known[example.id] != example.question:
            raise ConfigurationError(
                f"two training sets give the id {example.id!r} to different questions, the second "
                f"is {spec.path or spec.set}; convert one to JSON lines with ids of its own "
                f"(set: jsonl)"
            )


def training_examples(recipe: Recipe) -> TrainingSet:
    """The recipe's training examples; see ``RecipeSets.training``."""
    return RecipeSets(recipe).training()


def take_fraction(examples: Sequence[Example], fraction: float) -> list[Example]:
    """A share of the examples, at least one, in their order; a smaller share is part of a larger.

    Which ones follows from their ids alone.
    """
    if fraction == 1:
        return list(examples)
    ranked = sorted(examples, key=lambda example: hashlib.sha256(example.id.encode()).digest())
    taken = {example.id for example in ranked[: max(1, round(fraction * len(ranked)))]}
    return [example for example in examples if example.id in taken]


def _first(examples: Sequence[Example], count: int, split: Split) -> list[Example]:
    """The first ``count`` examples of every task, or the next as many."""
    by_task: dict[str, list[Example]] = {}
    for example in examples:
        by_task.setdefault(example.task, []).append(example)
    wanted = slice(count) if split == "validation" else slice(count, 2 * count)
    return [example for of_task in by_task.values() for example in of_task[wanted]]
