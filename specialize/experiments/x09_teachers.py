"""X09: what the parts of TinyLLM are worth: examples, the given answer, each teacher."""

from __future__ import annotations

from functools import partial

from specialize.experiments import one_step
from specialize.experiments.design import Arm, Contrast, Experiment
from specialize.recipes.tinyllm import DEMONSTRATIONS

_FIRST, _SECOND, _OWN = one_step.TEACHER, one_step.SECOND, one_step.COLUMNS[1]
_BOTH = (one_step.label(), one_step.rationale(_FIRST), one_step.rationale(_SECOND))


def _without(what: str, part: str) -> tuple[Contrast, Contrast]:
    """The part helps: the method beats itself without the part, in either measure."""
    arms = ("both",), (f"without {part}",)
    return Contrast(f"{what} helps", *arms), Contrast(f"{what} helps", *arms, _OWN)


TEACHERS = Experiment(
    name="X09",
    title="The parts of TinyLLM: examples, the given answer, each teacher",
    hypothesis="Rationales of several teachers teach more than those of one, and the answer given "
    "to the teacher and random examples in its prompt make them better.",
    source="Tian et al. 2024, arXiv:2402.04616, the ablations",
    design=f"The bundled student learns problems of one step with numbers up to 60, "
    f"{one_step.QUESTIONS} questions for {one_step.STEPS} steps of {one_step.TOGETHER} questions "
    f"at a peak learning rate of {one_step.RATE:g}. *Both*: the gold label and the rationales of "
    "both bundled teachers are three tasks of weight 1, the steps hold three rows a question. "
    f"Both teachers see {DEMONSTRATIONS} random examples, the second one the answer too; the first "
    "one was never taught to explain a given answer, and in its training neither saw examples "
    "often. *Without examples*: neither sees any. *Without the answer*: the second one is asked "
    "as the first one is. Accuracy of the last checkpoint on "
    f"{one_step.EXAMPLES} test questions: the label said directly, and the label at the end of the "
    "rationale that the student writes in the way of its first teacher (without the first, of the "
    "second). All arms and claims were written down before the runs; how the teachers answer 80 "
    "training questions when asked so had been looked at.",
    prepare=one_step.prepare,
    base=partial(
        one_step.base_recipe,
        teachers={
            _FIRST: one_step.asked_of("teacher", examples=DEMONSTRATIONS),
            _SECOND: one_step.asked_of("second_teacher", examples=DEMONSTRATIONS, forced=True),
        },
    ),
    arms=(
        Arm("both", one_step.taught(_BOTH)),
        Arm("labels", one_step.taught(_BOTH[:1]), against="both"),
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
        *_without("showing the teachers examples", "examples"),
        *_without("giving the second teacher the answer", "the answer"),
        *_without("the first teacher", "the first"),
        *_without("the second teacher", "the second"),
    ),
    questions=one_step.QUESTIONS,
    examples=one_step.EXAMPLES,
    measures=(one_step.AFTER_RATIONALE,),
    columns=one_step.COLUMNS,
)  # fmt: skip
