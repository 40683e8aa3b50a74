"""The ``evaluate`` command: checkpoints of a run, or a model as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize.cli.console import (
    FOLDER,
    allow_code_option,
    as_json_option,
    own_file,
    print_result,
    processes_option,
    ray_option,
)
from specialize.io.visible import visible_lines

if TYPE_CHECKING:
    from specialize.datasets.recipe_sets import Split

_STANDING = ("path", "formats", "limit", "demonstrations")
_OF_RUNS = ("steps", "shard", "processes", "ray")


@click.command()
@click.argument("run", type=FOLDER, required=False)
@click.option(
    "--split",
    default="validation",
    show_default=True,
    type=click.Choice(["validation", "test"]),
    help="Which split of a run's sets; selection sees validation only.",
)
@click.option(
    "--step",
    "steps",
    multiple=True,
    type=int,
    help="Only the checkpoint of this step; may be repeated.  [default: all]",
)
@click.option(
    "--shard",
    default=None,
    metavar="I/N",
    help="Only shard I of N (0-based): every Nth example.  [default: all]",
)
@processes_option
@ray_option
@click.option(
    "--model",
    default=None,
    metavar="MODEL",
    help="Ask this model (directory, GGUF file or hub id) in place of a run's checkpoints.  "
    "[default: none]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME|KEY=VALUE",
    help="Without a RUN, the set to ask; with KEY=VALUE, a recipe key such as "
    "evaluation.max_new_tokens=64; may be repeated.",
)
@click.option(
    "--path",
    default=None,
    help="File or directory of the set as published.  [default: from the hub]",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help="Prompt format: zero-shot or in-context, then -cot or -answer; chat, chat-cot or "
    "chat-answer for chat models; may be repeated.  [default: zero-shot-cot]",
)
@click.option(
    "--limit",
    default=None,
    type=click.IntRange(min=1),
    help="Only the first examples, of every task.  [default: all]",
)
@click.option(
    "--demonstrations",
    default=None,
    metavar="FILE",
    help="Examples of the same set that in-context formats show.  [default: none]",
)
@click.option(
    "--out",
    default=None,
    type=FOLDER,
    help="Where answers go without a RUN.  [default: standing/MODEL/SET]",
)
@allow_code_option
@as_json_option
def evaluate(
    run: Path | None, split: Split, steps: tuple[int, ...], shard: str | None, processes: int,
    ray: str | None,
    model: str | None, settings: tuple[str, ...], path: str | None, formats: tuple[str, ...],
    limit: int | None, demonstrations: str | None, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Evaluate every checkpoint of RUN on its evaluation sets; predictions are kept and reused.

    With --model, another model answers: the sets of RUN, next to its teachers in the report, or,
    without a RUN, the one set that --set names. Run the same command again and it continues.
    """
    overrides = tuple(each for each in settings if "=" in each)
    sets = [each for each in settings if "=" not in each]
    _refuse_misplaced(run, model, sets)
    if run is None and model is not None:
        from specialize.evaluate.standing import Asked, evaluate_standing, label_of, table

        asked = Asked(sets[0], path, formats or ("zero-shot-cot",), limit, demonstrations)
        found = evaluate_standing(
            model,
            asked,
            out or Path("standing") / label_of(model) / Path(sets[0]).stem,
            overrides=overrides,
        )
    elif run is not None and model is not None:
        from specialize.evaluate.standing import evaluate_beside, table

        found = evaluate_beside(run, model, split=split, overrides=overrides)
    elif run is not None:
        from specialize.engines import Engine
        from specialize.pipeline import evaluate_run

        print_result(
            evaluate_run(
                run, split=split, steps=steps, overrides=overrides, shard=shard,
                engine=Engine(processes, ray),
            ),
            as_json,
        )  # fmt: skip
        return
    if as_json:
        print_result(found, as_json)
    else:
        click.echo(visible_lines(table(found)))


def _refuse_misplaced(run: Path | None, model: str | None, sets: list[str]) -> None:
    """Options that say nothing of what is asked for are mistakes, not to be passed over."""
    context = click.get_current_context()
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if run is None and model is None:
        raise click.UsageError("name a RUN, or a model with --model MODEL --set NAME --path FILE")
    if run is not None and (wrong := sets or sorted(given & {*_STANDING, "out"})):
        raise click.UsageError(
            f"{wrong[0]}: the sets of a run are those of its recipe; leave out RUN to ask a model "
            f"without one, or write --set as KEY=VALUE"
        )
    if model is not None and (wrong := sorted(given & {*_OF_RUNS, *([] if run else ["split"])})):
        raise click.UsageError(f"--{wrong[0]} is for the checkpoints of a run; leave it out")
    if run is None and len(sets) != 1:
        raise click.UsageError(f"without a RUN, --set names exactly one set; got {len(sets)}")
    if run is None:
        own_file(context, context.command.params[0], sets[0])
