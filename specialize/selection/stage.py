"""Selection: validation scores of every checkpoint -> the one to keep, and why.

    select(results, recipe.evaluation.sets, recipe.selection, format_="zero-shot-cot")
    select(results, recipe.evaluation.sets, "general-floor:0.8", format_="zero-shot-cot")

Only validation scores count; a test score is refused. Among checkpoints that the validation
examples cannot distinguish from the best, the earliest is taken: it has forgotten least. Two are
not distinguished when they lie within one standard error of each other (Breiman et al. 1984, the
rule of one standard error), the error being that of the paired difference in the rule's own value.
With ``smooth`` each checkpoint is judged by the mean of its neighbours' scores and its own, and the
choice without smoothing is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Protocol

from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import CheckpointScore
from specialize.artifacts.selection import (
    Candidate,
    Comparison,
    Judged,
    RawChoice,
    Selection,
    SignalNoise,
)
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.selection.paired_tests import (
    Paired,
    difference_interval,
    examples_to_separate,
    holm,
    pair,
)
from specialize.selection.rules import (
    BEST_IN_DISTRIBUTION,
    Rule,
    pareto_front,
    rule_by_name,
    weighted_value,
)
from specialize.selection.signal import signal_and_noise
from specialize.selection.smoothing import contrast, smoothed, windows

_HOPELESS = 0.02  # accuracy that no rule can choose by
_LEVEL = 0.05  # of significance
_MANY = 50_000  # examples beyond which it is no advice to use more

# For two checkpoints and a set: the counts of examples that only one of them answers correctly.
Compare = Callable[[str, str, str], Paired]


class ScoredSet(Protocol):
    """An evaluation set, as far as selection needs to know it."""

    @property
    def label(self) -> str: ...

    @property
    def role(self) -> str: ...


def select(
    results: RunResults,
    sets: Sequence[ScoredSet],
    rule: Rule | str,
    *,
    format_: str,
    errors: float = 1.0,
    smooth: int = 1,
) -> Selection:
    """Choose the run's checkpoint and write ``selection.json``.

    Args:
        sets: the recipe's evaluation sets; a candidate has a score on each of them.
        rule: a rule or its name.
        format_: the prompt format that decides.
        errors: standard errors within which two checkpoints count as equal; 0: only equal
            values do.
        smooth: neighbouring checkpoints whose scores are averaged, odd; 1: none.

    Raises:
        NothingPassedError: no checkpoint has a score on every set, or the rule refuses all.
        ConfigurationError: ``smooth`` is even, or there is no set of a role that the rule needs.
    """
    used, note = fitting_rule(sets, rule)
    scores = [score for score in results.scores if score.split == "validation"]

    def compare(first: str, second: str, set_: str) -> Paired:
        answers = (results.grades(name, set_, "validation", format_) for name in (first, second))
        return pair(*answers)

    selection = choose(
        scores, sets, used, format_=format_, compare=compare, errors=errors, smooth=smooth
    )
    selection = replace(selection, warnings=(*note, *selection.warnings))
    selection.write(results.run)
    return selection


def fitting_rule(sets: Sequence[ScoredSet], rule: Rule | str) -> tuple[Rule, tuple[str, ...]]:
    """The rule that these sets allow, and a note where it is not the given one."""
    rule = rule_by_name(rule) if isinstance(rule, str) else rule
    missing = sorted(rule.roles - {spec.role for spec in sets})
    if missing == ["out-of-distribution"] and rule.name == "mean":
        used = BEST_IN_DISTRIBUTION
        return used, (
            f"rule {rule.name!r} is replaced by {used.name!r}: there is no out-of-distribution set",
        )
    if missing:
        raise ConfigurationError(
            f"rule {rule.name!r} needs {' and '.join(missing)} sets, of which there is none; add "
            f"one to evaluation.sets (--from lm-eval has an option for each) or name another rule"
        )
    return rule, ()


def choose(
    scores: Sequence[CheckpointScore],
    sets: Sequence[ScoredSet],
    rule: Rule,
    *,
    format_: str,
    compare: Compare | None = None,
    errors: float = 1.0,
    smooth: int = 1,
) -> Selection:
    """The selection among the checkpoints (steps above 0) of ``scores``, in whatever order.

    The student before training (step 0) is what they are measured against, never chosen.

    Raises:
        ConfigurationError: a score is of the test split.
        NothingPassedError: nothing may be chosen.
    """
    _refuse_test(scores)
    candidates, incomplete = _candidates(scores, sets, format_)
    return choose_among(
        candidates, sets, rule, format_=format_, compare=compare, errors=errors, smooth=smooth,
        incomplete=incomplete,
    )  # fmt: skip


def choose_among(
    candidates: Sequence[Candidate],
    sets: Sequence[ScoredSet],
    rule: Rule,
    *,
    format_: str,
    compare: Compare | None = None,
    errors: float = 1.0,
    smooth: int = 1,
    incomplete: Sequence[str] = (),
) -> Selection:
    """The same of candidates that have a score on every set, by step, whoever scored them."""
    before = next((c for c in candidates if c.step == 0), None)
    trained = [c for c in candidates if c.step > 0]
    ballot = _Ballot(rule, sets, compare)
    raw = judged = rule.judge(trained, before)
    if smooth != 1:
        decided = rule.judge(smoothed(trained, smooth), before)
        judged = [
            replace(each, candidate=own.candidate, raw=own.value)
            for each, own in zip(decided, raw, strict=True)
        ]
    averaged = windows([c.checkpoint for c in trained], smooth)
    allowed = _allowed(judged, incomplete, rule)
    chosen = _earliest_equal(allowed, replace(ballot, averaged=averaged), errors)
    compared = ballot.comparisons(chosen, [j for j in allowed if j is not chosen])
    best = allowed[0].candidate.checkpoint
    warned = _warnings(chosen, allowed, before, incomplete, rule)
    return Selection(
        checkpoint=chosen.candidate.checkpoint,
        step=chosen.candidate.step,
        value=chosen.value,
        rule=rule.name,
        explanation=rule.explanation,
        format=format_,
        judged=_with_front(judged, trained),
        before=before,
        runner_up=compared[0] if compared else None,
        passed_over=next((c for c in compared if c.checkpoint == best), None),
        compared=compared,
        warnings=(*warned, *_inseparable(chosen, compared)),
        signals=_signals(trained),
        smooth=smooth,
        raw_choice=_raw_choice(raw, ballot, errors) if smooth != 1 else None,
    )


def _raw_choice(judged: Sequence[Judged], ballot: _Ballot, errors: float) -> RawChoice | None:
    """What each checkpoint's own scores choose; None where the rule then refuses all."""
    if all(each.refused is not None for each in judged):
        return None
    chosen = _earliest_equal(_allowed(judged, (), ballot.rule), ballot, errors)
    return RawChoice(chosen.candidate.checkpoint, chosen.candidate.step, chosen.value)


