"""The commands that compare: evaluations of the same questions, and stores of the same texts."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli.console import FILE, STORE, as_json_option, print_result
from specialize.io.visible import visible_lines


@click.command()
@click.argument("first", type=FILE)
@click.argument("others", type=FILE, nargs=-1, required=True, metavar="OTHER [OTHER]...")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME",
    help="Only this task; may be repeated.  [default: all in common]",
)
@click.option(
    "--metric", default=None, metavar="NAME", help="Metric or scorer.  [default: the log's first]"
)
@click.option(
    "--filter", "filter_", default=None, metavar="NAME",
    help="Filter of lm-evaluation-harness.  [default: the log's first]",
)  # fmt: skip
@click.option(
    "--cluster",
    default=None,
    metavar="FIELD",
    help="Field of a question whose equal values belong together, or task.  [default: a question]",
)
@click.option(
    "--any-prompt",
    is_flag=True,
    help="Compare models that were asked in other words, or with other template arguments.",
)
@as_json_option
def compare(
    first: Path, others: tuple[Path, ...], tasks: tuple[str, ...], metric: str | None,
    filter_: str | None, cluster: str | None, any_prompt: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare evaluations with the FIRST, question by question: difference, interval, p.

    Each is a run (its selected checkpoint), a folder RUN/predictions/CHECKPOINT, a log of
    lm-evaluation-harness (--log_samples) or inspect, or a directory of such logs.
    """
    from specialize.compare import compare as compare_evaluations
    from specialize.compare.answers import Choice
    from specialize.compare.stage import table

    found = compare_evaluations(
        [first, *others],
        tasks=tasks,
        choice=Choice(metric, filter_, cluster),
        any_prompt=any_prompt,
    )
    if as_json:
        print_result(found.as_json(), as_json)
    else:
        click.echo(visible_lines(table(found)))
        print_result({"warnings": list(found.warnings)}, as_json)


@click.command(name="compare-stores")
@click.argument("first", type=STORE)
@click.argument("second", type=STORE)
@as_json_option
def compare_stores(first: Path, second: Path, as_json: bool) -> None:
    """Compare the rows of two stores of the same texts: KL, TV, top-1, by place and class.

    What a server, a precision or a version of a teacher changes: score one store's texts with the
    other, then compare. TV is the least and the most that the entries allow; nats are those of the
    written tokens, the SECOND store's less the FIRST's.
    """
    from dataclasses import asdict

    from specialize.compare.stores import compare_stores as compare_rows
    from specialize.compare.stores_table import table

    found = compare_rows(first, second)
    if as_json:
        print_result(asdict(found), as_json)
    else:
        click.echo(visible_lines(table(found)))
        print_result({"warnings": list(found.warnings)}, as_json)
