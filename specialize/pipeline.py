"""The stages of a run in order, each from what earlier ones wrote in the run's directory.

    recipe.yaml                 the resolved recipe
    responses/<teacher>/        dump
    targets/<teacher>/          align
    checkpoints/step-NNNNNN/    train; metrics.jsonl beside it
    predictions/ scores.jsonl   evaluate
    selection.json              select
    report.html report.md       report
    times.jsonl                 how long each stage took
    round-1/ round-2/           the same of each on-policy round, where the recipe has rounds

A stage that is finished is not repeated, so that the same call continues after any interruption.
What is slow to import is imported where it is needed: planning and selecting start without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from specialize import datasets
from specialize.artifacts.results import RunResults
from specialize.artifacts.selection import read_selection, record_test
from specialize.choosing import select_run
from specialize.config.recipe import Recipe
from specialize.config.yaml_files import (
    check_recorded,
    override_recipe,
    record_recipe,
    recorded_recipe,
)
from specialize.datasets.recipe_sets import Split, training_examples
from specialize.engines import HERE, Engine
from specialize.errors import ConfigurationError
from specialize.io.garbage import importing
from specialize.io.part import Part
from specialize.io.progress import notice, waiting
from specialize.io.times import timed
from specialize.students import checkpoints

if TYPE_CHECKING:  # what follows is slow to import
    from specialize.stages.recipe_stores import StoreKind


def run_recipe(
    recipe: Recipe,
    run: str | Path,
    *,
    source: str | Path | None = None,
    engine: Engine = HERE,
) -> dict[str, object]:
    """Every stage of ``recipe`` in the directory ``run``.

    Args:
        recipe: what the run is.
        run: its directory; continued if it holds a run of the same recipe.
        source: an earlier run, of which responses and targets that would come out equal are
            taken over; see ``reuse``.
        engine: what runs the parts of responses, targets and answers. Training is one process, or
            those that ``accelerate launch`` starts of ``train_run``.

    Returns:
        The selected step, its validation value and the path of the report; of the last round, where
        there are rounds: the test split is scored for no other.

    Raises:
        SpecializeError: whatever a stage refuses; what was finished before stays.
    """
    run, source = Path(run), None if source is None else Path(source)
    selected, results = _select_from(recipe, run, source, engine)
    if recipe.rounds is not None:
        from specialize.rollouts.rounds import rounds_of

        for each in rounds_of(recipe, run):
            run = each.run
            selected, results = _select_from(each.recipe, run, each.before, engine)
    with timed(run, "test"):
        evaluate_run(run, "test", results=results, engine=engine)
    with timed(run, "report"):
        written = report_runs([run], run, None, results=results)
    return {**selected, **written}


def _select_from(
    recipe: Recipe, run: Path, source: Path | None, engine: Engine
) -> tuple[dict[str, object], RunResults]:
    """Every stage up to the selection."""
    from specialize.train.preparation import check_recipe

    check_recipe(recipe)
    train_from(recipe, run, source, engine)
    results = RunResults(run)
    with timed(run, "evaluate"):
        evaluate_run(run, "validation", results=results, engine=engine)
    return select_run(run, None, results=results), results


def train_from(recipe: Recipe, run: Path, source: Path | None, engine: Engine = HERE) -> None:
    """Targets and training of a run, from what another run has where that would come out equal.

    Args:
        recipe, run, source, engine: as for ``run_recipe``; no ``source``: everything is made.

    Raises:
        SpecializeError: whatever a stage refuses; what was finished before stays.
    """
    prepare_stores(recipe, run, source=source, engine=engine)
    with timed(run, "train"):
        train_run(recipe, run)


def prepare_stores(
    recipe: Recipe,
    run: Path,
    *,
    source: Path | None = None,
    last: StoreKind = "targets",
    shard: str | None = None,
    engine: Engine = HERE,
) -> dict[str, object]:
    """What a run learns from, or one of several jobs' part of it; nothing is trained.

    Args:
        recipe, run, source, engine: as for ``train_from``.
        last: ``responses`` stops before they are aligned.
        shard: "0/4": only every fourth shard of the stores of kind ``last``; those before must be
            whole.

    Returns:
        Positions of each store, by its place in the run.

    Raises:
        SpecializeError: whatever a stage refuses; what was finished before stays.
    """
    from specialize.stages.reuse import find_reusable, take_over

    parts = find_reusable(recipe, source) if source is not None else []
    record_recipe(recipe, run)
    with timed(run, "start"):
        from specialize.stages.recipe_stores import make_stores
    if source is not None:
        for line in take_over(parts, source, run):
            notice(line)
    return make_stores(recipe, run, last=last, part=engine.part(shard), engine=engine)


def train_run(
    recipe: Recipe,
    run: str | Path,
    *,
    targets: Mapping[str, str | Path] | None = None,
    follow: bool = False,
) -> dict[str, object]:
    """Train the student, or go on; everything is checked before torch is imported.

    Args:
        recipe: of the run.
        run: the run's directory, with targets of every teacher that ``targets`` does not name.
        targets: where other stores are, by teacher; perhaps in object storage.
        follow: the targets may be still being written.

    Returns:
        Steps, rows, losses and times, as the command prints them.

    Raises:
        SpecializeError: as ``prepare`` and ``train``.
    """
    from specialize.train.preparation import finished, prepare

    run = Path(run)
    done = finished(recipe, run)
    if done is not None:
        record_recipe(recipe, run)
        return done.as_json()
    prepared = prepare(recipe, run, targets=targets, follow=follow)
    record_recipe(recipe, run)  # only now: a run keeps no recipe that cannot be trained
    with waiting("loading torch"), importing():
        from specialize.train.session import train_prepared

    return train_prepared(prepared).as_json()


def plan_recipe(recipe: Recipe, run: Path, *, source: Path | None = None) -> dict[str, object]:
    """What a run would do, before anything starts.

    Args:
        source: as for ``run_recipe``.

    Raises:
        SpecializeError: what the run would refuse.
    """
    from specialize.stages.reuse import describe, find_reusable
    from specialize.stages.stores import plan_dump
    from specialize.train.preparation import check_recipe

    check_recorded(recipe, run)
    check_recipe(recipe)
    training = training_examples(recipe)
    parts = find_reusable(recipe, source) if source is not None else []
    plan: dict[str, object] = {
        "training_examples": len(training.examples),
        "held_out_examples_dropped": training.dropped,
        "optimizer_steps": recipe.optimization.steps,
        "checkpoints": recipe.training.saves(recipe.optimization.steps),
        "evaluation_sets": [spec.label for spec in recipe.evaluation.sets],
    }
    if recipe.rounds is not None:
        texts = recipe.rounds.samples * len(training.questions)
        plan |= {"rounds": recipe.rounds.count, "own_texts_per_round": texts}
    if source is not None:
        plan["from"] = [describe(part, source) for part in parts]
    reused = {p.teacher for p in parts if p.kind == "responses" and p.why_anew is None}
    kind = datasets.kind_of(recipe.train_on.set)
    for name, teacher in recipe.teachers.items():
        if teacher.model is not None and name not in reused:
            planned = plan_dump(teacher, training.examples, run, kind=kind, seed=recipe.seed)
            plan |= {f"{name}_{key}": value for key, value in planned.items()}
    return plan


def evaluate_run(
    run: str | Path,
    split: Split,
    *,
    steps: Sequence[int] = (),
    overrides: Sequence[str] = (),
    shard: str | None = None,
    engine: Engine = HERE,
    ask: bool = True,
    results: RunResults | None = None,
) -> dict[str, object]:
    """Score checkpoints on one split; predictions that still hold are not made again.

    On test: the selected checkpoint, the student before training and the teachers that are models.

    Args:
        run: the run's directory.
        split: ``validation`` or ``test``.
        steps: of the checkpoints to score on validation; none: all.
        overrides: of the recipe, ``key.key=value``; of evaluation alone.
        shard: "0/4": only every fourth example, and no scores.
        engine: what runs all shards, where they are to run at once.
        ask: answer what is missing; else what shards answered must be all.
        results: receives the scores, for later stages of the same process.

    Returns:
        The macro average of each, 0 to 1, by checkpoint, set and format.

    Raises:
        ConfigurationError: no such checkpoint, or nothing was selected yet.
    """
    recipe = recorded_recipe(run := Path(run))
    if overrides:
        recipe = override_recipe(recipe, overrides)
        record_recipe(recipe, run)
    chosen, part = _wanted(run, split, steps), engine.part(shard)
    from specialize.evaluate import evaluate

    divide = partial(engine.run, partial(_evaluate_part, run, split, steps), on_gpu=True)
    scores = evaluate(
        recipe, run, checkpoints=chosen, split=split, with_teachers=split == "test",
        shard=part, ask=ask, divide=divide if engine.is_divided else None, results=results,
    )  # fmt: skip
    return {f"{s.checkpoint}/{s.set}/{s.format}": round(s.macro_average, 4) for s in scores}


def _evaluate_part(run: Path, split: Split, steps: Sequence[int], part: Part) -> None:
    evaluate_run(run, split, steps=steps, shard=str(part))


def merge(out: Path, split: Split) -> dict[str, object]:
    """Make a whole of what jobs with ``shard`` did of a store, or of the answers of a run.

    Args:
        out: the store's directory, or the run's.
        split: of a run's answers.

    Raises:
        SpecializeError: parts are missing, not finished, damaged or of different plans; names them.
    """
    if (out / "recipe.yaml").exists():
        return evaluate_run(out, split, ask=False)
    from specialize.stages.stores import merge_store

    return merge_store(out)


def _wanted(run: Path, split: Split, steps: Sequence[int]) -> list[checkpoints.Checkpoint] | None:
    """The checkpoints to score; None: every one."""
    if split == "test" and steps:
        raise ConfigurationError(
            "test is scored for the selected checkpoint alone; leave out the steps"
        )
    wanted = _test_steps(run) if split == "test" else list(steps)
    return _at_steps(run, wanted) if wanted else None


def _test_steps(run: Path) -> list[int]:
    """The steps to score on test, which is put on record."""
    selection = read_selection(run)
    if selection is None:
        raise ConfigurationError(
            f"{run} has no selection.json; test is scored for the selected checkpoint alone: run "
            f"`specialize select {run}` first"
        )
    record_test(run, selection)
    return [0, selection.step]


def _at_steps(run: Path, steps: Sequence[int]) -> list[checkpoints.Checkpoint]:
    complete = {checkpoint.step: checkpoint for checkpoint in checkpoints.complete(run)}
    missing = [step for step in steps if step not in complete]
    if missing:
        there = ", ".join(map(str, complete)) or "none"
        raise ConfigurationError(
            f"{run} has no checkpoint of step {missing[0]}; there are: {there}"
        )
    return [complete[step] for step in steps]


def report_runs(
    runs: Sequence[Path], out: Path, repository: str | None, *, results: RunResults | None = None
) -> dict[str, object]:
    """The report of one run, perhaps sent to the hub; of several runs their comparison in ``out``.

    Args:
        runs: directories of finished runs.
        out: the directory of the comparison; not used for one run.
        repository: on the Hugging Face hub, where the run is sent; None: it stays here.
        results: scores and grades that this process has already; None: they are read.

    Returns:
        Where the report is, and where the run was sent.

    Raises:
        ConfigurationError: several runs are to be pushed, or they cannot be compared.
    """
    from specialize.report import push, write_comparison, write_report

    if len(runs) > 1:
        if repository is not None:
            raise ConfigurationError("one checkpoint can be pushed at a time; name one run")
        read = [(recorded_recipe(run), run) for run in runs]
        return {"comparison": str(write_comparison(read, out))}
    recipe = recorded_recipe(runs[0])
    written: dict[str, object] = {"report": str(write_report(recipe, runs[0], results=results))}
    if repository is not None:
        written["pushed"] = push(runs[0], recipe, repository)
    return written
