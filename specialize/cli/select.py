"""The ``select`` command: the checkpoint of a run, by our scores or another harness's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from specialize.cli.console import FOLDER, as_json_option, print_result
from specialize.selection.rules import rules_table

if TYPE_CHECKING:
    from specialize.choosing import HarnessLogs
    from specialize.config.recipe import Role

_OF_LOGS = ("in_distribution", "out_of_distribution", "general", "metric", "filter", "pattern",
            "step")  # fmt: skip


F = TypeVar("F", bound=Callable[..., object])


def _tasks_option(role: str) -> Callable[[F], F]:
    return click.option(
        f"--{role}", multiple=True, metavar="TASK",
        help=f"Task that is {role}; may be repeated.  [default: the recipe's sets]",
    )  # fmt: skip


@click.command(epilog=f"\b\nRules:\n{rules_table()}")
@click.argument("run", type=FOLDER)
@click.option(
    "--rule", default=None, metavar="RULE", help="One of the rules below.  [default: the recipe's]"
)
@click.option(
    "--smooth", default=None, type=click.IntRange(min=1), metavar="N",
    help="Average the scores of N neighbouring checkpoints, odd.  [default: the recipe's]",
)  # fmt: skip
@click.option(
    "--from", "source", default=None, type=(click.Choice(["lm-eval"]), FOLDER),
    metavar="lm-eval DIR",
    help="Choose by results of lm-evaluation-harness in DIR; the options below say which.  "
    "[default: our own scores]",
)  # fmt: skip
@_tasks_option("in-distribution")
@_tasks_option("out-of-distribution")
@_tasks_option("general")
@click.option(
    "--metric", multiple=True, metavar="NAME",
    help="Metric that counts; repeated, the first that a task has.  [default: the task's first]",
)  # fmt: skip
@click.option(
    "--filter", multiple=True, metavar="NAME", help="Filter, likewise.  [default: the task's first]"
)
@click.option(
    "--pattern", default=None, metavar="TEXT",
    help="How names of models or directories hold the step, as ckpt-{step}.  [default: paths of "
    "the run's checkpoints]",
)  # fmt: skip
@click.option(
    "--step", multiple=True, type=int,
    help="Checkpoint to choose from; may be repeated.  [default: all]",
)  # fmt: skip
@as_json_option
def select(
    run: Path, rule: str | None, smooth: int | None, source: tuple[str, Path] | None,
    in_distribution: tuple[str, ...], out_of_distribution: tuple[str, ...],
    general: tuple[str, ...], metric: tuple[str, ...], filter: tuple[str, ...],  # noqa: A002
    pattern: str | None, step: tuple[int, ...], as_json: bool,
) -> None:  # fmt: skip
    """Choose a checkpoint of RUN by its validation scores only, or by those of another harness."""
    from specialize.choosing import HarnessLogs, select_run

    roles: dict[str, Role] = {
        **dict.fromkeys(in_distribution, "in-distribution"),
        **dict.fromkeys(out_of_distribution, "out-of-distribution"),
        **dict.fromkeys(general, "general"),
    }
    logs: HarnessLogs | None = None
    if source is not None:
        logs = HarnessLogs(source[1], roles, metric, filter, pattern, step)
    elif given := [name for name in _OF_LOGS if click.get_current_context().params[name]]:
        raise click.UsageError(f"--{given[0].replace('_', '-')} goes with --from lm-eval DIR")
    print_result(select_run(run, rule, smooth=smooth, logs=logs), as_json)
