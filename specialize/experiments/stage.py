"""What the command does with an experiment: list, plan, run, write the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from specialize.experiments import outcomes
from specialize.experiments.cells import cells_of, perform_all
from specialize.experiments.design import Experiment, Scale
from specialize.experiments.judgement import Judgement
from specialize.experiments.page import amount, write_page
from specialize.experiments.planning import plan
from specialize.io.cores import usable_cores


def list_all(experiments: Iterable[Experiment]) -> dict[str, object]:
    """Title, size and cost of each, by name."""
    return {each.name: _listed(each) for each in experiments}


def _listed(experiment: Experiment) -> str:
    size = f"{len(experiment.arms)} arms x {len(experiment.seeds)} seeds"
    took = "not measured yet" if experiment.minutes is None else f"{experiment.minutes} min"
    return f"{experiment.title}: {size}, processor time {took}"


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
    return {
        f"{c.claim} ({c.role})": f"{amount(experiment, c.role, each)} {each.verdict}"
        for c, each in found
        if each is not None
    }


def write_pages(experiment: Experiment, out: Path, folder: Path) -> dict[str, object]:
    """The page from the finished runs in ``out``, and from its own outcomes of any others.

    So an arm can be added to a page whose other runs are gone.

    Raises:
        InputError: there are neither.
    """
    cells, kept = cells_of(experiment, out), folder / f"{experiment.name}.json"
    made = outcomes.gather(cell.run for cell in cells)
    earlier = outcomes.read(kept) if kept.is_file() or not made else []
    known = {(one.arm, one.seed): one for one in (*earlier, *made)}
    named = [(cell.arm.name, cell.seed) for cell in cells]
    found = [known[each] for each in named if each in known]
    return {"page": str(write_page(experiment, found, folder)), "runs": len(found)}
