"""X05: steps in which all rows of a question are together, against steps of random rows."""

from __future__ import annotations

import json
from functools import partial

from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment

_QUESTIONS, _EXAMPLES = 400, 600
_FOUR = ("zero-shot-cot", "in-context-cot", "zero-shot-answer", "in-context-answer")
_ARMS = ("formats together",), ("formats at random",)
_CLAIM = "one question's rows in one step beat random rows"


def _formats() -> str:
    """The four formats of the method, of equal weight."""
    listed = [
        {"name": name, "format": name, "num_fewshot": 1}
        | (
            {"target": "rationale", "teacher": world.TEACHER, "keep": "first-correct"}
            if name.endswith("cot")
            else {"target": "answer"}
        )
        for name in _FOUR
    ]
    return f"objectives={json.dumps(listed)}"


BATCHES = Experiment(
    name="X05",
    title="Steps of the same questions against random steps",
    hypothesis="Which rows share a step matters: with all rows of a question in one step its "
    "prompts are contrasted directly; with random ones a step is more varied.",
    source="Fu et al. 2023, arXiv:2301.12726: their code offers both orders of batches",
    design=f"The bundled student learns {_QUESTIONS} questions for {world.STEPS} steps of "
    f"{world.ROWS} rows in the four formats of the method: answers as labels, and the first right "
    "one of two solutions as text. Rows come at random (`mixing: pooled`), or all of a question in "
    "one step (`joint`), so that a step is of 6 questions in place of up to 24. Where the teacher "
    "has no right solution, a question has its two answers alone, in both orders. The last "
    f"checkpoint counts. Accuracy on {_EXAMPLES} test questions of the set trained on, and on "
    f"{_EXAMPLES // 3} in another phrasing. Arms and claims were written down before the runs. "
    "Two more arms, with a solution of each bundled teacher to every question, were left out "
    "before they had been run, for what they cost; the measured time includes that second "
    "teacher's responses.",
    prepare=partial(world.prepare, fewer=("farm",)),
    base=partial(world.base_recipe, every=world.STEPS, samples=2),
    arms=(
        Arm("formats at random", (_formats(),)),
        Arm("formats together", (_formats(), "training.mixing=joint"), against="formats at random"),
    ),
    contrasts=(
        Contrast(_CLAIM, *_ARMS),
        Contrast(_CLAIM, *_ARMS, "out-of-distribution"),
    ),
    minutes=5,
    notes="The order of rows cannot be separated: steps of whole questions have 2.4 points less "
    "in-distribution and 4.7 less in another phrasing, and both intervals hold 0. Nothing speaks "
    "for joint steps where they are not needed; they are what multi-task recipes need, whose "
    "losses are weighed example by example.",
    questions=_QUESTIONS,
    examples=_EXAMPLES,
)
