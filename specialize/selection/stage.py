"""Selection: validation scores of every checkpoint -> the one to keep, and why.

    select(recipe, run)                         by the recipe's rule
    select(recipe, run, "general-floor:0.8")    by another

Only validation scores count; a test score is refused. Of checkpoints that the validation examples
can not tell apart from the best, the earliest is taken: it has forgotten least. Not told apart is
what lies within one standard error of the best (Breiman et al. 1984, the rule of one standard
error), the error being that of the paired difference in the rule's own value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from specialize.artifacts.predictions import PredictionFile
from specialize.artifacts.scores import CheckpointScore, read_scores
from specialize.artifacts.selection import Candidate, Comparison, Judged, Selection
from specialize.config.recipe import EvaluationSet, Recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.selection.paired_tests import (
    Paired,
    difference_interval,
    examples_to_separate,
    holm,
    pair,
    standard_error,
)
from specialize.selection.rules import (
    BEST_IN_DISTRIBUTION,
    Rule,
    pareto_front,
    rule_by_name,
    weighted_value,
)

_HOPELESS = 0.02  # accuracy that no rule can choose by
_LEVEL = 0.05  # of significance
_MANY = 50_000  # examples beyond which it is no advice to use more

# For two checkpoints and a set: the counts of examples that only one of them answers rightly.
Compare = Callable[[str, str, str], Paired]


def select(
    recipe: Recipe,
    run: Path,
    rule: Rule | str | None = None,
    *,
    errors: float = 1.0,
) -> Selection:
    """Choose the run's checkpoint and write ``selection.json``.

    Args:
        rule: a rule or its name; None: the recipe's.
        errors: standard errors within which two checkpoints count as equal; 0: only equal
            values do.

    Raises:
        NothingPassedError: no checkpoint has a score on every set, or the rule refuses all.
        ConfigurationError: the recipe has no set of a role that the rule needs.
    """
    chosen_rule = _fitting(recipe, recipe.selection if rule is None else rule)
    scores = [s for s in read_scores(run / "scores.jsonl") if s.split == "validation"]
    format_ = recipe.evaluation.formats[0]

    def compare(first: str, second: str, set_: str) -> Paired:
        files = [
            PredictionFile.of(run, name, set_, "validation", format_) for name in (first, second)
        ]
        return pair(files[0].read(), files[1].read())

    sets = recipe.evaluation.sets
    selection = choose(scores, sets, chosen_rule, format_=format_, compare=compare, errors=errors)
    selection.write(run)
    return selection


def _fitting(recipe: Recipe, rule: Rule | str) -> Rule:
    """The rule, if the recipe has sets of the roles that it needs."""
    made = rule_by_name(rule) if isinstance(rule, str) else rule
    roles = {spec.role for spec in recipe.evaluation.sets}
    missing = sorted(made.roles - roles)
    if missing == ["out-of-distribution"] and made.name == "mean":
        return BEST_IN_DISTRIBUTION
    if missing:
        raise ConfigurationError(
            f"rule {made.name!r} needs {' and '.join(missing)} sets, of which the recipe has "
            f"none; add one to evaluation.sets or name another rule"
        )
    return made


def choose(
    scores: Sequence[CheckpointScore],
    sets: Sequence[EvaluationSet],
    rule: Rule,
    *,
    format_: str,
    compare: Compare | None = None,
    errors: float = 1.0,
) -> Selection:
    """The selection among the checkpoints (steps above 0) of ``scores``, in whatever order.

    The student before training (step 0) is what they are measured against, never chosen.

    Raises:
        ConfigurationError: a score is of the test split.
        NothingPassedError: nothing may be chosen.
    """
    _refuse_test(scores)
    candidates, incomplete = _candidates(scores, sets, format_)
    before = next((c for c in candidates if c.step == 0), None)
    trained = [c for c in candidates if c.step > 0]
    judged = rule.judge(trained, before)
    allowed = _allowed(judged, incomplete, rule)
    ballot = _Ballot(rule, sets, compare)
    chosen = _earliest_equal(allowed[0], allowed, ballot, errors)
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
    )


def _refuse_test(scores: Sequence[CheckpointScore]) -> None:
    for score in scores:
        if score.split != "validation":
            raise ConfigurationError(
                f"the score of {score.checkpoint} on {score.set} is of the {score.split} split; "
                f"checkpoints are chosen by validation scores only"
            )


def _candidates(
    scores: Sequence[CheckpointScore], sets: Sequence[EvaluationSet], format_: str
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


@dataclass(frozen=True, slots=True)
class _Ballot:
    """Compares two candidates over the sets that the rule weighs."""

    rule: Rule
    sets: Sequence[EvaluationSet]
    compare: Compare | None

    def parts(self, first: Candidate, second: Candidate) -> list[tuple[float, Paired]]:
        """Each set's weight in the rule's value, and its counts."""
        found = []
        for role, weight in self.rule.weights.items():
            labels = [spec.label for spec in self.sets if spec.role == role]
            for label in labels if self.compare else []:
                counts = self.compare(first.checkpoint, second.checkpoint, label)
                found.append((weight / len(labels), counts))
        return found

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


def _earliest_equal(
    best: Judged, allowed: Sequence[Judged], ballot: _Ballot, errors: float
) -> Judged:
    """The earliest candidate that the examples can not tell from the best one."""
    for rival in sorted(allowed, key=lambda j: j.candidate.step):
        if rival.candidate.step >= best.candidate.step:
            break
        parts = ballot.parts(best.candidate, rival.candidate)
        gap = sum(weight * counts.difference for weight, counts in parts)
        if parts and gap <= errors * standard_error(parts):
            return rival
    return best


def _allowed(judged: Sequence[Judged], incomplete: Sequence[str], rule: Rule) -> list[Judged]:
    """Those that may be chosen, the highest value first, of equal ones the earliest."""
    allowed = [j for j in judged if j.refused is None]
    if not allowed:
        raise NothingPassedError(_nothing(judged, incomplete, rule))
    return sorted(allowed, key=lambda j: (-j.value, j.candidate.step))


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
    said = []
    values = [weighted_value(j.candidate, rule.weights) for j in allowed]
    if incomplete:
        said.append(f"not considered, for want of a score on every set: {', '.join(incomplete)}")
    if before is None:
        said.append("the student before training was not evaluated, so gains are unknown")
    elif max(values) <= weighted_value(before, rule.weights):
        said.append("no checkpoint scores higher than the student before training by this rule")
    if max(values) < _HOPELESS:
        said.append(
            f"no checkpoint reaches {100 * _HOPELESS:.0f} %; a choice among such scores means "
            f"nothing"
        )
    if len(allowed) > 1 and chosen.candidate.step == max(j.candidate.step for j in allowed):
        said.append("the last checkpoint was chosen; longer training may give a better one")
    return said


def _inseparable(chosen: Judged, compared: Sequence[Comparison]) -> list[str]:
    """Which others the validation examples can not tell from the chosen one, and how many could."""
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
