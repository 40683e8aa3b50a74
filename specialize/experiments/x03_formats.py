"""X03: in-context, zero-shot and mixed training data, each tested with both prompts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment

_QUESTIONS, _EXAMPLES = 400, 600
_SHOWN = 1  # demonstrations in a prompt, as many as the bundled student has seen before
_IN_CONTEXT = "in-distribution, asked in context"
_FORMATS = ("zero-shot-cot", "in-context-cot")


def _base(folder: Path) -> Recipe:
    """Both prompts are asked of the last checkpoint; the arms set what is trained on."""
    recipe = world.base_recipe(folder, every=world.STEPS, samples=2)
    asked = {"formats": _FORMATS, "num_fewshot": _SHOWN}
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=asked)})


def _trained_on(*formats: str) -> str:
    objectives = [
        {"name": name, "format": name, "target": "rationale", "teacher": world.TEACHER,
         "num_fewshot": _SHOWN}
        for name in formats
    ]  # fmt: skip
    return f"objectives={json.dumps(objectives)}"


def _both(claim: str, plus: str, minus: str) -> tuple[Contrast, Contrast]:
    """The claim under either prompt."""
    return (
        Contrast(claim, (plus,), (minus,)),
        Contrast(claim, (plus,), (minus,), _IN_CONTEXT),
    )


FORMATS = Experiment(
    name="X03",
    title="In-context, zero-shot and mixed training data under both prompts",
    hypothesis="Training on in-context prompts keeps both abilities; training on zero-shot prompts "
    "loses the in-context one; mixing the two serves both.",
    source="Fu et al. 2023, arXiv:2301.12726, ablation of the data's format",
    design=f"The bundled student learns right solutions as text, two a question of {_QUESTIONS} "
    f"questions, for {world.STEPS} steps of {world.ROWS} rows: after prompts with {_SHOWN} "
    "demonstration, after prompts without any, or after both in equal parts (in the same number of "
    "rows, so half as many of each). The last checkpoint is asked both ways. Accuracy on "
    f"{_EXAMPLES} test questions of the set trained on, and on {_EXAMPLES // 3} in another "
    "phrasing. All arms and claims were written down before the runs.",
    prepare=partial(world.prepare, fewer=("farm",)),
    base=_base,
    arms=(
        Arm("zero-shot", (_trained_on("zero-shot-cot"),)),
        Arm("in-context", (_trained_on("in-context-cot"),), against="zero-shot"),
        Arm("mixed", (_trained_on(*_FORMATS),), against="zero-shot"),
    ),
    contrasts=(
        *_both("in-context data beat zero-shot data", "in-context", "zero-shot"),
        *_both("mixed data beat zero-shot data", "mixed", "zero-shot"),
        *_both("mixed data beat in-context data", "mixed", "in-context"),
    ),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    minutes=5,
    notes="No kind of data teaches this student to be asked in context within these steps: "
    "whatever it was trained on, it is right in about one of eight there, and takes numbers of the "
    "demonstration into its solution. So the claim that in-context data keep both abilities cannot "
    "be tested here, only its price can: asked without examples, in-context data are 8.3 points "
    "behind zero-shot data, and mixed data lie between the two. Train with the prompt that the "
    "student will be asked with, and with a second one only where it is wanted too.",
    measures=("asked in context",),
    columns=(
        "in-distribution", _IN_CONTEXT, "out-of-distribution",
        "out-of-distribution, asked in context",
    ),
)  # fmt: skip
