"""X02: the teacher's distributions against its samples, along the steps and by samples a question.

Two arms of a pair are ``text N`` (N solutions a question as hard labels) and ``rows N`` (the same
solutions, each token a distribution); what follows names the one thing that was changed for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes

from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment, Outcome
from specialize.experiments.drawing import draw_differences, sizes_axis
from specialize.experiments.judgement import Judgement
from specialize.report.canvas import COLOURS, INK, Drawing, draw

_TEXT = "objectives.0.target=rationale"
_ALL = "objectives.0.keep=all"
_RATE = "optimization.learning_rate"
_SAMPLING = f"teachers.{world.TEACHER}.temperature=1.0"
_TEMPERATURES = (0.7, 1.5, 2.0)  # of teachers that are more and less certain
_QUESTIONS, _EXAMPLES = 400, 600
_FEW = (12, 25, 50, 100, 200)  # questions, in place of all
_FEW_ALIKE = (25, 100, 200)
_OTHER_RATES = {"half the rate": "1e-4", "twice the rate": "4e-4"}
_OF_FEW = (25, 100)  # questions whose pairs are trained at other rates, too
_RATES_OF_FEW = {"a quarter of the rate": "5e-5", **_OTHER_RATES}
_LOWER_RATES = tuple(what for what in _RATES_OF_FEW if what != "twice the rate")
_ALIKE = (_SAMPLING, _ALL)


def _pair(name: str, *changes: str) -> tuple[Arm, Arm]:
    """``text`` and ``rows`` of one setting, whose name begins with the samples a question."""
    given = (f"training.samples_per_question={name.split()[0]}", *changes)
    text = Arm(f"text {name}", (*given, _TEXT))
    return text, Arm(f"rows {name}", given, against=text.name)


def _limit(questions: int) -> str:
    """The override of an arm with so few questions that every text is read many times."""
    return f"train_on.limit={questions}"


def _rows(name: str, *changes: str) -> Arm:
    """One way of learning from two solutions' rows, against the plain one."""
    return Arm(f"rows 2 {name}", ("training.samples_per_question=2", *changes), against="text 2")


def _wins(setting: str, name: str) -> Contrast:
    return Contrast(f"{setting}: rows beat text", (f"rows {name}",), (f"text {name}",))


def _widens(what: str, name: str, over: str = "2") -> Contrast:
    """A difference of differences: rows gain on text where the setting is ``name``."""
    return Contrast(
        f"rows gain on text {what}",
        (f"rows {name}", f"text {over}"),
        (f"text {name}", f"rows {over}"),
    )


def _helps(what: str, name: str) -> Contrast:
    return Contrast(f"rows, two samples: {what} helps", (f"rows 2 {name}",), ("rows 2",))


def by_questions(outcomes: Sequence[Outcome]) -> Drawing:
    """What rows gain on text by the number of questions, one solution to each."""
    judged = Judgement(outcomes)
    slow = "a quarter of the rate"
    few = {
        "right solutions": {f"1 of {few}": few for few in _FEW} | {"1": _QUESTIONS},
        "solutions as they come": {f"1 of {few} alike": few for few in _FEW_ALIKE},
        f"right solutions, {slow}": {f"1 of {few} {slow}": few for few in _OF_FEW},
        f"as they come, {slow}": {f"1 of {few} alike {slow}": few for few in _OF_FEW},
    }

    def paint(axes: Axes) -> None:
        for number, (what, pairs) in enumerate(few.items()):
            shown = {
                count * (1 + 0.05 * number): judged.difference((f"rows {name}",), (f"text {name}",))
                for name, count in pairs.items()
                if judged.seeds(f"rows {name}", f"text {name}")
            }
            colour = COLOURS[number]
            draw_differences(axes, [*shown], [*shown.values()], colour=colour, label=what)
        axes.axhline(0, color=INK, linewidth=0.8)
        counts = {str(count): count for count in (*_FEW, _QUESTIONS)}
        sizes_axis(axes, counts, "questions, with one solution to each")
        axes.set_ylabel("rows less text, points in-distribution")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)

    caption = "Rows less text by the number of questions, with 95 % intervals"
    return draw("X02-questions", caption, paint, size=(6.5, 4.0))


