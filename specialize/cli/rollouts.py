"""The ``rollouts`` command: texts that a student writes, for its teacher to score."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli.console import FOLDER, NEW_FILE, allow_code_option, as_json_option, print_result


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--step", default=None, type=int, help="Checkpoint to draw from.  [default: last]")
@click.option(
    "--objective",
    default=None,
    metavar="NAME",
    help="Objective in whose format it is asked.  [default: the first that learns distributions]",
)
@click.option(
    "--samples",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Texts to each training question.",
)
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Sampling temperature.",
)
@click.option(
    "--max-new-tokens",
    default=None,
    type=click.IntRange(min=1),
    help="Length limit of a text.  [default: evaluation.max_new_tokens]",
)
@click.option(
    "--seed", default=None, type=int, help="Seed of the sampling.  [default: the recipe's]"
)
@click.option(
    "--limit",
    default=None,
    type=click.IntRange(min=1),
    help="Only the first N training questions.  [default: all]",
)
@click.option(
    "--out",
    default=None,
    type=NEW_FILE,
    help="The file of texts.  [default: RUN/rollouts/step-NNNNNN.jsonl]",
)
@allow_code_option
@as_json_option
def rollouts(
    run: Path, step: int | None, objective: str | None, samples: int, temperature: float,
    max_new_tokens: int | None, seed: int | None, limit: int | None, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Draw texts of a checkpoint of RUN to its training questions, for the teacher to score.

    Then: specialize dump RESPONSES --mode score --texts FILE, with the run's own teacher and set;
    a recipe's `rounds` do all of it (docs/training.md). Run it again and it continues.
    """
    from specialize.rollouts.sampling import Drawing, draw_rollouts

    drawing = Drawing(objective, samples, temperature, seed, limit, max_new_tokens)
    print_result(draw_rollouts(run, drawing, step=step, out=out), as_json)
