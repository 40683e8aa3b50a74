"""X10: what the projection, the number of entries and the treatment of the tail are worth."""

from __future__ import annotations

from functools import partial

from specialize.experiments import world
from specialize.experiments.design import Arm, Contrast, Experiment

_TEMPERATURE = 1.5  # of the teacher: a tail worth treating
_QUESTIONS, _EXAMPLES = 400, 600
_POLICY, _TAIL, _K = "alignment.policy", "training.tail", "alignment.top_k"
_TEACHER = f"teachers.{world.TEACHER}"
_ENTRIES = 16  # stored of each row, of which an arm keeps k


def _arm(name: str, *changes: str) -> Arm:
    return Arm(name, (_AT, *changes), against="prefix k5")


def _costs(what: str, name: str) -> Contrast:
    return Contrast(f"{what} costs accuracy", ("prefix k5",), (name,))


_AT = world.with_teacher_at(_TEMPERATURE)
_STORED = f"{_TEACHER}.top_logprobs={_ENTRIES}"

PROJECTION = Experiment(
    name="X10",
    title="Projection, entries and tail",
    hypothesis="What a row keeps of the teacher decides what the student learns: the faithful "
    "projection, more entries, and a tail that is kept as mass.",
    source="ours; the one-to-one projection and the renormalized tail are those published with "
    "Fu et al. 2023, arXiv:2301.12726; drawn entries: Anshumann et al. 2025, arXiv:2503.16870",
    design=f"As X02 with two solutions a question, {_QUESTIONS} questions and {world.STEPS} steps "
    f"of {world.ROWS} rows; the teacher's logits are divided by {_TEMPERATURE:g}, so that its rows "
    f"have a tail, and {_ENTRIES} entries of each are stored. Partner of an arm: the prefix "
    "projection with five entries and the tail as a bucket (the defaults), or what its name says.",
    prepare=partial(world.prepare, fewer=("farm",), temperatures=(_TEMPERATURE,)),
    base=partial(world.base_recipe, samples=2),
    arms=(
        Arm("prefix k5", (_AT, _STORED)),
        _arm("text", _STORED, "objectives.0.target=rationale"),
        _arm("one-to-one k5", _STORED, f"{_POLICY}=one-to-one"),
        _arm("renormalize k5", _STORED, f"{_TAIL}=renormalize"),
        _arm("to_label k5", _STORED, f"{_TAIL}=to_label"),
        _arm("drop k5", _STORED, f"{_TAIL}=drop"),
        _arm("k16", _STORED, f"{_K}=16"),
        _arm("5 drawn entries", f"{_TEACHER}.num_samples=5", f"{_TAIL}=renormalize"),
    ),
    contrasts=(
        Contrast("rows beat text", ("prefix k5",), ("text",)),
        _costs("one-to-one", "one-to-one k5"),
        _costs("renormalizing the tail of five entries", "renormalize k5"),
        _costs("giving the tail to the label", "to_label k5"),
        _costs("dropping the tail", "drop k5"),
        Contrast("sixteen entries beat five", ("k16",), ("prefix k5",)),
        Contrast("five drawn entries beat the five largest", ("5 drawn entries",), ("prefix k5",)),
    ),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    notes="With an uncertain teacher a tail kept as mass of its own costs accuracy against scaling "
    "it away; presumably it holds more mistakes than alternatives. The other treatments of the "
    "tail, the faithful and the one-to-one projection, sixteen entries and five, and the five "
    "largest entries and five drawn ones cannot be separated by these runs.",
    curves=(("text", "prefix k5"), ("one-to-one k5", "prefix k5"), ("renormalize k5", "prefix k5")),
)  # fmt: skip
