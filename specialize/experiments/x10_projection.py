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
_SOFT_ALONE = "objectives.0.row_filter.min_entropy=1e-6"  # a row without a partner is one-hot
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
    "projection with five entries and the tail as a bucket (the defaults), or what its name says. "
    "Two fifths of the rows have no one-to-one partner, the ends among them; *alone* learns "
    "nothing of these. *5 stored*: five entries of the teacher, too, as many bytes as five drawn "
    "ones. The last six arms, and the claims about them and about sixteen entries under other "
    "tails, were added after the others had been read. That five drawn entries beat the five "
    "largest, both scaled to mass 1, was chosen as a claim after both of its arms had been read.",
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
        _arm("one-to-one k5 alone", _STORED, f"{_POLICY}=one-to-one", _SOFT_ALONE),
        _arm("k1", _STORED, f"{_K}=1"),
        _arm("5 stored", f"{_TEACHER}.top_logprobs=5"),
        _arm("nearest k5", _STORED, f"{_POLICY}=nearest"),
        _arm("chunk k5", _STORED, f"{_POLICY}=chunk"),
        _arm("k64", f"{_TEACHER}.top_logprobs=64", f"{_K}=64"),
    ),
    contrasts=(
        Contrast("rows beat text", ("prefix k5",), ("text",)),
        _costs("one-to-one", "one-to-one k5"),
        _costs("renormalizing the tail of five entries", "renormalize k5"),
        _costs("giving the tail to the label", "to_label k5"),
        _costs("dropping the tail", "drop k5"),
        Contrast("sixteen entries beat five", ("k16",), ("prefix k5",)),
        *(
            Contrast(f"sixteen entries beat five with tail: {tail}", ("k16",), (f"{tail} k5",))
            for tail in ("renormalize", "to_label", "drop")
        ),
        Contrast("sixty-four entries, of as many that are stored, beat five",
                 ("k64",), ("prefix k5",)),
        Contrast("five entries beat one", ("prefix k5",), ("k1",)),
        Contrast("five drawn entries beat the five largest", ("5 drawn entries",), ("prefix k5",)),
        Contrast(
            "five drawn entries beat the five largest, with no more stored of the teacher",
            ("5 drawn entries",), ("5 stored",),
        ),
        Contrast(
            "five drawn entries beat the five largest, scaled to mass 1 (claimed after reading)",
            ("5 drawn entries",), ("renormalize k5",),
        ),
        Contrast(
            "rows without a one-to-one partner help as distributions, against none at all",
            ("prefix k5",), ("one-to-one k5 alone",),
        ),
        Contrast(
            "rows without a one-to-one partner help as labels, against none at all",
            ("one-to-one k5",), ("one-to-one k5 alone",),
        ),
        _costs("the nearest-token projection", "nearest k5"),
        _costs("the chunk projection", "chunk k5"),
    ),
    questions=_QUESTIONS,
    examples=_EXAMPLES,
    minutes=19,
    notes="*What five entries lose.* Nothing that is separable: sixteen are .8 points ahead (-.7 "
    "to 2.1) with the tail as a bucket, and 1.1 to 1.3 behind five entries with any other "
    "treatment. Among the treatments only scaling to mass 1 is separable from the bucket (2.1 "
    "points ahead, .1 to 4.2; giving the tail to the label and dropping it have the same sign): "
    "with an uncertain teacher a tail kept as mass costs accuracy, presumably since it holds more "
    "mistakes than alternatives. *What rows without a one-to-one partner are worth.* Nearly all "
    "that is learnt: a student that is taught nothing of them, ends included, is 43 points behind, "
    "whether others learn them as distributions or as labels; between these two nothing is "
    "separable, nor between the projections. Keep every row. *Drawn entries.* At equal bytes (26 a "
    "row, of the teacher's store too) five drawn entries and the five largest are not separable "
    "(-.6, -2.7 to 1.6); with both scaled to mass 1 the drawn ones are 2.2 points behind (.1 to "
    "4.2), in a comparison that was chosen after its arms had been read: an observation, not a "
    "test.",
    curves=(("text", "prefix k5"), ("one-to-one k5", "prefix k5"), ("renormalize k5", "prefix k5")),
)  # fmt: skip
