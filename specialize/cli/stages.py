"""The command line: one command per stage.

Results go to standard output (``--json`` makes them one JSON object), progress and errors to
standard error.

Stage bodies import what they need, so that ``--help`` starts without torch.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize import __version__
from specialize.cli.align import align
from specialize.cli.compare import compare, compare_stores
from specialize.cli.console import (
    FILE,
    FOLDER,
    STORE,
    Sectioned,
    allow_code_option,
    as_json_option,
    overrides_option,
    print_result,
    processes_option,
    ray_option,
    run_command,
    send_key_option,
    shard_option,
)
from specialize.cli.data import data
from specialize.cli.dump import dump
from specialize.cli.evaluate import evaluate
from specialize.cli.experiment import experiment
from specialize.cli.export import export
from specialize.cli.imports import import_
from specialize.cli.inspect import env, inspect, recipes, schema, verify
from specialize.cli.pair import pair
from specialize.cli.plan import plan
from specialize.cli.rollouts import rollouts
from specialize.cli.select import select

if TYPE_CHECKING:
    from specialize.datasets.recipe_sets import Split
    from specialize.stages.recipe_stores import StoreKind


class _Commands(Sectioned):
    sections = {  # noqa: RUF012
        "Start here": ("quickstart", "recipes", "pair", "plan", "run"),
        "Stages, in order": (
            "data", "dump", "import", "align", "merge", "train", "rollouts", "evaluate",
            "select", "report",
        ),
        "Look and share": (
            "compare", "experiment", "compare-stores", "inspect", "verify", "export", "average",
        ),
        "Reference": ("schema", "env"),
    }  # fmt: skip


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notices.")
@click.option("-v", "--verbose", is_flag=True, help="Off a terminal, progress every 5 s, not 25.")
def cli(quiet: bool, verbose: bool) -> None:
    """Specialize a small language model with a large one's token distributions, offline.

    Every stage reads directories that earlier stages wrote and writes a new one; run the same
    command again and it continues where it stopped. Results go to standard output (--json for
    machines), progress and messages to standard error.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    if quiet or verbose:
        from specialize.io.progress import set_verbosity

        set_verbosity("quiet" if quiet else "verbose")


def main() -> None:
    """Run the command line; see ``console`` for the exit codes."""
    # what the library warns of here is handled, such as padding after a row that has ended
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    status = run_command(cli)
    gc.freeze()  # an interpreter that ends looks for garbage: not among what goes with it
    sys.exit(status)


@cli.command()
@click.option(
    "--out", default="runs/quickstart", show_default=True, type=FOLDER, help="The run's directory."
)
@click.option(
    "--questions",
    default=None,
    type=click.IntRange(min=10),
    help="Training questions, at most 4000.  [default: 1200]",
)
@click.option(
    "--samples",
    default=None,
    type=click.IntRange(min=1),
    help="Solutions sampled per question.  [default: 2]",
)
@click.option(
    "--steps", default=None, type=click.IntRange(min=1), help="Optimizer steps.  [default: 300]"
)
@click.option(
    "--examples",
    default=None,
    type=click.IntRange(min=2),
    help="Evaluation examples per set and split, at most 600.  [default: 100]",
)
@click.option(
    "--both/--no-both",
    default=True,
    show_default=True,
    help="Teach a second student the same solutions as text, without distributions, and show it "
    "beside the first.",
)
@click.option("--restart", is_flag=True, help="Delete the run's directory and start over.")
@as_json_option
def quickstart(
    out: Path,
    questions: int | None,
    samples: int | None,
    steps: int | None,
    examples: int | None,
    both: bool,
    restart: bool,
    as_json: bool,
) -> None:
    """Run the whole method on the bundled tiny teacher and student."""
    from specialize.quickstart.run import Size, quickstart, summary_table

    size = Size.of(questions=questions, samples=samples, steps=steps, examples=examples)
    outcome = quickstart(out, size, both=both, restart=restart)
    click.echo(summary_table(outcome), err=as_json)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), sort_keys=True))


