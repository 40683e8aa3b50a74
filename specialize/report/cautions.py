"""Caveats about a run's numbers, most serious first."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.artifacts.learned_tokens import told_learned
from specialize.artifacts.results import RunResults
from specialize.artifacts.selection import ScoredOnTest, Selection
from specialize.config.recipe import Recipe
from specialize.report.outcome import Outcome

_FEW = 200  # examples of a set below which differences of 5 points are noise
_HOPELESS = 0.02
_UNREAD = 0.05
_CUT = 0.05


def cautions(
    recipe: Recipe,
    results: RunResults,
    tested: Sequence[ScoredOnTest],
    selection: Selection | None,
    outcome: Outcome | None,
) -> list[str]:
    """Every reason why a number in the report may mean less than it seems to."""
    cautions = _limits(recipe) + [f"The run was {each}." for each in results.lengthened]
    cautions += told_learned(results.run)
    if selection is None:
        cautions.append("No checkpoint was selected yet: run specialize select.")
        return cautions
    if outcome is None or outcome.split != "test":
        instead = " Validation scores are shown instead, which selection makes too high."
        cautions.append(
            f"The selected checkpoint was not scored on the test split.{instead if outcome else ''}"
        )
    if outcome is not None:
        cautions += _of_outcome(outcome)
    others = _other_test_scores(results, tested, selection)
    if others:
        cautions.append(
            f"Other checkpoints were scored on the test split too ({', '.join(others)}). If any "
            f"of those scores led to a decision, the test scores here are no longer unbiased."
        )
    cautions += [f"{warning[0].upper()}{warning[1:]}." for warning in selection.warnings]
    return cautions + _of_predictions(recipe, results, selection, outcome)


def _limits(recipe: Recipe) -> list[str]:
    limited = [
        f"{spec.label} ({spec.limit})"
        for spec in recipe.evaluation.sets
        if spec.limit is not None and spec.protocol != "first"
    ]
    if not limited:
        return []
    return [
        f"Not a result: a limit cut the sets {', '.join(limited)}. Use these numbers to see that "
        f"everything runs, not to compare with others."
    ]


def _of_outcome(outcome: Outcome) -> list[str]:
    cautions = []
    sets = [line for line in outcome.lines if not line.is_mean]
    hopeless = [line.name for line in sets if line.after and line.after.value < _HOPELESS]
    if hopeless:
        cautions.append(
            f"Accuracy is near zero on {', '.join(hopeless)}: differences there mean nothing."
        )
    few = [f"{line.name} ({line.examples})" for line in sets if 0 < line.examples < _FEW]
    if few:
        cautions.append(
            f"Small sets: {', '.join(few)}. Intervals are wide; differences of a few points are "
            f"noise."
        )
    unread = [
        f"{line.name} ({line.after.unanswered} of {line.examples})"
        for line in sets
        if line.after and line.after.unanswered > _UNREAD * line.examples
    ]
    if unread:
        cautions.append(f"In many responses no answer was found: {', '.join(unread)}.")
    return cautions


def _other_test_scores(
    results: RunResults, tested: Sequence[ScoredOnTest], selection: Selection
) -> list[str]:
    """Trained checkpoints other than the selected one whose test scores were seen."""
    scores = results.scores if results.is_scored else ()
    seen = {s.checkpoint for s in scores if s.split == "test" and s.step > 0}
    seen |= {each.checkpoint for each in tested}
    return sorted(seen - {selection.checkpoint})


def _of_predictions(
    recipe: Recipe, results: RunResults, selection: Selection, outcome: Outcome | None
) -> list[str]:
    """Of the chosen checkpoint: responses cut by the longest length, prompts refused."""
    cautions, cut, refused = [], [], []
    split = outcome.split if outcome else "validation"
    for spec in recipe.evaluation.sets:
        predictions = results.predictions(selection.checkpoint, spec.label, split, selection.format)
        unfinished = sum(not p.finished and not p.refused for p in predictions)
        turned_away = sum(p.refused for p in predictions)
        if unfinished > _CUT * len(predictions):
            cut.append(f"{spec.label} ({unfinished} of {len(predictions)})")
        if turned_away:
            refused.append(f"{spec.label} ({turned_away} of {len(predictions)})")
    if cut:
        cautions.append(
            f"Responses that did not end by themselves: {', '.join(cut)}. Raise "
            f"evaluation.max_new_tokens, or the student has not learnt to stop."
        )
    if refused:
        cautions.append(
            f"Prompts longer than the student's context were refused and count as wrong: "
            f"{', '.join(refused)}."
        )
    return cautions
