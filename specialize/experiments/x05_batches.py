"""X05: steps in which all rows of a question are together, against steps of random rows."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment
from specialize.quickstart.run import MODELS

_QUESTIONS, _EXAMPLES = 400, 600
_JOINT = "training.mixing=joint"
_SECOND = "second"
_FOUR = ("zero-shot-cot", "in-context-cot", "zero-shot-answer", "in-context-answer")


def _base(folder: Path) -> Recipe:
    """Both bundled teachers, so that all arms share their responses."""
    recipe = world.base_recipe(folder, every=world.STEPS, samples=2)
    first = recipe.teachers[world.TEACHER]
    second = first.model_copy(update={"model": str(MODELS / "second_teacher")})
    return recipe.model_copy(update={"teachers": {world.TEACHER: first, _SECOND: second}})


def _formats() -> str:
    """The four formats of the method, of equal weight."""
    return _objectives([
        {"name": name, "format": name, "num_fewshot": 1}
        | (
            {"target": "rationale", "teacher": world.TEACHER, "keep": "first-correct"}
            if name.endswith("cot")
            else {"target": "answer"}
        )
        for name in _FOUR
    ])  # fmt: skip


def _teachers() -> str:
    """A solution of each teacher to every question."""
    return _objectives([
        {"name": f"cot-{name}", "format": "zero-shot-cot", "target": "rationale", "teacher": name,
         "keep": "first-correct"}
        for name in (world.TEACHER, _SECOND)
    ])  # fmt: skip


def _objectives(listed: list[dict[str, object]]) -> str:
    return f"objectives={json.dumps(listed)}"


def _together(what: str, of: str) -> tuple[Contrast, Contrast]:
    plus, minus = (f"{of} together",), (f"{of} at random",)
    claim = f"{what}: one question's rows in one step beat random rows"
    return Contrast(claim, plus, minus), Contrast(claim, plus, minus, "out-of-distribution")


BATCHES = Experiment(
    name="X05",
    title="Steps of the same questions against random steps",
    hypothesis="Which rows share a step matters: with all rows of a question in one step its "
    "prompts or solutions are contrasted directly; with random ones a step is more varied.",
    source="Fu et al. 2023, arXiv:2301.12726: their code offers both orders of batches",
    design=f"The bundled student learns {_QUESTIONS} questions for {world.STEPS} steps of "
    f"{world.ROWS} rows, in two settings. *Formats*: the four formats of the method, answers as "
    "labels and the first right one of two solutions as text. *Teachers*: the first right solution "
    "of two of each bundled teacher, as text. Rows come at random (`mixing: pooled`), or all of a "
    "question in one step (`joint`), so that a step is of about 24 different questions, of 6 "
    "(formats) or of 12 (teachers). Where a teacher has no right solution, a question has fewer "
    "rows, in both orders. The last checkpoint counts. Accuracy on "
    f"{_EXAMPLES} test questions of the set trained on, and on {_EXAMPLES // 3} in another "
    "phrasing. All arms and claims were written down before the runs.",
    prepare=partial(world.prepare, fewer=("farm",)),
    base=_base,
    arms=(
        Arm("formats at random", (_formats(),)),
        Arm("formats together", (_formats(), _JOINT), against="formats at random"),
        Arm("teachers at random", (_teachers(),)),
        Arm("teachers together", (_teachers(), _JOINT), against="teachers at random"),
    ),
    contrasts=(
        *_together("four formats", "formats"),
        *_together("solutions of two teachers", "teachers"),
    ),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
)
