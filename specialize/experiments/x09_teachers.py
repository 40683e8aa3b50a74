"""X09 and X09A: what the parts of TinyLLM are worth: each teacher, and how teachers are asked."""

from __future__ import annotations

from functools import partial

from specialize.experiments import one_step
from specialize.experiments.design import Arm, Contrast
from specialize.recipes.tinyllm import DEMONSTRATIONS

_FIRST, _SECOND, _OWN = one_step.TEACHER, one_step.SECOND, one_step.COLUMNS[1]
_BOTH = (one_step.label(), one_step.rationale(_FIRST), one_step.rationale(_SECOND))
_SOURCE = "Tian et al. 2024, arXiv:2402.04616, the ablations"


def _without(what: str, part: str) -> tuple[Contrast, Contrast]:
    """The part helps: the method beats itself without the part, in either measure."""
    arms = ("both",), (f"without {part}",)
    return Contrast(f"{what} helps", *arms), Contrast(f"{what} helps", *arms, _OWN)


def _design(arms: str, other: str) -> str:
    return (
        "The bundled student learns problems of one step with numbers up to 60, "
        f"{one_step.QUESTIONS} questions for {one_step.STEPS} steps of {one_step.TOGETHER} "
        f"questions at a peak learning rate of {one_step.RATE:g}. *Both*: the gold label and the "
        "rationales of both bundled teachers are three tasks of weight 1, the steps hold three "
        f"rows a question. Both teachers see {DEMONSTRATIONS} random examples, the second one the "
        "answer too; the first one was never taught to explain a given answer, and in its training "
        f"neither saw examples often. {arms}Accuracy of the last checkpoint on {one_step.EXAMPLES} "
        "test questions: the label said directly, and the label at the end of the rationale that "
        "the student writes in the way of its first teacher (without the first, of the second). "
        "All arms and claims were written down before the runs; how the teachers answer 80 "
        "training questions when asked so had been looked at. X09 and X09A were one experiment, "
        f"and were split for cost when one run had been read; {other}."
    )


_made = partial(
    one_step.experiment,
    source=_SOURCE,
    prepare=one_step.prepare,
    base=partial(
        one_step.base_recipe,
        teachers={
            _FIRST: one_step.asked_of("teacher", examples=DEMONSTRATIONS),
            _SECOND: one_step.asked_of("second_teacher", examples=DEMONSTRATIONS, forced=True),
        },
    ),
)

TEACHERS = _made(
    name="X09",
    title="The parts of TinyLLM: each teacher",
    hypothesis="Rationales of several teachers teach more than those of one.",
    design=_design("", "the arms of X09A change how the teachers are asked"),
    arms=(
        Arm("both", one_step.taught(_BOTH)),
        Arm("labels", one_step.taught(_BOTH[:1]), against="both"),
        Arm(
            "without the first",
            (*one_step.taught((_BOTH[0], _BOTH[2])),
             f"evaluation.formats=[predict, explain-{_SECOND}]"),
            against="both",
        ),
        Arm("without the second", one_step.taught(_BOTH[:2]), against="both"),
    ),
    contrasts=(
        Contrast("rationales of both beat labels alone", ("both",), ("labels",)),
        Contrast("rationales of both beat labels alone", ("both",), ("labels",), _OWN),
        *_without("the first teacher", "the first"),
        *_without("the second teacher", "the second"),
    ),
    minutes=5,
    notes="In saying the label directly rationales add nothing that is separable from labels alone "
    "(+.2, -2.7 to 3.2), of one teacher or of two. What they teach is to reason: asked for its "
    "own rationale the student is right 29.4 points more often (22.5 to 37.2). There two "
    "teachers beat the weaker one alone by 8.3 points (1.0 to 14.5), whose rationales end in "
    "the right label in 65 %; they are not separable from the stronger one alone (+4.6, -.8 to "
    "9.6), which was told the answer and always ends in it. Two have more rows in a step than "
    "one. How teachers are asked may matter more: in X08 the first one alone, asked without "
    "examples, was right in 91 % and its student in 84.5 %, against 66.8 % here; that is no "
    "arm of this experiment.",
)  # fmt: skip

ASKING = _made(
    name="X09A",
    title="The parts of TinyLLM: examples and the given answer",
    hypothesis="The answer given to the teacher and random examples in its prompt make its "
    "rationales teach more.",
    design=_design(
        "*Without examples*: neither sees any. *Without the answer*: the second one is asked as "
        "the first one is. ",
        "the arms of X09 leave a teacher out",
    ),
    arms=(
        Arm("both", one_step.taught(_BOTH)),
        Arm(
            "without examples",
            (
                *one_step.taught(_BOTH),
                *(f"teachers.{name}.num_fewshot=0" for name in (_FIRST, _SECOND)),
            ),
            against="both",
        ),
        Arm(
            "without the answer",
            (*one_step.taught(_BOTH), f"teachers.{_SECOND}.forced=false"),
            against="both",
        ),
    ),
    contrasts=(
        *_without("showing the teachers examples", "examples"),
        *_without("giving the second teacher the answer", "the answer"),
    ),
    minutes=7,
    notes="Examples in the teachers' prompts do harm here: they take right rationales of the two "
    "from 95 to 82 %, and the student's own from 84.9 to 75.1 % (9.8 points, 5.5 to 14.5). These "
    "teachers seldom saw examples when they were trained; a large model may gain by them, which "
    "the share of right responses shows before anything is trained. Giving the second teacher the "
    "answer takes right rationales from 65 to 82 % and the student nowhere that is separable: "
    "what it is told, it does not always reason to. In labels said directly nothing is separable.",
)  # fmt: skip
