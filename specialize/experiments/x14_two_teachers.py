"""X14: rationales of one teacher and of two, as text and as distributions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from specialize.config.recipe import Objective, Teacher
from specialize.experiments import one_step
from specialize.experiments.design import Arm, Contrast
from specialize.experiments.one_step import label, rationale
from specialize.quickstart.run import MODELS

_FAMILY, _STEPS = "shop", 200
_FIRST, _SECOND = one_step.TEACHER, one_step.SECOND
_GIVEN, _GIVEN_SECOND = f"{_FIRST}-given", f"{_SECOND}-given"  # score the set's own solutions
_OWN = one_step.COLUMNS[1]
_AVERAGED = Objective(
    name="explain-averaged", format="explain-averaged", target="distribution",
    average={_GIVEN: 1, _GIVEN_SECOND: 1}, keep="all",
)  # fmt: skip
_rows = partial(rationale, target="distribution")
_TAUGHT: dict[str, tuple[Objective, ...]] = {
    "labels": (),
    "first text": (rationale(_FIRST),),
    "second text": (rationale(_SECOND),),
    "both text": (rationale(_FIRST, weight=0.5), rationale(_SECOND, weight=0.5)),
    "first rows": (_rows(_FIRST),),
    "both rows": (_rows(_FIRST, weight=0.5), _rows(_SECOND, weight=0.5)),
    "own text": (rationale(_GIVEN),),
    "own rows": (_rows(_GIVEN),),
    "own averaged": (_AVERAGED,),
}
_ASKED = "own rows"  # asked with a prompt that the teacher was never taught, too
_AGAINST = {
    "first text": "labels", "second text": "first text", "both text": "first text",
    "first rows": "first text", "both rows": "both text", "own text": "first text",
    "own rows": "own text", "own averaged": "own rows",
}  # fmt: skip


def _scoring(model: str) -> Teacher:
    """A bundled teacher that gives distributions for the set's own solutions, answer included."""
    return Teacher(model=str(MODELS / model), mode="score", format="zero-shot-cot")


def _arms() -> Iterator[Arm]:
    for name, rationales in _TAUGHT.items():
        asked = rationales[0].format if rationales else f"explain-{_FIRST}"
        changes = (
            *one_step.taught((label(), *rationales)), f"evaluation.formats=[predict, {asked}]"
        )  # fmt: skip
        yield Arm(name, changes, against=_AGAINST.get(name))
        if name == _ASKED:
            unknown = f"teachers.{_GIVEN}.format=explain"
            yield Arm(f"{name} unknown prompt", (*changes, unknown), against=name)


def _beats(claim: str, better: str, worse: str, role: str = _OWN) -> Contrast:
    return Contrast(claim, (better,), (worse,), role)


TWO_TEACHERS = one_step.experiment(
    name="X14",
    title="One teacher or two, text or distributions",
    hypothesis="Rationales of two teachers teach more than those of either, and a teacher's "
    "distributions over rationales more than their text.",
    source="Tian et al. 2024, arXiv:2402.04616; Fu et al. 2023, arXiv:2301.12726",
    design=f"The bundled student learns {one_step.QUESTIONS} problems of two and three steps, "
    f"which both bundled teachers know, for {_STEPS} steps of {one_step.TOGETHER} questions at a "
    f"peak learning rate of {one_step.RATE:g}. *Labels*: the gold label alone. All other arms have "
    "rationales as further tasks, which weigh 1 together, beside the label's 1: *first* and "
    "*second* of one teacher, drawn at temperature .7, right or wrong, *both* of the two. *Text*: "
    "the tokens; *rows*: the teacher's distributions. *Own*: the solutions that come with the set, "
    "as text, with the distributions that the first teacher gives to each of their tokens "
    "(*rows*), or with those of both teachers averaged position by position (*averaged*). Teachers "
    "score them after the prompt that they were taught, with *unknown prompt* after the student's "
    "own, `explain:` and the question, which was added after the other runs. "
    f"Accuracy of the last checkpoint on {one_step.EXAMPLES} test questions: the label said "
    "directly, and the label at the end of the rationale that the student writes in the way of its "
    "(first) teacher. An earlier run of the same arms "
    "(`scripts/experiments/world_recipes.py` as of dfa3945), for 300 steps with checkpoints "
    "chosen by "
    "validation, had been read before; its verdicts are the claims' reason, not their evidence.",
    prepare=partial(one_step.prepare, family=_FAMILY),
    base=partial(
        one_step.base_recipe,
        teachers={
            _FIRST: one_step.asked_of("teacher"),
            _SECOND: one_step.asked_of("second_teacher"),
            _GIVEN: _scoring("teacher"),
            _GIVEN_SECOND: _scoring("second_teacher"),
        },
        family=_FAMILY,
        steps=_STEPS,
    ),
    arms=tuple(_arms()),
    contrasts=(
        _beats("text of the first teacher beats labels alone", "first text", "labels"),
        _beats(
            "text of the first teacher beats labels alone", "first text", "labels",
            "in-distribution",
        ),
        _beats("text of both beats that of the first", "both text", "first text"),
        _beats("text of both beats that of the second", "both text", "second text"),
        _beats("rows of both beat those of the first", "both rows", "first rows"),
        _beats("rows of the first beat its text", "first rows", "first text"),
        _beats("rows of both beat their text", "both rows", "both text"),
        _beats("own solutions: the first teacher's rows beat the text", "own rows", "own text"),
        _beats(
            "own solutions: rows after a prompt that the teacher was taught beat those after "
            "another",
            _ASKED, f"{_ASKED} unknown prompt",
        ),
        _beats("own solutions: averaged rows beat the first's", "own averaged", "own rows"),
        _beats("own solutions as text beat the first teacher's", "own text", "first text"),
    ),
    minutes=20,
    notes="After its own rationale a student taught by any of these is right four times as often "
    "as one taught labels alone; in saying the label of several steps at once all stay at the "
    "floor. Two teachers are separable from neither of them alone, nor a teacher's distributions "
    "over its own texts from the texts. What the set brings along is better than what a teacher "
    "writes, as text: its solutions, all right, are 4.4 points ahead (.2 to 8.6) of the first "
    "teacher's, of which 86 % are right; with the teacher's distributions on them 3.8 points are "
    "lost again (.2 to 7.4), just so. Averaging the two teachers' distributions over given "
    "solutions costs 13.9 points (7.8 to 20.0). In part that is our second teacher: it learned "
    "responses that were tokenized apart from their prompt, while given texts are scored as one "
    "text with it, where it is lost at the first word. Before averaging, see that each "
    "teacher alone gives such texts few "
    "nats. Asked with a prompt that it was never taught, the first teacher's distributions are "
    "worse than useless: they cost 53.0 points (48.3 to 57.5).",
)  # fmt: skip
