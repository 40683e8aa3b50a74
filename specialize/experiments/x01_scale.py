"""X01: accuracy by the student's size, before and after; is the curve log-linear?

``0.3M`` learns text, ``rows 0.3M`` the same solutions as distributions, ``reverse 0.3M`` these by
the reverse KL: does a small student have room for all that a distribution covers?
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from specialize.config.recipe import Objective, Recipe
from specialize.experiments import by_size, one_step, world
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
    "9M": Student(352, 9_021_056),
}
SCRIPT = "scripts/build/build_students.py"
_MIDDLE = STUDENTS["1M"].parameters  # of the base recipe's student
_PARAMETERS = {name: student.parameters for name, student in STUDENTS.items()}
_SIZES = ", ".join(f"{count:,}" for count in _PARAMETERS.values())
_SMALL, _LARGE = "0.1M", "3M"  # of which capacity is a claim; 9M has hardly anything to gain
_SLOW = f"optimization.learning_rate={world.RATE:g}"
_ROWS, _QUESTIONS, _EXAMPLES = 24, 800, 400


def prepare(folder: Path, questions: int, examples: int) -> None:
    """The set's questions; the students have to be there.

    Raises:
        ConfigurationError: a student was not built.
    """
    world.refuse_unbuilt(folder / "students", "student", STUDENTS, SCRIPT, "half an hour")
    one_step.prepare(folder, questions, examples)


def _base(folder: Path) -> Recipe:
    teacher = one_step.asked_of("teacher").model_copy(update={"mode": "sample", "samples": 2})
    recipe = one_step.base_recipe(folder, {one_step.TEACHER: teacher})
    solution = Objective(
        name="zero-shot-cot", format="zero-shot-cot", target="rationale", teacher=one_step.TEACHER
    )
    return recipe.model_copy(
        update={
            "objectives": (solution,),
            "training": recipe.training.model_copy(update={"mixing": "pooled"}),
            "optimization": recipe.optimization.model_copy(update={"batch_rows": _ROWS}),
            "evaluation": recipe.evaluation.model_copy(update={"formats": ("zero-shot-cot",)}),
        }
    )


def _arms() -> Iterator[Arm]:
    smaller = None
    for name in STUDENTS:
        yield from _taught(name, name, smaller)
        smaller = name
    yield from _taught("1M slow", "1M", "1M", _SLOW)


def _taught(text: str, student: str, against: str | None, *changes: str) -> Iterator[Arm]:
    """``text``, and the same solutions as distributions, by either divergence."""
    given = (f"student={Path(INPUTS) / 'students' / student}", *changes)
    rows, size = (*given, "objectives.0.target=distribution"), _PARAMETERS[student] / _MIDDLE
    yield Arm(text, given, against, size)
    yield Arm(f"rows {text}", rows, text, size)
    yield Arm(f"reverse {text}", (*rows, "training.loss=reverse_kl"), f"rows {text}", size)


def _contrasts() -> Iterator[Contrast]:
    for smaller, larger in pairwise(STUDENTS):
        yield Contrast(f"{larger} beats {smaller}", (larger,), (smaller,))
    for name in (*STUDENTS, "1M slow"):
        rows = f"rows {name}"
        yield Contrast(f"{name}: rows beat text", (rows,), (name,))
        yield Contrast(f"{name}: the reverse KL helps rows", (f"reverse {name}",), (rows,))
    small, large = f"rows {_SMALL}", f"rows {_LARGE}"
    yield Contrast(f"rows gain on text from {_SMALL} to {_LARGE}", (large, _SMALL), (small, _LARGE))
    yield Contrast(
        f"the reverse KL helps rows of {_SMALL} more than of {_LARGE}",
        (f"reverse {_SMALL}", large), (small, f"reverse {_LARGE}"),
    )  # fmt: skip


SCALE = Experiment(
    name="X01",
    title="Is accuracy after specialization log-linear in the student's size?",
    hypothesis="Before specialization small students stay flat; after it their accuracy rises "
    "linearly with the logarithm of their parameters. A small student has no room for all that a "
    "distribution covers, so that it learns better from text, or by the reverse KL.",
    source="Fu et al. 2023, arXiv:2301.12726, FLAN-T5 of 250 million to 11 billion parameters; "
    "the second one ours",
    design="Five T5 students with three layers on either side and the bundled vocabulary, which "
    f"differ in width alone: {_SIZES} parameters. `{SCRIPT}` trained each for 1,000 steps of 32 "
    "rows, the same rows in the same order at the same schedule, a third of what the bundled one "
    "read; they were not tuned to answer directly as that one was. Each then learns right "
    f"solutions of the bundled teacher as text, two a question of {_QUESTIONS} problems of one "
    f"step, for {one_step.STEPS} steps of {_ROWS} rows at a learning rate of {one_step.RATE:g}. "
    f"Accuracy after a chain of thought, on {_EXAMPLES} test questions, before and after. "
    "A pilot with a seed that is not among these left the students of 0.3M and 1M between 14 and "
    "22 % of validation questions of two and three steps, at either of two rates; so problems of "
    "one step and X08's rate were taken, at which the one of 1M went from 59 to 68 %. Claims and "
    "fits were chosen before the runs of the first three students; the two larger ones were added "
    "after their results had been read, and all were run again. *Rows*: the same solutions as "
    "distributions; *reverse*: these by the reverse KL. They and their claims, on capacity of "
    f"{_SMALL} and {_LARGE} because 9M has hardly anything to gain, came last, before any of their "
    f"runs; and *slow*, at {world.RATE:g}, X02's rate, when these had been read. Seeds are those "
    "of specialization: each size was pretrained once, so that one pretraining's luck counts as "
    "its size.",
    prepare=prepare,
    base=_base,
    arms=tuple(_arms()),
    contrasts=tuple(_contrasts()),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    minutes=19,
    notes="After specialization the curve is not log-linear here, it bends till nothing is gained: "
    "from 0.1M to 0.3M it rises by 22.3 points (18.0 to 26.7), from there to 1M by 8.6 (4.8 "
    "to 12.6), to 3M by 3.2 (.1 to 6.5), and 9M is not separable from 3M (-1.7, -5.0 to 1.7); "
    "the curvature is -13.2 (-16.0 to -10.5). Nor are the students flat before: they rise by "
    "30.1 points for ten times the parameters (27.3 to 32.7), and bend less (-8.1, -11.4 to "
    "-4.9). Specialization gives most where least was there, 25 points to either of the two "
    "smallest students, 13 to the one of 1M, 7 to 3M and nothing to 9M, so that the slope "
    "after is 14.3 points less (10.6 to 18.0). A narrow task makes up for a part of a "
    "student's size. One pretraining each, which had problems of this kind among others, and "
    "one learning rate for all, which may not suit the largest: whether the curve of "
    "pretrained models bends was not measured. **Room for a distribution: no.** Rows and text "
    "are not separable at any size, and if anything the smallest student gains by rows (2.3, "
    "-.2 to 5.1) and larger ones do not, which is the other way round. **The reverse KL is no "
    "help** to any of them: on the teacher's own right solutions it costs 5 to 10 points at "
    "every size, and 4.8 at X02's lower rate (1.8 to 7.8), to small students not separably "
    "less. X02 cannot separate it from the forward KL with problems of several steps, and X16 "
    "has it ahead on texts that the student wrote: it is for these.",
    before=True,
    columns=("in-distribution",),
    extra=partial(by_size.table, _PARAMETERS),
    figure=partial(by_size.curve, _PARAMETERS),
)
