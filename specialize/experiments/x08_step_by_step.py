"""X08: step-by-step against fine-tuning and distillation, by the share of training questions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from specialize.experiments import one_step
from specialize.experiments.design import Arm, Contrast

_FRACTIONS = (0.125, 0.5, 1.0)
_OF_DISTILLATION = (1.0,)
_OWN = one_step.COLUMNS[1]
_METHODS = {
    "fine-tuning": (one_step.label(),),
    "distillation": (one_step.label(one_step.TEACHER),),
    "step-by-step": (one_step.label(), one_step.rationale(one_step.TEACHER)),
}


def _named(method: str, fraction: float) -> str:
    return f"{method} {100 * fraction:g}"


def _arms() -> Iterator[Arm]:
    for fraction in _FRACTIONS:
        for method, objectives in _METHODS.items():
            if method == "distillation" and fraction not in _OF_DISTILLATION:
                continue
            changes = (f"train_on.fraction={fraction:g}", *one_step.taught(objectives))
            plain = None if method == "fine-tuning" else _named("fine-tuning", fraction)
            yield Arm(_named(method, fraction), changes, against=plain)


def _beats(
    method: str, role: str = "in-distribution", fractions: tuple[float, ...] = _FRACTIONS
) -> Iterator[Contrast]:
    for fraction in fractions:
        arms = (_named(method, fraction),), (_named("fine-tuning", fraction),)
        yield Contrast(f"{100 * fraction:g} %: {method} beats fine-tuning", *arms, role)


def _less_is_enough(fraction: float, role: str = "in-distribution") -> Contrast:
    return Contrast(
        f"step-by-step with {100 * fraction:g} % beats fine-tuning with all questions",
        (_named("step-by-step", fraction),),
        (_named("fine-tuning", 1.0),),
        role,
    )


STEP_BY_STEP = one_step.experiment(
    name="X08",
    title="Step-by-step with an eighth to all of the training questions",
    hypothesis="A student that learns rationales as a second task predicts labels better than one "
    "fine-tuned on labels, and needs fewer questions for the same accuracy.",
    source="Hsieh et al. 2023, arXiv:2305.02301, section 4",
    design=f"The bundled student learns problems of one step with numbers up to 60, from 12.5 to "
    f"100 % of {one_step.QUESTIONS} questions (the number in an arm's name), for {one_step.STEPS} "
    f"steps of {one_step.TOGETHER} questions at a peak learning rate of {one_step.RATE:g}. "
    "*Fine-tuning* learns the gold label, *distillation* the bundled teacher's, drawn at "
    "temperature .7, *step-by-step* the gold label and, as a task of its own with the same weight, "
    "the teacher's rationale, right or wrong. Its steps hold two rows a question. Accuracy of the "
    f"last checkpoint on {one_step.EXAMPLES} test questions: the label said directly, as in the "
    "paper, and the label at the end of the rationale that the student writes when it is asked to "
    "explain, for which fine-tuning and distillation were never trained. Problems, number of "
    "questions and learning rate are those of an earlier run of this comparison, which chose them "
    "on validation so that arms can differ. The claims were written down before this one, and it "
    "was shortened for cost after a pilot of two arms with a seed that is not among these: the "
    "share of 25 % and distillation with 12.5 and 50 % were left out, 200 steps became 150, and "
    "600 test questions 400.",
    prepare=one_step.prepare,
    base=partial(
        one_step.base_recipe, teachers={one_step.TEACHER: one_step.asked_of("teacher")}
    ),
    arms=tuple(_arms()),
    contrasts=(
        *_beats("step-by-step"),
        *_beats("distillation", fractions=_OF_DISTILLATION),
        *map(_less_is_enough, (0.125, 0.5)),
        *_beats("step-by-step", _OWN),
        _less_is_enough(0.125, _OWN),
    ),
    minutes=6,
    notes="In saying the label directly, which is what the method is for, rationales as a second "
    "task do not help this student: they cost 3 points with an eighth of the questions and are not "
    "separable from fine-tuning with half or all of them, and step-by-step with an eighth is 13.7 "
    "points behind fine-tuning with all. What they teach is to reason: asked for its own rationale "
    "the student is right 27 to 39 points more often than one that was never taught any, and with "
    "an eighth of the questions it then says the right label in 62 %, where fine-tuning with all "
    "of them says it in 51 % directly. An answer takes several times as many tokens. The teacher's "
    "labels in place of gold ones are not separable. Use step-by-step where the student may "
    "explain.",
)  # fmt: skip
