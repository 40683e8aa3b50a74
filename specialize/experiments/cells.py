"""The cells of an experiment: every one an ordinary run, several at a time, each made once.

    OUT/inputs/                    what ``prepare`` wrote, stores of teachers without a model too
    OUT/runs/sample 2/seed-0/      recipe.yaml, responses, targets, predictions, outcome.json

Of the cells that ask their teachers the same, the first makes the responses; the others wait for it
and take over its responses, and its targets where they would come out equal. A killed cell goes on
where it stopped, a finished one is not touched; its weights are removed, its predictions stay.
Where a recipe has rounds, what is measured is the last of them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from specialize.config.recipe import Recipe
from specialize.evaluate import evaluate
from specialize.experiments import find_experiment, outcomes
from specialize.experiments.design import STORES, Arm, Experiment, Outcome
from specialize.io.parent import end_with_parent
from specialize.io.progress import notice, progress, set_verbosity
from specialize.pipeline import train_from
from specialize.store import link_store
from specialize.students import checkpoints


class Cell(NamedTuple):
    """An arm with a seed, below the experiment's directory ``out``."""

    experiment: Experiment
    out: Path
    arm: Arm
    seed: int

    @property
    def run(self) -> Path:
        return self.out / "runs" / self.arm.name / f"seed-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        return self.experiment.recipe(self.out / "inputs", self.arm, self.seed)

    @property
    def finished(self) -> bool:
        return (self.run / outcomes.OUTCOME).is_file()

    @property
    def asked(self) -> str:
        """Equal for cells whose teachers are asked the same."""
        wanted = {"teachers", "train_on", "unlabelled"}
        if any(teacher.model is not None for teacher in self.recipe.teachers.values()):
            wanted.add("seed")
        return json.dumps(self.recipe.model_dump(mode="json", include=wanted), sort_keys=True)


def cells_of(
    experiment: Experiment, out: Path, *, arms: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Cell]:
    """Every cell, seed by seed, so that a part of the runs already answers the question.

    Args:
        arms: by name; none: all. seeds: none: the experiment's own.

    Raises:
        ConfigurationError: there is no such arm, or its overrides make no recipe.
    """
    chosen = [experiment.arm(name) for name in arms] or list(experiment.arms)
    return [
        Cell(experiment, out, arm, seed) for seed in seeds or experiment.seeds for arm in chosen
    ]


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells by what their teachers are asked; the first of each makes the responses."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.asked, []).append(cell)
    return list(found.values())


def perform_all(cells: Sequence[Cell], processes: int) -> None:
    """Make every cell that is missing, ``processes`` at a time.

    Raises:
        SpecializeError: what the first cell that fails refuses; finished ones stay.
    """
    if not cells:
        return
    experiment = cells[0].experiment
    experiment.prepare(cells[0].out / "inputs", experiment.questions, experiment.examples)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    done = sum(cell.finished for cell in cells)
    others = cells_of(experiment, cells[0].out, seeds=sorted({cell.seed for cell in cells}))
    known = dict.fromkeys([*(cell for cell in others if cell.finished), *cells])
    with (
        progress(f"cells of {experiment.name}", len(cells), done=done) as advance,
        workers(processes) as pool,
    ):
        try:
            for run in finishing(groups(list(known)), pool):
                notice(f"finished {run}")
                advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def workers(count: int) -> ProcessPoolExecutor:
    """Processes that make cells, and end with this one."""
    return ProcessPoolExecutor(count, get_context("spawn"), _begin)


def _begin() -> None:
    end_with_parent()
    set_verbosity("quiet")


def finishing(grouped: Sequence[Sequence[Cell]], pool: Executor) -> Iterator[Path]:
    """The runs as they finish; the others of a group begin when its first one is there."""
    begun: dict[Future[Path], Sequence[Cell]] = {}  # each with the cells that wait for it

    def begin(cells: Sequence[Cell], source: Path | None, waiting: Sequence[Cell] = ()) -> None:
        for cell in cells:
            if not cell.finished:
                given = (cell.experiment.name, cell.out, cell.arm.name, cell.seed, source)
                begun[pool.submit(perform, *given)] = waiting

    for first, *others in grouped:
        if first.finished:
            begin(others, first.run)
        else:
            begin([first], None, others)
    while begun:
        for future in wait(begun, return_when=FIRST_COMPLETED).done:
            begin(begun.pop(future), future.result())
            yield future.result()


def perform(name: str, out: Path, arm: str, seed: int, source: Path | None) -> Path:
    """Make one cell; the function that a process of its own runs.

    Args:
        name: of the experiment. out: its directory.
        source: the run whose responses and targets are taken over; None: they are made.

    Returns:
        The run's directory.
    """
    from specialize.rollouts.rounds import rounds_of  # torch is slow to import

    experiment = find_experiment(name)
    cell = Cell(experiment, out, experiment.arm(arm), seed)
    if cell.finished:  # by another process that was given it too
        return cell.run
    recipe, run, started = cell.recipe, cell.run, time.process_time()
    _take_given(recipe, run, out / "inputs" / STORES)
    train_from(recipe, run, source)
    stages = [(recipe, run)]
    for each in rounds_of(recipe, run):
        train_from(*each)
        stages.append((each.recipe, each.run))
    found = _measure(experiment, arm, *stages[-1], out / "inputs")
    found = replace(found, seconds=round(time.process_time() - started, 1))
    outcomes.write([found], run / outcomes.OUTCOME)
    for _, trained in stages:
        shutil.rmtree(checkpoints.folder(trained))
    return run


def _measure(experiment: Experiment, arm: str, recipe: Recipe, run: Path, inputs: Path) -> Outcome:
    """What the checkpoints of a trained run, or of its last round, answer."""
    before = experiment.before or "validation" in experiment.splits  # it may be selected
    trained = [each for each in checkpoints.candidates(run) if each.step]
    for split in experiment.splits:
        evaluate(recipe, run, checkpoints=None if before else trained, split=split)
    quantities: Mapping[str, list[float]] = {}
    if experiment.quantify is not None:
        quantities = experiment.quantify(recipe, inputs, trained[-1].path)
    found = outcomes.measure(recipe, run, arm, measures=experiment.measures)
    return replace(found, quantities=dict(quantities))


def _take_given(recipe: Recipe, run: Path, stores: Path) -> None:
    """The stores of teachers that are no model, which ``prepare`` imported or wrote."""
    for name, teacher in recipe.teachers.items():
        if teacher.model is None and not (run / "responses" / name).is_dir():
            link_store(stores / name, run / "responses" / name)
