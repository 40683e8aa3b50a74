"""What the command does with an experiment: list, plan, run, write the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from specialize.experiments import outcomes
from specialize.experiments.cells import cells_of, perform_all
from specialize.experiments.design import Experiment
from specialize.experiments.judgement import Judgement
from specialize.experiments.page import points, write_page
from specialize.experiments.planning import Scale, plan
from specialize.io.cores import usable_cores


def list_all(experiments: Iterable[Experiment]) -> dict[str, object]:
    """Title and size of each, by name."""
    return {
        each.name: f"{each.title}: {len(each.arms)} arms x {len(each.seeds)} seeds"
        for each in experiments
    }


def plan_experiment(
    experiment: Experiment, out: Path, arms: Sequence[str], seeds: Sequence[int], scale: Scale
) -> dict[str, object]:
    """Cells, tokens, disk and hours; nothing is read but what is finished in ``out``."""
    return plan(cells_of(experiment, out, arms=arms, seeds=seeds), scale)


def run_experiment(
    experiment: Experiment,
    out: Path,
    arms: Sequence[str],
    seeds: Sequence[int],
    processes: int | None,
) -> dict[str, object]:
    """Make what is missing; returns every claim that can be judged by what is there.

    Raises:
        SpecializeError: what a cell refuses; finished ones stay.
    """
    perform_all(cells_of(experiment, out, arms=arms, seeds=seeds), processes or usable_cores())
    judged = Judgement(outcomes.gather(cell.run for cell in cells_of(experiment, out)))
    found = [(contrast, judged.judge(contrast)) for contrast in experiment.contrasts]
    return {c.claim: f"{points(each)} {each.verdict}" for c, each in found if each is not None}


def write_pages(experiment: Experiment, out: Path, folder: Path) -> dict[str, object]:
    """The page from the finished runs in ``out``, or from the page's own outcomes.

    Raises:
        InputError: there are neither.
    """
    found = outcomes.gather(cell.run for cell in cells_of(experiment, out))
    found = found or outcomes.read(folder / f"{experiment.name}.json")
    return {"page": str(write_page(experiment, found, folder)), "runs": len(found)}
