"""What a new run takes over from an earlier one: responses and targets that would come out equal.

    run_recipe(recipe, Path("runs/b"), source=Path("runs/a"))

    responses/qwen: reused from runs/a
    targets/qwen: made anew: k: 5 in the store, 8 now

A teacher is dear and an alignment takes a while, but neither depends on how the student is trained.
Whether they agree is decided by the recipes, the training questions and the stores' descriptions;
no teacher is loaded for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.config.compare import conflicts
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import recorded_recipe
from specialize.datasets.given_texts import texts_to_score
from specialize.datasets.recipe_sets import TrainingSet, training_examples
from specialize.errors import ConfigurationError, StoreError
from specialize.formats import DemonstrationPool
from specialize.store import Store, differences, link_store
from specialize.targets.stage import describe_targets
from specialize.teacher.asks import build_asks


@dataclass(frozen=True, slots=True)
class Part:
    """The responses or the targets of one teacher; ``why_anew`` is None where they are reused."""

    kind: Literal["responses", "targets"]
    teacher: str
    why_anew: str | None

    @property
    def place(self) -> Path:
        """Below a run's directory."""
        return Path(self.kind, self.teacher)


def find_reusable(recipe: Recipe, source: Path) -> list[Part]:
    """What ``recipe`` could take over from the run ``source``, and why it could not.

    Raises:
        ConfigurationError: ``source`` is no run.
    """
    begun, training = recorded_recipe(source), training_examples(recipe)
    parts: list[Part] = []
    for name, teacher in recipe.teachers.items():
        responses, targets = source / "responses" / name, source / "targets" / name
        why = _why_other_teacher(begun, recipe, name)
        if responses.is_dir() or teacher.model is not None:
            why = why or why_responses_differ(recipe, name, responses, training)
            parts.append(Part("responses", name, why))
        if targets.is_dir():
            reason = "its responses are" if why else _why_targets_differ(recipe, source, name)
            parts.append(Part("targets", name, reason))
    return parts


def take_over(parts: list[Part], source: Path, run: Path) -> list[str]:
    """Put what can be reused into ``run``; one line per part says what was done."""
    if run.resolve() == source.resolve():
        raise ConfigurationError(
            f"{run} is the run to take over from; to continue it, leave out --from"
        )
    lines = []
    for part in parts:
        if (run / part.place).exists():
            continue  # an earlier call put it there, or began it
        if part.why_anew is None:
            link_store(source / part.place, run / part.place)
        lines.append(describe(part, source))
    return lines


def describe(part: Part, source: Path) -> str:
    """One line: reused, or made anew and why."""
    if part.why_anew is None:
        return f"{part.place}: reused from {source}"
    return f"{part.place}: made anew: {part.why_anew}"


def why_responses_differ(
    recipe: Recipe, name: str, path: Path, training: TrainingSet
) -> str | None:
    """Why the store at ``path`` does not hold all that the teacher ``name`` would be asked.

    None where it does. Whether the teacher itself is the same is for the caller to know.
    """
    try:
        found = Store.open(path).description
    except StoreError as error:
        return str(error)
    teacher = recipe.teachers[name]
    if teacher.model is None:
        return None  # imported: the recipe says nothing of it
    kind = datasets.kind_of(recipe.train_on.set)
    if found.settings.get("answers") != kind:
        return f"answers are compared as {found.settings.get('answers')!r} there, {kind!r} now"
    if found.settings.get("seed") not in (None, recipe.seed):
        return f"seed: {found.settings.get('seed')!r} there, {recipe.seed} now"
    pool = DemonstrationPool(training.examples)
    texts = texts_to_score(teacher, training.questions)
    for continues in (True, False):  # known of a loaded teacher alone; decides one separator
        asks = build_asks(
            training.questions, teacher, pool=pool, seed=recipe.seed, continues=continues,
            texts=texts,
        )  # fmt: skip
        prompts = f"{teacher.format} sha256:{asks.prompt_digest}"
        if (found.prompt, found.dataset) == (prompts, f"sha256:{asks.dataset_digest}"):
            return None
    return "the questions that are asked, or their prompts, are others"


def _why_other_teacher(begun: Recipe, recipe: Recipe, name: str) -> str | None:
    if name not in begun.teachers:
        return f"that run has no teacher {name!r}"
    before, now = (
        {"teachers": {name: each.teachers[name].model_dump(mode="json")}}
        for each in (begun, recipe)
    )
    return "; ".join(conflicts(before, now)) or None


def _why_targets_differ(recipe: Recipe, source: Path, name: str) -> str | None:
    responses = source / "responses" / name
    try:
        found = Store.open(source / "targets" / name).description
        if not responses.is_dir():
            return None  # imported as they are; training checks their tokenizer
        wanted = describe_targets(
            responses,
            student=recipe.student,
            policy=recipe.alignment.policy,
            top_k=recipe.alignment.top_k,
            temperature=recipe.row_temperature(name),
        )
    except StoreError as error:
        return str(error)
    return "; ".join(differences(found.as_json(), wanted.as_json())) or None