def _signals(trained: Sequence[Candidate]) -> tuple[SignalNoise, ...]:
    """Signal and noise of every set over the checkpoints, by step."""
    by_role = {
        "in-distribution": [c.in_distribution for c in trained],
        "out-of-distribution": [c.out_of_distribution for c in trained],
        "general": [c.general for c in trained],
    }
    return tuple(
        signal_and_noise(name, role, [each[name] for each in scores])
        for role, scores in by_role.items()
        for name in scores[0]
    )


def _refuse_test(scores: Sequence[CheckpointScore]) -> None:
    for score in scores:
        if score.split != "validation":
            raise ConfigurationError(
                f"the score of {score.checkpoint} on {score.set} is of the {score.split} split; "
                f"checkpoints are chosen by validation scores only"
            )


def _candidates(
    scores: Sequence[CheckpointScore], sets: Sequence[ScoredSet], format_: str
) -> tuple[list[Candidate], list[str]]:
    """Checkpoints with a score on every set, by step; and the names of those without."""
    found: dict[tuple[int, str], dict[str, float]] = {}
    for score in scores:
        if score.format == format_ and score.step >= 0:
            found.setdefault((score.step, score.checkpoint), {})[score.set] = score.macro_average
    complete, incomplete = [], []
    for (step, checkpoint), values in sorted(found.items()):
        if any(spec.label not in values for spec in sets):
            incomplete.append(checkpoint)
            continue
        by_role = {
            role: {spec.label: values[spec.label] for spec in sets if spec.role == role}
            for role in ("in-distribution", "out-of-distribution", "general")
        }
        complete.append(Candidate(checkpoint, step, *by_role.values()))
    return complete, incomplete


def _on(compare: Compare, set_: str) -> Callable[[str, str], Paired]:
    return lambda first, second: compare(first, second, set_)


@dataclass(frozen=True, slots=True)
class _Ballot:
    """Compares two candidates over the sets that the rule weighs.

    ``averaged``: the checkpoints whose answers a candidate's scores are the mean of, where that
    are more than its own.
    """

    rule: Rule
    sets: Sequence[ScoredSet]
    compare: Compare | None
    averaged: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def gap(self, first: Candidate, second: Candidate) -> tuple[float, float] | None:
        """First less second in the rule's value, with its standard error; None: no answers."""
        if self.compare is None:
            return None
        compare, difference, variance, known = self.compare, 0.0, 0.0, False
        one, other = (self.averaged.get(c.checkpoint, (c.checkpoint,)) for c in (first, second))
        for label, weight in self._weighted():
            found = contrast(one, other, _on(compare, label))
            if found is not None:
                known = True
                difference += weight * found[0]
                variance += weight * weight * found[1]
        return (difference, sqrt(variance)) if known else None

    def _weighted(self) -> list[tuple[str, float]]:
        """Every set that counts, with its weight in the rule's value."""
        found = []
        for role, weight in self.rule.weights.items():
            labels = [spec.label for spec in self.sets if spec.role == role]
            found += [(label, weight / len(labels)) for label in labels]
        return found

    def parts(self, first: Candidate, second: Candidate) -> list[tuple[float, Paired]]:
        """Each set's weight in the rule's value, and its counts."""
        if self.compare is None:
            return []
        return [
            (weight, self.compare(first.checkpoint, second.checkpoint, label))
            for label, weight in self._weighted()
        ]

    def comparisons(self, chosen: Judged, others: Sequence[Judged]) -> tuple[Comparison, ...]:
        """The chosen one against every other, p values adjusted for their number."""
        made = [c for other in others if (c := self.comparison(chosen, other)) is not None]
        adjusted = holm([c.p_value for c in made])
        return tuple(replace(c, p_adjusted=p) for c, p in zip(made, adjusted, strict=True))

    def comparison(self, chosen: Judged, other: Judged) -> Comparison | None:
        parts = self.parts(chosen.candidate, other.candidate)
        counts = sum((counts for _, counts in parts), Paired(0, 0, 0))
        if not counts.total:
            return None
        return Comparison(
            checkpoint=other.candidate.checkpoint,
            step=other.candidate.step,
            difference=sum(weight * part.difference for weight, part in parts),
            interval=difference_interval(parts),
            only_chosen=counts.only_first,
            only_other=counts.only_second,
            examples=counts.total,
            p_value=counts.p_value,
            needed=examples_to_separate(counts),
        )