@cli.command()
@click.argument("recipe", type=FILE, required=False)
@click.option("--out", required=True, type=FOLDER, help="The run's directory.")
@click.option(
    "--from",
    "source",
    type=FOLDER,
    metavar="RUN",
    help="Take over responses and targets of RUN that would come out equal. Without RECIPE, its "
    "recipe is used.  [default: none]",
)
@click.option(
    "--only",
    "last",
    type=click.Choice(["responses", "targets"]),
    help="Stop when the teachers' responses, or their targets, are written.  [default: go on]",
)
@shard_option
@processes_option
@ray_option
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check what the run would refuse, let teachers answer a few prompts, print their rows, "
    "tokens, bytes and free disk, then stop. For time and money of all stages see plan.",
)
@overrides_option
@allow_code_option
@send_key_option
@as_json_option
def run(
    recipe: Path | None, out: Path, source: Path | None, last: StoreKind | None, shard: str | None,
    processes: int, ray: str | None, dry_run: bool, overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Run every stage of RECIPE (a file, or the name of a built-in recipe).

    Run it again and it continues. With a larger optimization.steps a finished run is lengthened:
    from its last checkpoint on the learning rate is that of the longer run, and the optimizer's
    state is kept. With --processes or --ray responses, targets and answers are made in parts at
    once; training is one process, or several with `accelerate launch ... train`.
    """
    from specialize.config.yaml_files import override_recipe, recorded_recipe
    from specialize.engines import Engine
    from specialize.pipeline import plan_recipe, prepare_stores, run_recipe
    from specialize.recipes import find_recipe

    if recipe is not None:
        resolved = find_recipe(recipe, overrides)
    elif source is not None:
        resolved = override_recipe(recorded_recipe(source), overrides)
    else:
        raise click.UsageError("name a RECIPE, or a run to take it from with --from")
    if shard is not None and last is None:
        raise click.UsageError("--shard writes a part of --only responses or --only targets")
    engine = Engine(processes, ray)
    if dry_run:
        done = plan_recipe(resolved, out, source=source)
    elif last is not None:
        done = prepare_stores(
            resolved, out, source=source, last=last, shard=shard, engine=engine)  # fmt: skip
    else:
        done = run_recipe(resolved, out, source=source, engine=engine)
    print_result(done, as_json)


@cli.command()
@click.argument("out", type=STORE)
@click.option(
    "--split",
    default="validation",
    show_default=True,
    type=click.Choice(["validation", "test"]),
    help="Which split's answers, where OUT is a run.",
)
@as_json_option
def merge(out: Path, split: Split, as_json: bool) -> None:
    """Make a whole of the parts in OUT, which `dump`, `align` or `evaluate` wrote with --shard.

    OUT is a store, or a run that was evaluated. Its bytes become those of one job without --shard;
    no model is loaded.
    """
    from specialize.pipeline import merge as merge_parts

    print_result(merge_parts(out, split), as_json)


@cli.command()
@click.argument("recipe", type=FILE)
@click.argument("run", type=FOLDER)
@click.option(
    "--targets",
    multiple=True,
    type=(str, STORE),
    metavar="TEACHER STORE",
    help="Where the targets of TEACHER are, if not in RUN/targets; may be repeated.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="The targets may be still being written: train as their shards come. The recipe needs "
    "training.window_shards.",
)
@overrides_option
@allow_code_option
@as_json_option
def train(
    recipe: Path, run: Path, targets: tuple[tuple[str, Path], ...], follow: bool,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Train RECIPE's student on RUN/targets; writes checkpoints and metrics into RUN."""
    from specialize.recipes import find_recipe

    resolved = find_recipe(recipe, overrides)
    from specialize.pipeline import train_run

    print_result(train_run(resolved, run, targets=dict(targets), follow=follow), as_json)


@cli.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True, metavar="RUN [RUN]...")
@click.option(
    "--out",
    default="comparison",
    show_default=True,
    type=FOLDER,
    help="Where the comparison of several runs goes.",
)
@click.option(
    "--push-to-hub",
    "repository",
    default=None,
    metavar="NAME/REPOSITORY",
    help="Upload the selected checkpoint and its model card to this private repository.  "
    "[default: none]",
)
@allow_code_option
@as_json_option
def report(runs: tuple[Path, ...], out: Path, repository: str | None, as_json: bool) -> None:
    """Write RUN/report.html, report.md and model_card.md; for several RUNs, a comparison."""
    from specialize.pipeline import report_runs

    print_result(report_runs(runs, out, repository), as_json)


@cli.command()
@click.argument("run", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option("--steps", required=True, metavar="A,B,...", help="Steps of two or more checkpoints.")
@as_json_option
def average(run: Path, out: Path, steps: str, as_json: bool) -> None:
    """Average the weights of several checkpoints of RUN into the new model directory OUT."""
    from specialize.students.averaging import average_checkpoints

    if not all(step.strip().isdigit() for step in steps.split(",")):
        raise click.UsageError(f"--steps takes step numbers separated by commas, got {steps!r}")
    names = average_checkpoints(run, [int(step) for step in steps.split(",")], out)
    print_result({"averaged": names, "out": str(out)}, as_json)


for _command in (
    align,
    pair,
    plan,
    compare,
    compare_stores,
    data,
    experiment,
    dump,
    rollouts,
    evaluate,
    select,
    import_,
    export,
    verify,
    inspect,
    recipes,
    schema,
    env,
):
    cli.add_command(_command)
