"""X15: distributions against samples of a teacher that is uncertain between right solutions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
    for role in ("in-distribution", "out-of-distribution"):
        claim = f"{ONE_WAY}, 25 questions: rows at half the rate beat text at a quarter"
        rows, text = (f"{kind} of 25 {ONE_WAY}" for kind in ("rows", "text"))
        half, quarter = _RATES
        yield Contrast(claim, (f"{rows} {half}",), (f"{text} {quarter}",), role)
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
    f"those of {_K} entries a row, on both sides, and of lower rates were added when the others "
    "had been read, and half was compared with a quarter when all had.",
    prepare=partial(world.prepare_built, teachers=TEACHERS, script=SCRIPT, minutes="ten minutes"),
    base=lambda folder: world.base_recipe(folder, samples=4),
    arms=tuple(_arms()),
    contrasts=tuple(_contrasts()),
    minutes=31,
    notes="Uncertainty between right solutions does not make distributions pay; the contrary. Of "
    "the teacher that writes one way (.11 nats a token) rows are 11.0 points ahead of text with 25 "
    "questions and 6.3 with 100, of the one that writes many ways (.24) nowhere that is separable, "
    "and with 25 questions the lead is 14.3 points smaller (6.7 to 21.7). Presumably "
    "rows of few texts help where the teacher is sure; a new way of writing, which is open at each "
    "line's beginning, is learnt badly from few texts in either form. Five entries do not hold "
    "eight openings: sixteen gain 3.9 points with 25 questions (.8 to 7.0), so look at the mass "
    "that is stored (`specialize pair`). With 400 questions nothing separates rows from text. As "
    "in X02 a lower rate makes text catch up in-distribution: at a quarter neither is ahead. It "
    "does not out of distribution, where rows at half of the rate are 16.0 points ahead of text at "
    "a quarter (7.0 to 24.5), equal in-distribution. Building the teachers took ten minutes.",
    questions=_QUESTIONS,
    examples=_EXAMPLES,
)