def _earliest_equal(allowed: Sequence[Judged], ballot: _Ballot, errors: float) -> Judged:
    """The earliest candidate that the examples cannot distinguish from the best, the first."""
    best = allowed[0]
    for rival in sorted(allowed, key=lambda j: j.candidate.step):
        if rival.candidate.step >= best.candidate.step:
            break
        gap = ballot.gap(best.candidate, rival.candidate)
        if gap is not None and gap[0] <= errors * gap[1]:
            return rival
    return best


def _allowed(judged: Sequence[Judged], incomplete: Sequence[str], rule: Rule) -> list[Judged]:
    """Those that may be chosen, the highest value first, of equal ones the earliest."""
    allowed = [j for j in judged if j.refused is None]
    if not allowed:
        raise NothingPassedError(_nothing(judged, incomplete, rule))
    # what sums in another order differ by decides nothing
    return sorted(allowed, key=lambda j: (-round(j.value, 12), j.candidate.step))


def _with_front(judged: Sequence[Judged], trained: Sequence[Candidate]) -> tuple[Judged, ...]:
    """By step, with those marked that no other beats in- and out-of-distribution."""
    two_axes = all(c.in_distribution and c.out_of_distribution for c in trained)
    front = {c.checkpoint for c in pareto_front(trained)} if two_axes else set()
    marked = [replace(j, on_front=j.candidate.checkpoint in front) for j in judged]
    return tuple(sorted(marked, key=lambda j: j.candidate.step))


def _nothing(judged: Sequence[Judged], incomplete: Sequence[str], rule: Rule) -> str:
    if judged:
        reasons = "; ".join(f"{j.candidate.checkpoint}: {j.refused}" for j in judged[:3])
        return f"rule {rule.name!r} refuses all {len(judged)} checkpoints ({reasons})"
    without = f"; not on every set: {', '.join(incomplete)}" if incomplete else ""
    return (
        f"no trained checkpoint has validation scores on every set{without}; run specialize "
        f"evaluate first"
    )


def _warnings(
    chosen: Judged,
    allowed: Sequence[Judged],
    before: Candidate | None,
    incomplete: Sequence[str],
    rule: Rule,
) -> list[str]:
    warnings = []
    values = [weighted_value(j.candidate, rule.weights) for j in allowed]
    if incomplete:
        warnings.append(f"not considered, because a set has no score: {', '.join(incomplete)}")
    if before is None:
        warnings.append("the student before training was not evaluated, so gains are unknown")
    elif max(values) <= weighted_value(before, rule.weights):
        warnings.append("no checkpoint scores higher than the student before training by this rule")
    if max(values) < _HOPELESS:
        warnings.append(
            f"no checkpoint reaches {100 * _HOPELESS:.0f} %; a choice among such scores means "
            f"nothing"
        )
    if len(allowed) > 1 and chosen.candidate.step == max(j.candidate.step for j in allowed):
        warnings.append("the last checkpoint was chosen; longer training may give a better one")
    return warnings


def _inseparable(chosen: Judged, compared: Sequence[Comparison]) -> list[str]:
    """Which others the validation examples do not separate from the chosen one."""
    close = [c for c in compared if c.p_adjusted >= _LEVEL]
    if not close:
        return []
    needed = [c.needed for c in close if c.needed is not None and c.needed <= _MANY]
    would = f"; about {max(needed):,} would tell {len(needed)} of these apart" if needed else ""
    named = ", ".join(c.checkpoint for c in close[:3])
    more = f" and {len(close) - 3} more" if len(close) > 3 else ""
    return [
        f"the {compared[0].examples:,} validation examples do not separate "
        f"{chosen.candidate.checkpoint} from {named}{more} (McNemar with Holm's correction, "
        f"p >= {_LEVEL}){would}"
    ]
