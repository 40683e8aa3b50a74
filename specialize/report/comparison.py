"""Several runs side by side: what each gained and lost, on the sets that all of them have.

    compare([Path("a"), Path("b")])
    set     a: before -> after   b: before -> after   b less a (paired, 95 %)    p (Holm)
    svamp   6.2 % -> 31.4 %      6.2 % -> 28.0 %      -3.4 [-6.9, +0.1]          0.071

Runs are compared by their selected checkpoints, on the test split where all were scored there, else
on validation, and on the same examples; each against the first. Runs whose students or sets differ
can be put side by side as well: what differs in their recipes is listed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.predictions import Grade
from specialize.artifacts.results import RunResults
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError
from specialize.io.nested import flatten
from specialize.io.path_names import distinct_names
from specialize.report.gather import ReportData, gather
from specialize.report.outcome import Change, Line, Outcome, outcome
from specialize.selection.paired_tests import Paired, difference_interval, holm, pair

_LONGEST = 80  # characters of a recipe's value


@dataclass(frozen=True, slots=True)
class Entry:
    """One run: a name that no other of the comparison has, and its report's data."""

    name: str
    results: RunResults
    data: ReportData
    outcome: Outcome

    def line(self, name: str) -> Line | None:
        return next((line for line in self.outcome.lines if line.name == name), None)


@dataclass(frozen=True, slots=True)
class Against:
    """A run's accuracy on one set less the first run's, on the examples that both answered."""

    change: Change
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs, the sets of all of them, and by (run, set) the difference from the first run."""

    split: str
    entries: tuple[Entry, ...]
    sets: tuple[tuple[str, str], ...]  # name and role
    against: Mapping[tuple[str, str], Against]
    differences: tuple[tuple[str, tuple[str, ...]], ...]  # key of the recipes, value of each run


def compare(runs: Sequence[tuple[Recipe, Path]]) -> Comparison:
    """Read the runs and compare their selected checkpoints.

    Raises:
        ConfigurationError: fewer than two runs, one without a selection, or no set in common.
        InputError: a run is missing or damaged.
    """
    if len(runs) < 2:
        raise ConfigurationError("a comparison needs at least two runs")
    read = [
        (results, gather(recipe, results))
        for recipe, results in ((recipe, RunResults(path)) for recipe, path in runs)
    ]
    for results, data in read:
        if data.selection is None:
            raise ConfigurationError(
                f"{results.run} has no selection.json; run specialize select first (a model "
                f"that was asked without a run is set against one by specialize compare)"
            )
    tested = all(data.outcome is not None and data.outcome.split == "test" for _, data in read)
    split = "test" if tested else "validation"
    names = distinct_names([results.run for results, _ in read])
    entries = tuple(
        Entry(name, results, data, _outcome_on(split, results, data))
        for name, (results, data) in zip(names, read, strict=True)
    )
    sets = tuple(
        (line.name, line.role)
        for line in entries[0].outcome.lines
        if not line.is_mean and all(_answered(entry, line.name) for entry in entries)
    )
    if not sets:
        raise ConfigurationError(
            f"the runs {', '.join(names)} have no evaluation set in common on {split}"
        )
    return Comparison(split, entries, sets, _against(entries, sets, split), _differences(entries))


def _outcome_on(split: str, results: RunResults, data: ReportData) -> Outcome:
    known = data.outcome
    if known is None or data.selection is None or known.split == split:
        return known or Outcome(split, None, "", (), ())
    # another run has no test scores, so test scores of this one do not count either
    scores = [score for score in data.scores if score.split == split]
    sets, chosen = data.recipe.evaluation.sets, data.selection.checkpoint
    return outcome(results, scores, sets, data.format, chosen)


def _answered(entry: Entry, name: str) -> bool:
    line = entry.line(name)
    return line is not None and line.after is not None


def _against(
    entries: Sequence[Entry], sets: Sequence[tuple[str, str]], split: str
) -> dict[tuple[str, str], Against]:
    """Paired differences from the first run, p values corrected over all of them."""
    made: dict[tuple[str, str], Change] = {}
    for entry in entries[1:]:
        for name, _ in sets:
            counts = pair(*(_grades(one, name, split) for one in (entry, entries[0])))
            if counts.total:
                made[entry.name, name] = _change(counts)
    adjusted = holm([change.p_value for change in made.values()])
    return {key: Against(made[key], p) for key, p in zip(made, adjusted, strict=True)}


def _grades(entry: Entry, name: str, split: str) -> tuple[Grade, ...]:
    return entry.results.grades(entry.outcome.after, name, split, entry.data.format)


def _change(counts: Paired) -> Change:
    return Change(
        difference=counts.difference,
        interval=difference_interval([(1.0, counts)]),
        p_value=counts.p_value,
        fixed=counts.only_first,
        broken=counts.only_second,
    )


def _differences(entries: Sequence[Entry]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every value that is not the same in all recipes, by its dotted key."""
    flat = [_shown(entry.data.recipe) for entry in entries]
    keys = dict.fromkeys(key for values in flat for key in values)
    rows = ((key, tuple(values.get(key, "–") for values in flat)) for key in keys)
    return tuple((key, values) for key, values in rows if len(set(values)) > 1)


def _shown(recipe: Recipe) -> dict[str, str]:
    """Every value of a recipe by its dotted key, shortened where it is long."""
    values = flatten(recipe.model_dump(mode="json"))
    texts = {key: str(value) for key, value in values.items()}
    return {
        key: text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        for key, text in texts.items()
    }


def comparison_csv(comparison: Comparison) -> str:
    """One line for each run and set."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ("run", "step", "set", "role", "split", "examples", "before", "after", "difference", "low",
         "high", "p", "p_holm")
    )  # fmt: skip
    for entry in comparison.entries:
        for name, role in comparison.sets:
            line, against = entry.line(name), comparison.against.get((entry.name, name))
            if line is None or line.after is None or entry.data.selection is None:
                continue
            known = () if against is None else (
                against.change.difference, *against.change.interval, against.change.p_value,
                against.p_adjusted,
            )  # fmt: skip
            before = f"{line.before.value:.6f}" if line.before else ""
            writer.writerow(
                (entry.name, entry.data.selection.step, name, role, comparison.split,
                 line.examples, before, f"{line.after.value:.6f}",
                 *(f"{value:.6f}" for value in known))
            )  # fmt: skip
    return buffer.getvalue()
