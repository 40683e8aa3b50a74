"""Everything that a report shows, read from a run's directory once."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from specialize import __version__
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import CheckpointScore
from specialize.artifacts.selection import ScoredOnTest, Selection, read_selection, read_tested
from specialize.config.recipe import Recipe
from specialize.errors import InputError
from specialize.report.cases import Cases, collect_cases
from specialize.report.cautions import cautions
from specialize.report.measures import (
    Curve,
    Series,
    StoreFacts,
    curves,
    last_step,
    pace,
    read_metrics,
    store_facts,
    training_series,
)
from specialize.report.outcome import Outcome, outcome
from specialize.report.readings import Readings, read_in_every_mode

_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "numba")


@dataclass(frozen=True, slots=True)
class FormatLine:
    """The chosen checkpoint's and the untrained student's accuracy on one set, by format."""

    set: str
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ReportData:
    """What there is to show; None or empty where the run has nothing of it."""

    recipe: Recipe
    format: str
    selection: Selection | None
    tested: tuple[ScoredOnTest, ...]
    scores: tuple[CheckpointScore, ...]
    curves: tuple[Curve, ...]
    outcome: Outcome | None
    formats: tuple[FormatLine, ...]
    training: Mapping[str, tuple[Series, ...]]  # measure -> one series per objective
    trained_steps: int
    pace: str  # of training as a whole
    stores: tuple[StoreFacts, ...]
    cases: Cases
    readings: Readings
    cautions: tuple[str, ...]
    versions: Mapping[str, str]


def gather(recipe: Recipe, results: RunResults) -> ReportData:
    """Everything that the report of a run shows; each of its files is read once.

    Raises:
        InputError: the directory is missing, or a file in it is damaged.
    """
    run = results.run
    if not run.is_dir():
        raise InputError(f"there is no run at {run}; name a run's directory")
    selection = read_selection(run)
    scores = results.scores if results.is_scored else ()
    tested = read_tested(run)
    sets = recipe.evaluation.sets
    format_ = selection.format if selection else recipe.evaluation.formats[0]
    metrics = read_metrics(run / "metrics.jsonl")
    found, cases, readings = None, Cases((), {}), Readings((), ())
    if selection is not None and any(s.checkpoint == selection.checkpoint for s in scores):
        found = outcome(results, scores, sets, format_, selection.checkpoint)
        cases = collect_cases(results, sets, format_, found)
        readings = read_in_every_mode(results, sets, format_, found)
    measures = ("nats", "bits_per_byte", "agreement", "tail_mass", "student_mass", "hard")
    return ReportData(
        recipe=recipe,
        format=format_,
        selection=selection,
        tested=tuple(tested),
        scores=scores,
        curves=tuple(curves(scores, sets, format_)),
        outcome=found,
        formats=tuple(_formats(recipe, scores, found)),
        training={name: tuple(training_series(metrics, name)) for name in measures},
        trained_steps=last_step(metrics),
        pace=pace(metrics),
        stores=tuple(store_facts(run)),
        cases=cases,
        readings=readings,
        cautions=tuple(cautions(recipe, results, tested, selection, found)),
        versions=_versions(),
    )


def _formats(
    recipe: Recipe, scores: Sequence[CheckpointScore], found: Outcome | None
) -> list[FormatLine]:
    """Accuracy by format, where the recipe evaluates several."""
    names = recipe.evaluation.formats
    if found is None or len(names) < 2:
        return []
    known = {
        (s.checkpoint, s.set, s.format): s.macro_average for s in scores if s.split == found.split
    }

    def values(checkpoint: str | None, label: str) -> dict[str, float]:
        keys = {name: (checkpoint or "", label, name) for name in names}
        return {name: known[key] for name, key in keys.items() if key in known}

    labels = [spec.label for spec in recipe.evaluation.sets]
    return [FormatLine(n, values(found.before, n), values(found.after, n)) for n in labels]


def _versions() -> dict[str, str]:
    found = {"specialize": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
