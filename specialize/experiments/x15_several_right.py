"""X15: distributions against samples of a teacher that is uncertain between right solutions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from specialize.experiments import world
from specialize.experiments.design import INPUTS, Arm, Contrast, Experiment

SCRIPT = "scripts/build/build_teachers.py X15"
ONE_WAY, MANY_WAYS = "one way", "many ways"
TEACHERS = (ONE_WAY, MANY_WAYS)
TUNING_STEPS = 400
OPENINGS = ("", "So, ", "Now, ", "Then, ", "Next, ", "Well, ", "Here, ", "Thus, ")
_QUESTIONS, _EXAMPLES = 400, 600
_COUNTS = (25, 100, 400)
_SLOWER = (25, 100)  # questions whose pairs are trained at lower rates, too
_RATES = {"half the rate": world.RATE / 2, "a quarter of the rate": world.RATE / 4}
_WIDER, _K = (25, 100), 16  # questions whose rows are wider, too; their entries


def prepare(folder: Path, questions: int, examples: int) -> None:
    """The sets; the teachers, which are not shipped, have to be there.

    Raises:
        ConfigurationError: a teacher was not built.
    """
    world.refuse_unbuilt(folder / "teachers", "teacher", TEACHERS, SCRIPT, "seven minutes")
    world.prepare(folder, questions, examples, fewer=("farm",))


def _arms() -> Iterator[Arm]:
    for teacher in TEACHERS:
        model = f"teachers.{world.TEACHER}.model={Path(INPUTS) / 'teachers' / teacher}"
        for count in _COUNTS:
            given = (f"train_on.limit={count}", "training.samples_per_question=1", model)
            yield from _pair(f"of {count} {teacher}", given)
            if teacher == ONE_WAY and count in _SLOWER:
                for what, rate in _RATES.items():
                    slower = (*given, f"optimization.learning_rate={rate}")
                    yield from _pair(f"of {count} {teacher} {what}", slower)
            if teacher == MANY_WAYS and count in _WIDER:
                entries = (f"teachers.{world.TEACHER}.top_logprobs={_K}", f"alignment.top_k={_K}")
                yield Arm(
                    f"rows of {count} {teacher} k{_K}",
                    (*given, *entries),
                    f"text of {count} {teacher}",
                )


def _pair(name: str, given: tuple[str, ...]) -> tuple[Arm, Arm]:
    text = Arm(f"text {name}", (*given, "objectives.0.target=rationale"))
    return text, Arm(f"rows {name}", given, against=text.name)


def _contrasts() -> Iterator[Contrast]:
    for teacher in TEACHERS:
        for count in _COUNTS:
            rows, text = f"rows of {count} {teacher}", f"text of {count} {teacher}"
            yield Contrast(f"{teacher}, {count} questions: rows beat text", (rows,), (text,))
    for count in _SLOWER:
        for what in _RATES:
            rows, text = (f"{kind} of {count} {ONE_WAY} {what}" for kind in ("rows", "text"))
            claim = f"{ONE_WAY}, {count} questions, both at {what}: rows beat text"
            yield Contrast(claim, (rows,), (text,))
    for count in _WIDER:
        wide, rows = f"rows of {count} {MANY_WAYS} k{_K}", f"rows of {count} {MANY_WAYS}"
        setting = f"{MANY_WAYS}, {count} questions, {_K} entries a row"
        yield Contrast(f"{setting}: rows beat text", (wide,), (f"text of {count} {MANY_WAYS}",))
        yield Contrast(f"{setting}: they beat five entries", (wide,), (rows,))
    for count in _COUNTS:
        yield Contrast(
            f"{count} questions: rows gain on text where solutions differ (many ways, one way)",
            (f"rows of {count} {MANY_WAYS}", f"text of {count} {ONE_WAY}"),
            (f"text of {count} {MANY_WAYS}", f"rows of {count} {ONE_WAY}"),
        )


SEVERAL_RIGHT = Experiment(
    name="X15",
    title="Distributions against samples where several solutions are right",
    hypothesis="A teacher that is uncertain because there are several right ways to write a "
    "solution tells them all in its distributions and one of them in a sample, so that matching "
    "distributions pays.",
    source="the question that X02 leaves open: the mass that flattening its teachers spreads is "
    "on mistakes",
    design=f"Two teachers go on from the bundled one for {TUNING_STEPS} steps on solutions of the "
    "set trained on (`scripts/build/build_teachers.py X15`). *One way* reads them as they are; "
    f"for *many ways* each line opens with one of {len(OPENINGS) - 1} words or none, and sums and "
    "products have their terms in either order, drawn anew each time; every such solution is right "
    "if the first was. The student is the bundled one, which has read solutions of the first kind. "
    "It learns one right solution, drawn at temperature .7, to each of 25, 100 or 400 questions, "
    f"for {world.STEPS} steps of {world.ROWS} rows at a learning rate of {world.RATE:g}. Accuracy "
    f"of the last checkpoint on {_EXAMPLES} test questions of the set trained on, and on "
    f"{_EXAMPLES // 3} in another phrasing. Arms and claims were written down before the runs; "
    f"those of {_K} entries a row, on both sides, were added when the others had been read.",
    prepare=prepare,
    base=lambda folder: world.base_recipe(folder, samples=4),
    arms=tuple(_arms()),
    contrasts=tuple(_contrasts()),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
)
