"""X06: wrong solutions as negatives, each of their tokens made unlikely."""

from __future__ import annotations

import json
from functools import partial

from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment

_QUESTIONS, _EXAMPLES, _SAMPLES = 400, 600, 4
_FORMAT = "zero-shot-cot"


def _taught(target: str, *, negatives: bool = False) -> tuple[str, ...]:
    """Right solutions as ``target``, perhaps with wrong ones as negatives beside them."""
    right = {"name": "right", "format": _FORMAT, "target": target, "teacher": world.TEACHER}
    wrong = {
        "name": "wrong", "format": _FORMAT, "target": "unlikelihood", "teacher": world.TEACHER,
        "keep": "wrong",
    }  # fmt: skip
    return (f"objectives={json.dumps([right, wrong] if negatives else [right])}",)


def _helps(what: str, name: str, against: str) -> tuple[Contrast, Contrast]:
    return (
        Contrast(f"{what} help", (name,), (against,)),
        Contrast(f"{what} help", (name,), (against,), "out-of-distribution"),
    )


NEGATIVES = Experiment(
    name="X06",
    title="Wrong solutions as negatives",
    hypothesis="Making the tokens of wrong solutions unlikely teaches what right ones do not.",
    source="unlikelihood: Welleck et al. 2020, arXiv:1908.04319; Fu et al. 2023, arXiv:2301.12726, "
    "tried it on wrong solutions and left it out",
    design=f"The bundled student learns {_QUESTIONS} questions x {_SAMPLES} solutions, drawn at "
    f"temperature 1 so that about one in six is wrong, for {world.STEPS} steps of {world.ROWS} "
    "rows. Right ones are learnt as text or as distributions; wrong ones are left out, or join the "
    "steps as negatives, in the share in which they were drawn, with a weight of 1. An arm "
    "with negatives sees as many rows less of right ones. The last checkpoint counts. Accuracy on "
    f"{_EXAMPLES} test questions of the set trained on, and on {_EXAMPLES // 3} in another "
    "phrasing. All arms and claims were written down before the runs.",
    prepare=partial(world.prepare, fewer=("farm",)),
    base=partial(world.base_recipe, every=world.STEPS, samples=_SAMPLES),
    arms=tuple(
        Arm(name, (f"teachers.{world.TEACHER}.temperature=1.0", *changes), against)
        for name, changes, against in (
            ("text", _taught("rationale"), None),
            ("text with negatives", _taught("rationale", negatives=True), "text"),
            ("rows", _taught("distribution"), None),
            ("rows with negatives", _taught("distribution", negatives=True), "rows"),
        )
    ),
    contrasts=(
        *_helps("text: negatives", "text with negatives", "text"),
        *_helps("rows: negatives", "rows with negatives", "rows"),
    ),
    minutes=5,
    notes="Leave them out: as negatives of weight 1 wrong solutions cost about 40 points, in and "
    "out of distribution, beside text and beside distributions. Most tokens of a wrong solution "
    "are right, and all of them are pushed away, so that the student loses the language of "
    "solutions: in five answers that were read it repeats a word to the limit, or states an answer "
    "alone. Lower weights, and negatives on the wrong tokens alone, were not tried.",
    questions=_QUESTIONS,
    examples=_EXAMPLES,
)
