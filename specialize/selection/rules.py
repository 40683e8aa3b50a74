"""Rules for choosing a checkpoint: small dataclasses that give every candidate a value.

    rule_by_name("mean")              the mean of in-distribution and out-of-distribution accuracy
    rule_by_name("within-drop:0.02")  in-distribution, at most 2 points below the best OOD mean

``RULES`` is the table of all of them: recipes, ``--rule`` and the documentation follow it.

The published method is the choice by validation accuracy off the training distribution (Fu et al.
2023, arXiv:2301.12726); the others are here because which loss is worth which gain is the user's
to say. All values are shares from 0 to 1, and higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from textwrap import fill
from typing import Literal, Protocol

from specialize.artifacts.selection import Candidate, Judged
from specialize.errors import ConfigurationError

Weights = Mapping[str, float]

_WIDTH = 78  # characters of a line of ``rules_table``
_WRITTEN = 22  # of these, for how a rule is written


class Rule(Protocol):
    """What every rule offers."""

    @property
    def name(self) -> str: ...

    @property
    def explanation(self) -> str:
        """What the rule prefers, in one clause."""
        ...

    @property
    def weights(self) -> Weights:
        """Role -> its weight in the value; roles that are left out do not count."""
        ...

    @property
    def roles(self) -> frozenset[str]:
        """The roles of which the rule needs at least one set."""
        ...

    def judge(self, candidates: Sequence[Candidate], before: Candidate | None) -> list[Judged]:
        """Every candidate, in the given order, with its value and perhaps a refusal.

        Args:
            before: the student before training, where it was evaluated.
        """
        ...


@dataclass(frozen=True, slots=True)
class WeightedMean:
    """``weight`` x in-distribution + (1 - ``weight``) x mean out-of-distribution accuracy."""

    weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigurationError(f"a weight lies between 0 and 1, got {self.weight}")

    @property
    def name(self) -> str:
        plain = {0.0: "out-of-distribution", 0.5: "mean", 1.0: "in-distribution"}
        return plain.get(self.weight, f"mean:{self.weight:g}")

    @property
    def explanation(self) -> str:
        plain = {
            0.0: "the highest mean accuracy on the out-of-distribution sets",
            0.5: "the highest mean of in-distribution and mean out-of-distribution accuracy",
            1.0: "the highest in-distribution accuracy",
        }
        return plain.get(
            self.weight,
            f"the highest {self.weight:g} x in-distribution + {1 - self.weight:g} x mean "
            f"out-of-distribution accuracy",
        )

    @property
    def weights(self) -> Weights:
        both = {"in-distribution": self.weight, "out-of-distribution": 1 - self.weight}
        return {role: weight for role, weight in both.items() if weight}

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.weights)

    def judge(self, candidates: Sequence[Candidate], before: Candidate | None) -> list[Judged]:
        return [Judged(c, weighted_value(c, self.weights)) for c in candidates]


@dataclass(frozen=True, slots=True)
class WithinDrop:
    """Best in-distribution among those at most ``drop`` below the best OOD mean of all."""

    drop: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.drop <= 1:
            raise ConfigurationError(f"a drop lies between 0 and 1, got {self.drop}")

    @property
    def name(self) -> str:
        return f"within-drop:{self.drop:g}"

    @property
    def explanation(self) -> str:
        return (
            f"the highest in-distribution accuracy at most {100 * self.drop:g} points below the "
            f"best mean out-of-distribution accuracy"
        )

    @property
    def weights(self) -> Weights:
        return {"in-distribution": 1.0}

    @property
    def roles(self) -> frozenset[str]:
        return frozenset({"in-distribution", "out-of-distribution"})

    def judge(self, candidates: Sequence[Candidate], before: Candidate | None) -> list[Judged]:
        known = [*candidates, *([before] if before else [])]
        best = max((c.out_of_distribution_mean for c in known), default=0.0)
        judged = BEST_IN_DISTRIBUTION.judge(candidates, before)
        return [
            _refuse_below(j, j.candidate.out_of_distribution_mean, best - self.drop, "OOD mean")
            for j in judged
        ]


@dataclass(frozen=True, slots=True)
class GeneralFloor:
    """Another rule among those that keep ``keep`` of the student's general accuracy."""

    keep: float = 0.9
    rule: WeightedMean = WeightedMean()

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1:
            raise ConfigurationError(f"a share to keep lies between 0 and 1, got {self.keep}")

    @property
    def name(self) -> str:
        return f"general-floor:{self.keep:g}"

    @property
    def explanation(self) -> str:
        return (
            f"{self.rule.explanation} among those that keep {100 * self.keep:g} % of the "
            f"student's general accuracy"
        )

    @property
    def weights(self) -> Weights:
        return self.rule.weights

    @property
    def roles(self) -> frozenset[str]:
        return self.rule.roles | {"general"}

    def judge(self, candidates: Sequence[Candidate], before: Candidate | None) -> list[Judged]:
        if before is None:
            raise ConfigurationError(
                "a floor under general accuracy needs the scores of the student before training; "
                "evaluate without naming steps"
            )
        floor = self.keep * before.general_mean
        return [
            _refuse_below(j, j.candidate.general_mean, floor, "general accuracy")
            for j in self.rule.judge(candidates, before)
        ]


