"""The ``plan`` command: what a recipe will take, measured, given or assumed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from specialize.cli.console import (
    FILE,
    FOLDER,
    allow_code_option,
    as_json_option,
    overrides_option,
    print_result,
    processes_option,
    send_key_option,
)


@click.command()
@click.argument("recipe", type=FILE)
@click.option(
    "--figures",
    type=FILE,
    help="Speeds, lengths and prices (docs/planning.md), YAML or JSON.  [default: "
    "NAME.figures.yaml, where it is]",
)
@click.option(
    "--pilot", is_flag=True, help="First measure this machine by short real runs, into --figures."
)
@click.option(
    "--pilot-seconds",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Processor time that dumping, training and answering may each take in the pilot's longest "
    "run.",
)
@click.option(
    "--teraflops",
    type=click.FloatRange(min=0, min_open=True),
    help="Sustained speed of models, where none was measured or given.  [default: .05, or 100 for "
    "models that are not on this machine]",
)
@click.option(
    "--against",
    type=FOLDER,
    metavar="RUN",
    help="Put beside the forecast what this finished run took.  [default: none]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=4096),
    metavar="N",
    help="Also simulate a cluster of N workers, with the losses that --figures names.  "
    "[default: none]",
)
@processes_option
@overrides_option
@allow_code_option
@send_key_option
@as_json_option
def plan(
    recipe: Path, figures: Path | None, pilot: bool, pilot_seconds: float,
    teraflops: float | None, against: Path | None, workers: int | None, processes: int,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Forecast what RECIPE will take: rows, tokens, requests, disk, hours and money of each stage.

    Without figures, speeds are assumed, and nothing but the data is read. --pilot runs the recipe
    three times on a small scale, with several --processes a fourth time, and keeps what that
    showed, so that the next call costs nothing. What the run would refuse is what `run --dry-run`
    checks, by asking the teachers.
    """
    from specialize.planning.figures import read_figures
    from specialize.planning.stage import figures_path, make_pilot
    from specialize.planning.stage import plan as make_plan
    from specialize.planning.table import table
    from specialize.recipes import find_recipe

    resolved = find_recipe(recipe, overrides)
    path = figures or figures_path(resolved)
    known = None
    if pilot:
        known = make_pilot(resolved, path, seconds=pilot_seconds, processes=processes)
    elif figures is not None or path.is_file():
        known = read_figures(path)
    made = make_plan(
        resolved, known, teraflops=teraflops, against=against, processes=processes, workers=workers
    )
    if as_json:
        print_result(asdict(made), as_json)
    else:
        click.echo(table(made))
