"""The stage that chooses: a run's scores on validation -> selection.json."""

from __future__ import annotations

from pathlib import Path

from specialize.artifacts.results import RunResults
from specialize.artifacts.selection import Selection
from specialize.choosing.from_harness import select_from_harness
from specialize.choosing.harness import HarnessLogs
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import recorded_recipe
from specialize.selection.stage import select as choose_checkpoint


def select(
    recipe: Recipe,
    run: str | Path,
    rule: str | None = None,
    *,
    smooth: int | None = None,
    results: RunResults | None = None,
) -> Selection:
    """Choose the run's checkpoint by its validation scores; writes ``selection.json``.

    Args:
        recipe: of the run.
        run: the run's directory, with scores of validation.
        rule: the name of a rule (``selection.rules.RULES``); None: the recipe's.
        smooth: neighbouring checkpoints whose scores are averaged, odd; None: the recipe's.
        results: scores and grades that this process has already; None: they are read.

    Returns:
        The selected step, with the value and the reasons of the choice.

    Raises:
        NothingPassedError: no checkpoint has a score on every set, or the rule refuses all.
        ConfigurationError: there is no such rule, or no set of a role that it needs.
    """
    return choose_checkpoint(
        results or RunResults(Path(run)),
        recipe.evaluation.sets,
        rule or recipe.selection,
        format_=recipe.evaluation.formats[0],
        smooth=smooth or recipe.smooth,
    )


def select_run(
    run: Path,
    rule: str | None,
    *,
    smooth: int | None = None,
    logs: HarnessLogs | None = None,
    results: RunResults | None = None,
) -> dict[str, object]:
    """Choose by validation scores, or by ``logs``, and the run's recipe; see ``select``."""
    recipe = recorded_recipe(run)
    if logs is not None:
        return _selected(select_from_harness(recipe, run, logs, rule, smooth=smooth))
    return _selected(select(recipe, run, rule, smooth=smooth, results=results))


def _selected(selection: Selection) -> dict[str, object]:
    """What the command prints."""
    raw = selection.raw_choice
    ratios = {each.set: each.ratio and round(each.ratio, 2) for each in selection.signals}
    return {
        "selected_step": selection.step,
        "checkpoint": selection.checkpoint,
        "rule": selection.rule,
        "value": round(selection.value, 4),
        "smooth": selection.smooth if selection.smooth != 1 else None,
        "without_smoothing": raw and raw.checkpoint,
        "signal_to_noise": {name: ratio for name, ratio in ratios.items() if ratio is not None},
        "chosen": selection.source or None,
        "warnings": list(selection.warnings),
    }