SAMPLES = Experiment(
    name="X02",
    title="Distributions against samples",
    hypothesis="A student that matches the teacher's token distributions becomes better than one "
    "that matches its samples, at equal steps.",
    source="Fu et al. 2023, arXiv:2301.12726, section 4",
    design=f"The bundled student learns the chain of thought of {_QUESTIONS} questions, asked "
    f"without examples, for {world.STEPS} steps of {world.ROWS} rows at a learning rate of "
    f"{world.RATE:g}; the last checkpoint counts, nothing is selected. The number in an arm's name "
    "is that of the solutions a question, drawn at temperature .7, of which only right ones are "
    "kept; what follows it is changed for both arms of a pair. *alike*: drawn at temperature 1, "
    "wrong ones too, so that the text is a fair draw from the rows. T1.5 and T2 are the bundled "
    f"teacher with its logits divided by 1.5 and 2. Accuracy on {_EXAMPLES} test questions of the "
    f"set trained on, and on {_EXAMPLES // 3} in another phrasing. The *alike* pairs and the "
    "teacher at T = .7 were added after the first results had been seen, and the number of test "
    "questions was raised. *Of 12* to *of 200*: that number of questions in place of all, so that "
    "every text is read up to 200 times; added when one run of four of these pairs, with a seed "
    "that is not among the others, had shown rows ahead. Other rates for 25 and 100 questions were "
    "added last, the lower ones of *alike* and the quarters after the others had been read; half "
    "was compared with a quarter when all had.",
    prepare=partial(world.prepare, fewer=("farm",), temperatures=_TEMPERATURES),
    base=world.base_recipe,
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    arms=(
        *_pair("2"),
        *_pair("1"),
        *_pair("8"),
        *_pair("2 T2", world.draws(4), world.with_teacher_at(2.0)),
        *_pair("2 drawn at 1", world.draws(4), _SAMPLING),
        *_pair("2 alike", world.draws(4), *_ALIKE),
        *_pair("2 alike T2", world.draws(4), world.with_teacher_at(2.0), *_ALIKE),
        *_pair("1 T2", world.draws(4), world.with_teacher_at(2.0)),
        *_pair("2 wrong ones too", _ALL),
        *(
            arm
            for what, rate in _OTHER_RATES.items()
            for arm in _pair(f"2 {what}", f"{_RATE}={rate}")
        ),
        *_pair("2 T1.5", world.draws(4), world.with_teacher_at(1.5)),
        *(arm for few in _FEW for arm in _pair(f"1 of {few}", _limit(few))),
        *(arm for few in _FEW_ALIKE for arm in _pair(f"1 of {few} alike", _limit(few), *_ALIKE)),
        *(
            arm
            for few in _OF_FEW
            for what, rate in _RATES_OF_FEW.items()
            for arm in _pair(f"1 of {few} {what}", _limit(few), f"{_RATE}={rate}")
        ),
        *(
            arm
            for few in _OF_FEW
            for what in _LOWER_RATES
            for arm in _pair(
                f"1 of {few} alike {what}",
                _limit(few),
                f"{_RATE}={_RATES_OF_FEW[what]}",
                *_ALIKE,
            )
        ),
        *_pair("8 of 25", _limit(25)),
        *_pair("1 of 25 T2", _limit(25), world.with_teacher_at(2.0)),
        _rows("T0.7", world.draws(4), world.with_teacher_at(0.7), _SAMPLING),
        _rows("half label", "training.hard_label_weight=0.5"),
        _rows("reverse KL", "training.loss=reverse_kl"),
        _rows("k1", "alignment.top_k=1"),
        _rows("one-to-one", "alignment.policy=one-to-one"),
    ),
    contrasts=(
        *(_wins(f"{n} a question", str(n)) for n in (1, 2, 8)),
        _wins("teacher at T = 1.5, 2 a question", "2 T1.5"),
        *(_wins(f"teacher at T = 2, {n} a question", f"{n} T2") for n in (1, 2)),
        _wins("text drawn as the rows are, unfiltered", "2 alike"),
        _wins("the same with the teacher at T = 2", "2 alike T2"),
        *(_wins(f"{few} questions, 1 a question", f"1 of {few}") for few in _FEW),
        *(
            _wins(f"{few} questions, text drawn as the rows are, unfiltered", f"1 of {few} alike")
            for few in _FEW_ALIKE
        ),
        *(
            _wins(f"{few} questions, 1 a question, both at {what}", f"1 of {few} {what}")
            for few in _OF_FEW
            for what in _RATES_OF_FEW
        ),
        *(
            _wins(
                f"{few} questions, text drawn as the rows are, unfiltered, both at {what}",
                f"1 of {few} alike {what}",
            )
            for few in _OF_FEW
            for what in _LOWER_RATES
        ),
        *(
            Contrast(
                f"{few} questions, 1 a question: rows at half the rate beat text at the shared one",
                (f"rows 1 of {few} half the rate",),
                (f"text 1 of {few}",),
            )
            for few in _OF_FEW
        ),
        *(
            Contrast(
                f"{few} questions, 1 a question: rows at the shared rate beat text at half of it",
                (f"rows 1 of {few}",),
                (f"text 1 of {few} half the rate",),
            )
            for few in _OF_FEW
        ),
        *(
            Contrast(
                f"25 questions, {what}: rows at half the rate beat text at a quarter",
                (f"rows {name} half the rate",),
                (f"text {name} a quarter of the rate",),
                role,
            )
            for what, name in (
                ("1 a question", "1 of 25"), ("unfiltered", "1 of 25 alike")
            )
            for role in ("in-distribution", "out-of-distribution")
        ),
        _wins("25 questions, 8 a question", "8 of 25"),
        _wins("25 questions, 1 a question, teacher at T = 2", "1 of 25 T2"),
        _widens("where questions are few (25 against 400)", "1 of 25", "1"),
        Contrast(
            "25 questions: rows of one solution beat eight solutions as text",
            ("rows 1 of 25",),
            ("text 8 of 25",),
        ),
        _widens("where text is drawn as the rows are, unfiltered", "2 alike"),
        _widens("where the same is done with the teacher at T = 2", "2 alike T2", "2 T2"),
        _widens("where samples are few (1 against 8)", "1", "8"),
        _widens("where the teacher is uncertain (T = 2)", "2 T2"),
        _widens("where solutions are drawn at the rows' own temperature", "2 drawn at 1"),
        _widens("where wrong solutions are not filtered out", "2 wrong ones too"),
        _widens("at half the learning rate", "2 half the rate"),
        _widens("at twice the learning rate", "2 twice the rate"),
        Contrast("rows at the text's own .7: rows beat text", ("rows 2 T0.7",), ("text 2",)),
        _helps("sharpening the rows to the text's own .7", "T0.7"),
        _helps("half of the weight on the label", "half label"),
        _helps("reverse KL in place of forward KL", "reverse KL"),
        _helps("one entry a row in place of five", "k1"),
        _helps("the one-to-one projection", "one-to-one"),
    ),
    minutes=92,
    notes="What pays depends on how many texts there are, how they were chosen, and the learning "
    "rate. **Few, at the shared rate**: of 12, 50 and 100 questions, one right solution each, rows "
    "beat the same solutions as text by 7.0, 6.0 and 4.8 points, of 100 and fewer also where "
    "solutions are taken as they come (8.5 with 25, 7.6 with 100; with 25 9.0 out of distribution, "
    "too); with 25 right ones and with 200 of either kind the sign is the same, but not separable. "
    "A text that is read 24 times and more is learnt by heart; its rows say what else could have "
    "been written. **What else says so**: further texts (with eight solutions to each of 25 "
    "questions neither is ahead, nor are rows of one solution ahead of the text of eight), and a "
    "lower rate. At half of it text of right solutions catches up (1.8 and .6 behind, not "
    "separable), at a quarter, where both are at their best in-distribution, the two are equal: "
    "51.2 and 50.7 % with 25 questions, 60.6 and 61.1 with 100. At twice the rate rows are 4.1 and "
    "5.8 ahead. Solutions as they come stay better as rows at half of the rate (8.5 and 5.2) and, "
    "not separably, at a quarter (4.0 and 1.9). A quarter costs accuracy in the other phrasing: "
    "with 25 questions rows at half of the rate are as good as text at a quarter in-distribution "
    "and 9.3 points ahead out of distribution (2.8 to 16.0), 14.3 with solutions as they come (8.0 "
    "to 21.0); this was compared after reading, and X15 says the same of another teacher. So rows "
    "forgive a rate that is too high for the number of texts, and wrong texts; with 25 texts they "
    "alone keep both accuracies, with 100 right ones and a rate that suits them they gain nothing. "
    "**Many**: of 400 questions' right solutions text is ahead, by 2.5 to 2.8 points, because of "
    "which text it is. Solutions drawn at .7, of which only right ones are kept, come from a "
    "better distribution than the rows, which are the teacher's own at temperature 1, with mass on "
    "mistakes on a right solution, too: X17 takes it away, and with the mass on wrong numbers two "
    "thirds of the lead go. Where the text is a fair draw from the rows (*alike*) its lead is gone "
    "as well, with a certain teacher and with an uncertain one. Drawing at 1 or keeping wrong "
    "solutions alone does not separate, and rows of a teacher sharpened to .7 gain nothing. The "
    "rate does not change the order of many texts. **Uncertain teachers** "
    "(entropy .5 nats in place of .13) write right solutions whose text is far ahead of their "
    "rows, by 12 points with 25 questions and by 14 to 16 with 400. So: many checked solutions as "
    "text (`target: rationale`), few solutions as distributions, at a lower rate than many.",
    figure=by_questions,
    curves=(("rows 1", "text 1"), ("rows 2", "text 2"), ("rows 8", "text 8"),
            ("rows 2 T2", "text 2 T2"), ("rows 1 of 25", "text 1 of 25")),
)  # fmt: skip
