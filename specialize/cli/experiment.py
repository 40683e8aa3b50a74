"""The ``experiment`` command: a question about the method as a grid of runs, and its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize.cli.console import FOLDER, as_json_option, print_result

if TYPE_CHECKING:
    from specialize.experiments.design import Scale


@click.command()
@click.argument("name", metavar="NAME|ls")
@click.option("--out", type=FOLDER, help="Where the runs are.  [default: runs/NAME]")
@click.option("--arm", "arms", multiple=True, metavar="ARM", help="Only this arm; may be repeated.")
@click.option(
    "--seed", "seeds", multiple=True, type=click.IntRange(min=0),
    help="Only this seed; may be repeated.",
)  # fmt: skip
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Runs at a time, one core each.  [default: all cores]",
)
@click.option("--dry-run", is_flag=True, help="Print cells, tokens, disk and hours, then stop.")
@click.option(
    "--student",
    metavar="MODEL",
    help="With --dry-run: what the grid would cost for this student.  [default: its own]",
)
@click.option(
    "--data",
    metavar="SET",
    help="With --dry-run and --student: the training set.  [default: gsm8k]",
)
@click.option(
    "--teraflops",
    type=click.FloatRange(min=0, min_open=True),
    help="With --dry-run: sustained speed that hours are counted with.  [default: .05 for a core, "
    "100 with --student]",
)
@click.option(
    "--page",
    type=FOLDER,
    help="Run nothing: write NAME.md here, from the finished runs and, for others, NAME.json.  "
    "[default: none]",
)
@as_json_option
def experiment(
    name: str, out: Path | None, arms: tuple[str, ...], seeds: tuple[int, ...],
    processes: int | None, dry_run: bool, student: str | None, data: str | None,
    teraflops: float | None, page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the experiment NAME, or list them with ls; the same command continues.

    An experiment is a recipe, a grid of changes and seeds: every cell becomes an ordinary run, and
    cells that ask the teacher the same share its responses. docs/experiments has what came out.
    """
    from specialize.experiments import EXPERIMENTS, find_experiment
    from specialize.experiments.stage import list_all, plan_experiment, run_experiment, write_pages

    if name == "ls":
        print_result(list_all(EXPERIMENTS.values()), as_json)
        return
    planned = [student, data, teraflops]
    if not dry_run and planned != [None] * 3:
        raise click.UsageError("--student, --data and --teraflops are of a plan; add --dry-run")
    if data is not None and student is None:
        raise click.UsageError("--data is the set of another --student; name that, too")
    found = find_experiment(name)
    folder = out or Path("runs") / found.name
    if dry_run:
        scale = _scale(found.scale, student, data, teraflops)
        print_result(plan_experiment(found, folder, arms, seeds, scale), as_json)
    elif page is not None:
        print_result(write_pages(found, folder, page), as_json)
    else:
        print_result(run_experiment(found, folder, arms, seeds, processes), as_json)


def _scale(own: Scale, student: str | None, data: str | None, teraflops: float | None) -> Scale:
    from specialize.experiments.planning import scale_of

    made = own if student is None else scale_of(student, data or "gsm8k")
    return made if teraflops is None else replace(made, teraflops=teraflops)
