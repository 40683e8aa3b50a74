"""X01: accuracy by the student's size, before and after specialization; is the curve log-linear?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.experiments import by_size, world
from specialize.experiments.design import INPUTS, Arm, Contrast, Experiment


class Student(NamedTuple):
    """Of the scale sweep: a T5 with three layers on either side.

    Attributes:
        width: of the model; everything else follows from it.
        parameters: as counted.
    """

    width: int
    parameters: int


STUDENTS = {
    "0.1M": Student(32, 82_816),
    "0.3M": Student(64, 313_088),
    "1M": Student(128, 1_216_000),
    "3M": Student(192, 2_708_736),
}
SCRIPT = "scripts/build/build_students.py"
_MIDDLE = STUDENTS["1M"].parameters  # of the base recipe's student
_PARAMETERS = {name: student.parameters for name, student in STUDENTS.items()}
_SIZES = ", ".join(f"{count:,}" for count in _PARAMETERS.values())
_STEPS, _RATE, _QUESTIONS, _EXAMPLES = 150, 1e-3, 400, 400


def prepare(folder: Path, questions: int, examples: int) -> None:
    """The world's sets; the students have to be there.

    Raises:
        ConfigurationError: a student was not built.
    """
    students = folder / "students"
    missing = [name for name in STUDENTS if not (students / name / "config.json").is_file()]
    if missing:
        raise ConfigurationError(
            f"{students} has no student {', '.join(missing)}, and none is shipped; build what is "
            f"missing, in about fifteen minutes, with `python {SCRIPT} --out {students}`"
        )
    world.prepare(folder, questions, examples, fewer=("farm",))


def _base(folder: Path) -> Recipe:
    recipe = world.base_recipe(folder, steps=_STEPS, every=_STEPS, samples=2)
    text = recipe.objectives[0].model_copy(update={"target": "rationale"})
    schedule = recipe.optimization.model_copy(update={"learning_rate": _RATE})
    return recipe.model_copy(update={"objectives": (text,), "optimization": schedule})


def _arms() -> Iterator[Arm]:
    smaller = None
    for name, student in STUDENTS.items():
        path = Path(INPUTS) / "students" / name
        yield Arm(name, (f"student={path}",), smaller, size=student.parameters / _MIDDLE)
        smaller = name


def _beats(role: str = "in-distribution") -> Iterator[Contrast]:
    names = list(STUDENTS)
    for smaller, larger in pairwise(names):
        yield Contrast(f"{larger} beats {smaller}", (larger,), (smaller,), role)


SCALE = Experiment(
    name="X01",
    title="Is accuracy after specialization log-linear in the student's size?",
    hypothesis="Before specialization small students stay flat; after it their accuracy rises "
    "linearly with the logarithm of their parameters.",
    source="Fu et al. 2023, arXiv:2301.12726, FLAN-T5 of 250 million to 11 billion parameters",
    design="Four T5 students with three layers on either side and the bundled vocabulary, "
    f"which differ in width alone: {_SIZES} parameters. `{SCRIPT}` trained each for 1,000 steps of "
    "32 rows, the same rows in the same order at the same schedule, a third of what the bundled "
    "one read; they were not tuned to answer directly as that one was. Each then learns right "
    f"solutions as text, two a question of {_QUESTIONS} questions, for {_STEPS} steps of "
    f"{world.ROWS} rows at a learning rate of {_RATE:g}, the better of two for the students of "
    "0.3M and 1M on validation, with a seed that is not among these. Accuracy before and after on "
    f"{_EXAMPLES} test questions of the set trained on, and on {_EXAMPLES // 3} of another family. "
    "The claims were written down before the runs. Seeds are those of specialization: each size "
    "was pretrained once, so that what one pretraining has more luck with than another counts as "
    "its size.",
    prepare=prepare,
    base=_base,
    arms=tuple(_arms()),
    contrasts=(*_beats(), *_beats("out-of-distribution")),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    before=True,
    extra=partial(by_size.table, _PARAMETERS),
    figure=partial(by_size.curve, _PARAMETERS),
)