@dataclass(frozen=True, slots=True)
class Knee:
    """The point of the Pareto front that lies farthest from the line between its ends.

    Both axes are scaled to the front's own range (Satopaa et al. 2011,
    doi:10.1109/ICDCSW.2011.20). A front of one or two points is judged by the mean.
    """

    @property
    def name(self) -> str:
        return "knee"

    @property
    def explanation(self) -> str:
        return "the knee of the front of in-distribution against mean out-of-distribution accuracy"

    @property
    def weights(self) -> Weights:
        return BEST_MEAN.weights

    @property
    def roles(self) -> frozenset[str]:
        return BEST_MEAN.roles

    def judge(self, candidates: Sequence[Candidate], before: Candidate | None) -> list[Judged]:
        front = pareto_front(candidates)
        points = [(c.in_distribution_mean, c.out_of_distribution_mean) for c in front]
        if len(set(points)) < 3:
            return BEST_MEAN.judge(candidates, before)
        (x0, x1), (y0, y1) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
        values = {
            c.checkpoint: (x - x0) / (x1 - x0) + (y - y0) / (y1 - y0)
            for c, (x, y) in zip(front, points, strict=True)
        }
        return [
            Judged(c, values[c.checkpoint])
            if c.checkpoint in values
            else Judged(c, 0.0, "another checkpoint is better on both axes")
            for c in candidates
        ]


BEST_IN_DISTRIBUTION = WeightedMean(1.0)
BEST_OUT_OF_DISTRIBUTION = WeightedMean(0.0)
BEST_MEAN = WeightedMean(0.5)


@dataclass(frozen=True, slots=True)
class RuleForm:
    """How a rule is written in a recipe or after ``--rule``, and what it chooses.

    ``make`` takes the number after the colon, None where none was written.
    """

    written: str
    chooses: str
    make: Callable[[float | None], Rule]
    number: Literal["none", "optional", "required"] = "none"

    @property
    def name(self) -> str:
        return self.written.partition("[")[0].partition(":")[0]


RULES: tuple[RuleForm, ...] = (
    RuleForm(
        "in-distribution", "the highest in-distribution accuracy", lambda _: BEST_IN_DISTRIBUTION
    ),
    RuleForm(
        "out-of-distribution",
        "the highest mean accuracy on the out-of-distribution sets",
        lambda _: BEST_OUT_OF_DISTRIBUTION,
    ),
    RuleForm("mean", "the highest mean of the two", lambda _: BEST_MEAN),
    RuleForm(
        "mean:WEIGHT",
        "the same with in-distribution accuracy weighted by WEIGHT, the other by 1 - WEIGHT",
        lambda weight: WeightedMean(0.5 if weight is None else weight),
        "required",
    ),
    RuleForm(
        "within-drop[:DROP]",
        "the highest in-distribution accuracy at most DROP (0.02) below the best mean "
        "out-of-distribution accuracy",
        lambda drop: WithinDrop() if drop is None else WithinDrop(drop),
        "optional",
    ),
    RuleForm(
        "general-floor[:SHARE]",
        "the highest mean among those that keep SHARE (0.9) of the student's general accuracy",
        lambda share: GeneralFloor() if share is None else GeneralFloor(share),
        "optional",
    ),
    RuleForm(
        "knee",
        "the knee of the front of in-distribution against out-of-distribution accuracy",
        lambda _: Knee(),
    ),
)


def rules_table() -> str:
    """The rules with what they choose, one under the other, for a command's help."""
    indent = " " * (_WRITTEN + 4)
    return "\n".join(
        fill(
            form.chooses,
            width=_WIDTH,
            initial_indent=f"  {form.written:{_WRITTEN}}  ",
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        for form in RULES
    )


def rule_by_name(name: str) -> Rule:
    """The rule that ``name`` writes, with its number after a colon where it takes one.

    Raises:
        ConfigurationError: no such rule (a similar name is suggested), or a number that it cannot
            take.
    """
    plain, colon, text = name.partition(":")
    fitting = [form for form in RULES if form.name == plain and _takes(form, bool(colon))]
    if not fitting:
        known = ", ".join(form.written for form in RULES)
        close = get_close_matches(plain, [form.name for form in RULES], n=1)
        hint = f"did you mean {close[0]!r}? " if close and close[0] != plain else ""
        raise ConfigurationError(f"unknown rule {name!r}; {hint}known rules: {known}")
    try:
        number = float(text) if colon else None
    except ValueError:
        raise ConfigurationError(f"rule {name!r}: {text!r} is not a number") from None
    return fitting[0].make(number)


def _takes(form: RuleForm, number: bool) -> bool:
    return form.number == "optional" or (form.number == "required") == number


def weighted_value(candidate: Candidate, weights: Weights) -> float:
    """The weighted sum of the candidate's mean accuracies by role."""
    means = {
        "in-distribution": lambda: candidate.in_distribution_mean,
        "out-of-distribution": lambda: candidate.out_of_distribution_mean,
        "general": lambda: candidate.general_mean,
    }
    return sum(weight * means[role]() for role, weight in weights.items())


def pareto_front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other beats in- and out-of-distribution, by in-distribution accuracy.

    Of equal ones all are kept.
    """
    points = [(c.in_distribution_mean, c.out_of_distribution_mean) for c in candidates]
    kept = [
        c
        for c, (x, y) in zip(candidates, points, strict=True)
        if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in points)
    ]
    return sorted(kept, key=lambda c: (c.in_distribution_mean, c.step))


def _refuse_below(judged: Judged, value: float, floor: float, what: str) -> Judged:
    # a floor that is met up to rounding is met
    if value >= floor - 1e-9:
        return judged
    return replace(judged, refused=f"{what} {100 * value:.1f} % is below {100 * floor:.1f} %")
