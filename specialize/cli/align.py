"""The ``align`` command: a store of responses to one of targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from specialize.cli.console import (
    STORE,
    as_json_option,
    print_result,
    processes_option,
    ray_option,
    shard_option,
)

if TYPE_CHECKING:
    from align.project import Policy

# "kept" is above "stored": it is counted before the entries of a position are cut to the top k
MASS_NOTES = {
    "mean_kept": "teacher's mass that found tokens of the student, all of them",
    "mean_stored": "of it, what the top-k entries of a position hold; the rest joined the tail",
    "mean_inconsistent": "mass of candidates that contradict what was written; it joined the tail",
}


@click.command()
@click.argument("responses", type=STORE)
@click.argument("targets", type=STORE)
@click.option(
    "--student", required=True, metavar="MODEL", help="Student whose vocabulary to project into."
)
@click.option(
    "--policy",
    default="prefix",
    show_default=True,
    type=click.Choice(["prefix", "one-to-one", "nearest", "chunk", "byte-prefix"]),
    help="How distributions are projected (docs/alignment.md).",
)
@click.option(
    "--top-k",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Entries kept per student position; the rest joins the tail.",
)
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Temperature of the loss; other than 1, RESPONSES must hold tails at it.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="How many work at once, on Linux as processes on a shard each.  [default: all cores]",
)
@click.option(
    "--follow",
    is_flag=True,
    help="RESPONSES may be still being written: take its shards as they come, up to its end.",
)
@shard_option
@processes_option
@ray_option
@click.option("--restart", is_flag=True, help="Delete what is there and start over.")
@as_json_option
def align(
    responses: Path,
    targets: Path,
    student: str,
    policy: Policy,
    top_k: int,
    temperature: float,
    threads: int | None,
    follow: bool,
    shard: str | None,
    processes: int,
    ray: str | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Project the teacher store RESPONSES into the student's vocabulary; writes TARGETS.

    With --follow the policy "prefix" reads all texts as they come and projects once the last is
    there, since it learns from all; the other policies project each shard at once. TARGETS has the
    same bytes either way.
    """
    from specialize.io.garbage import importing

    with importing():
        from specialize.engines import Engine
        from specialize.stages.stores import align_store

    result = align_store(
        responses,
        targets,
        student=student,
        policy=policy,
        top_k=top_k,
        temperature=temperature,
        threads=threads,
        restart=restart,
        follow=follow,
        shard=shard,
        engine=Engine(processes, ray),
    )
    print_result(result, as_json, MASS_NOTES)
