"""Tian et al. 2024, TinyLLM (arXiv:2402.04616): the rationales of several teachers.

The label is one objective; each teacher's rationale is another, with a prefix and a weight of its
own::

    L = L_label + sum over teachers m of alpha_m L_rationale_m

An example that a teacher left without a rationale has no row for it, and a teacher that has none at
all (the second one on PIQA) is masked and reported, not trained as empty text. A teacher that is a
model is asked with the answer given and two random demonstrations of the same set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialize.config.recipe import Dataset, Evaluation, EvaluationSet, Objective, Recipe, Teacher
from specialize.config.training import Lora, Optimization, Training

TEACHERS: Mapping[str, float] = {"flan-t5": 1.0, "llama-2": 1.0}
DEMONSTRATIONS = 2  # of the in-context example generator
_ASKED = Teacher(mode="rationale", forced=True, num_fewshot=DEMONSTRATIONS)


def tinyllm(
    teachers: Mapping[str, float] = TEACHERS, *, models: Mapping[str, str] | None = None
) -> Recipe:
    """Tian et al. 2024: one label and one rationale per teacher, each with its weight.

    Args:
        teachers: weight alpha of each.
        models: directory or hub id of those that are to be asked; the others were imported.
    """
    known = models or {}
    rationales = tuple(
        Objective(
            name=f"explain-{name}",
            format=f"explain-{name}",
            target="rationale",
            teacher=name,
            keep="all",
            missing="mask",
            weight=weight,
        )
        for name, weight in teachers.items()
    )
    return Recipe(
        name="tinyllm",
        student="google/flan-t5-base",
        train_on=Dataset(set="obqa", split="train"),
        teachers={name: _ASKED.model_copy(update={"model": known.get(name)}) for name in teachers},
        objectives=(Objective(name="predict", format="predict", target="answer"), *rationales),
        training=Training(mixing="joint", max_prompt_tokens=512, checkpoint_every=250),
        optimization=Optimization(
            steps=10_000, learning_rate=5e-5, schedule="linear", batch_rows=24, accumulation=8
        ),
        evaluation=Evaluation(
            sets=(EvaluationSet(set="obqa", role="in-distribution", protocol="published"),),
            formats=("predict",),
            max_new_tokens=64,
        ),
        selection="in-distribution",
    )


def labels_alone() -> Recipe:
    """Baseline: full fine-tuning of TinyLLM's student on the gold labels."""
    recipe = tinyllm({})
    label = recipe.objectives[0].model_copy(update={"format": "plain"})
    evaluation = recipe.evaluation.model_copy(update={"formats": ("plain",)})
    change = {"name": "tinyllm-labels", "objectives": (label,), "evaluation": evaluation}
    return recipe.model_copy(update=change)


def low_rank(rank: int = 16) -> Recipe:
    """Baseline: the same with low-rank adapters, which needs the extra ``lora``."""
    change = {"name": "tinyllm-lora", "lora": Lora(rank=rank)}
    return labels_alone().model_copy(update=change)


def without_teacher(recipe: Recipe, teacher: str) -> Recipe:
    """The ablation of one teacher: its objectives are gone.

    Raises:
        ValueError: the recipe has no such teacher.
    """
    if teacher not in recipe.teachers:
        known = ", ".join(recipe.teachers) or "none"
        raise ValueError(f"recipe {recipe.name!r} has no teacher {teacher!r}; it has: {known}")
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-without-{teacher}",
            "teachers": {n: t for n, t in recipe.teachers.items() if n != teacher},
            "objectives": tuple(o for o in recipe.objectives if teacher not in o.teachers),
        }
    )


def without_examples(recipe: Recipe) -> Recipe:
    """The ablation of the in-context examples: teachers are asked without demonstrations."""
    return _asked_otherwise(recipe, "without-examples", {"num_fewshot": 0})


def without_forcing(recipe: Recipe) -> Recipe:
    """The ablation of teacher forcing: teachers are not given the answer."""
    return _asked_otherwise(recipe, "without-forcing", {"forced": False})


def with_alphas(recipe: Recipe, alphas: Sequence[float]) -> tuple[Recipe, ...]:
    """One recipe per alpha, the weight of every rationale."""
    return tuple(
        recipe.model_copy(
            update={
                "name": f"{recipe.name}-alpha-{alpha:g}",
                "objectives": tuple(
                    o.model_copy(update={"weight": alpha}) if o.target == "rationale" else o
                    for o in recipe.objectives
                ),
            }
        )
        for alpha in alphas
    )


def _asked_otherwise(recipe: Recipe, name: str, change: Mapping[str, object]) -> Recipe:
    """An ablation of how teachers are asked, which only those that are models can have.

    Raises:
        ValueError: a teacher was imported, so what it was asked is past changing.
    """
    imported = [name for name, teacher in recipe.teachers.items() if teacher.model is None]
    if imported:
        raise ValueError(
            f"teacher {imported[0]!r} has no model, so it cannot be asked otherwise; name its "
            f"model, or import what it wrote when it was asked so"
        )
    teachers = {n: t.model_copy(update=dict(change)) for n, t in recipe.teachers.items()}
    return recipe.model_copy(update={"name": f"{recipe.name}-{name}", "teachers": teachers})
