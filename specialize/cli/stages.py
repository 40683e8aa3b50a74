"""The command line: one command per stage.

Results go to standard output (``--json`` makes them one JSON object), progress and errors to
standard error.

Stage bodies import what they need, so that ``--help`` starts without torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from specialize import __version__
from specialize.cli.console import FILE, FOLDER, as_json_option, print_result, run_command
from specialize.cli.data import data
from specialize.cli.imports import export, import_
from specialize.cli.inspect import inspect, recipes, schema, verify

_overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Specialize a small student with a large teacher's token distributions, offline.

    \b
    specialize quickstart                    the whole method on bundled models, in minutes
    specialize run recipe.yaml --out RUN     every stage of a recipe
    specialize dump | import | align | train | evaluate | select | report     one stage
    """


def main() -> None:
    """Run the command line; see ``console`` for the exit codes."""
    sys.exit(run_command(cli))


@cli.command()
@click.option("--out", default="runs/quickstart", show_default=True, type=FOLDER)
@click.option("--questions", default=None, type=click.IntRange(min=10), help="Training questions.")
@click.option("--samples", default=None, type=click.IntRange(min=1), help="Solutions a question.")
@click.option("--steps", default=None, type=click.IntRange(min=1), help="Optimizer steps.")
@click.option("--examples", default=None, type=click.IntRange(min=2), help="Examples a split.")
@click.option("--restart", is_flag=True, help="Remove the run's directory and begin again.")
@as_json_option
def quickstart(
    out: Path,
    questions: int | None,
    samples: int | None,
    steps: int | None,
    examples: int | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Run the whole method on the bundled tiny teacher and student."""
    from specialize.quickstart.run import Size, quickstart, summary_table

    size = Size.of(questions=questions, samples=samples, steps=steps, examples=examples)
    outcome = quickstart(out, size, restart=restart)
    click.echo(summary_table(outcome), err=as_json)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), sort_keys=True))


@cli.command()
@click.argument("recipe", type=FILE)
@click.option("--out", required=True, type=FOLDER, help="The run's directory.")
@click.option("--dry-run", is_flag=True, help="Print rows, tokens, bytes and room, then stop.")
@_overrides
@as_json_option
def run(recipe: Path, out: Path, dry_run: bool, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run every stage of RECIPE (a file, or the name of a built-in recipe)."""
    from specialize.pipeline import plan_recipe, run_recipe
    from specialize.recipes import find_recipe

    resolved = find_recipe(recipe, overrides)
    print_result(plan_recipe(resolved, out) if dry_run else run_recipe(resolved, out), as_json)


@cli.command()
@click.argument("out", type=FOLDER)
@click.option("--teacher", required=True, metavar="MODEL", help="Directory or hub id.")
@click.option("--data", "name", required=True, metavar="SET", help="Whose questions.")
@click.option("--path", default=None, help="The set's file or directory; none: the hub.")
@click.option("--split", default=None, help="The published split.")
@click.option("--limit", default=None, type=click.IntRange(min=1), help="Only the first examples.")
@click.option(
    "--mode",
    default="sample",
    type=click.Choice(["sample", "score", "rationale"]),
    show_default=True,
    help="Write solutions, score the set's own, or say why (--set forced=true: of its answers).",
)
@click.option("--format", "format_name", default="zero-shot-cot", show_default=True)
@click.option("--demonstrations", default=0, show_default=True, help="Drawn for each question.")
@click.option("--prompt-file", default=None, help="A published few-shot prompt.")
@click.option(
    "--samples",
    default=None,
    type=click.IntRange(min=1),
    help="Solutions a question.  [default: 40 with mode sample, else 1]",
)
@click.option("--temperature", default=0.7, show_default=True)
@click.option("--max-new-tokens", default=256, show_default=True, type=click.IntRange(min=1))
@click.option("--top-k", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--entry-mass", default=1.0, help="Of the top k, store so many as reach this mass.")
@click.option("--draws", default=None, type=int, help="Store ids drawn so often, not the top k.")
@click.option("--tail-temperature", multiple=True, type=float, help="Store the tail at it too.")
@click.option("--server", default=None, metavar="KIND", help="Ask a server: vllm, sglang, ...")
@click.option("--url", "urls", multiple=True, help="Where the server answers; several may.")
@click.option("--revision", default=None, help="Of a hub id.")
@click.option("--trust-remote-code", is_flag=True, help="Run the model's own code, if you read it.")
@click.option("--seed", default=0, show_default=True)
@click.option("--restart", is_flag=True, help="Remove what is there and begin again.")
@click.option("--dry-run", is_flag=True, help="Print rows, tokens, bytes and room, then stop.")
@_overrides
@as_json_option
def dump(
    out: Path, teacher: str, name: str, path: str | None, split: str | None, limit: int | None,
    mode: str, format_name: str, demonstrations: int, prompt_file: str | None,
    samples: int | None, temperature: float, max_new_tokens: int, top_k: int,
    entry_mass: float, draws: int | None,
    tail_temperature: tuple[float, ...], server: str | None, urls: tuple[str, ...],
    revision: str | None, trust_remote_code: bool, seed: int, restart: bool, dry_run: bool,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Let a teacher answer a set's questions; store its top-k distributions in OUT.

    A served one: --server vllm --url http://host:8000 --set server.tokenizer=DIR; docs/teachers.md.
    """
    from specialize.config.yaml_files import build_teacher
    from specialize.pipeline import dump_set

    settings = build_teacher(
        {
            "model": teacher,
            "mode": mode,
            "format": format_name,
            "demonstrations": demonstrations,
            "prompt_file": prompt_file,
            "samples": samples or (40 if mode == "sample" else 1),
            "temperature": temperature,
            "max_new_tokens": max_new_tokens,
            "top_k": top_k,
            "entry_mass": entry_mass,
            "draws": draws,
            "tail_temperatures": tail_temperature,
            "revision": revision,
            "trust_remote_code": trust_remote_code,
            **({"server": {"kind": server, "urls": urls}} if server or urls else {}),
        },
        overrides,
    )
    result = dump_set(
        out, settings, name, path, split=split, limit=limit, seed=seed, restart=restart,
        dry_run=dry_run,
    )  # fmt: skip
    print_result(result, as_json)


@cli.command()
@click.argument("responses", type=FOLDER)
@click.argument("targets", type=FOLDER)
@click.option("--student", required=True, metavar="MODEL", help="Whose vocabulary to map onto.")
@click.option(
    "--policy",
    default="prefix",
    show_default=True,
    type=click.Choice(["prefix", "one-to-one", "nearest", "chunk"]),
    help="How distributions are carried over.",
)
@click.option(
    "--top-k",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Entries kept per student position; the rest joins the tail.",
)
@click.option("--threads", type=click.IntRange(min=1), help="How many work on it.  [default: all]")
@click.option("--restart", is_flag=True, help="Remove what is there and begin again.")
@as_json_option
def align(
    responses: Path,
    targets: Path,
    student: str,
    policy: str,
    top_k: int,
    threads: int | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Carry the teacher store RESPONSES into the student's vocabulary, into TARGETS."""
    from specialize.targets.stage import write_targets

    result = write_targets(
        responses,
        targets,
        student=student,
        policy=policy,
        top_k=top_k,
        threads=threads,
        restart=restart,
    )
    print_result(result, as_json)


@cli.command()
@click.argument("recipe", type=FILE)
@click.argument("run", type=FOLDER)
@_overrides
@as_json_option
def train(recipe: Path, run: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train RECIPE's student on RUN/targets; checkpoints and metrics go into RUN."""
    from specialize.config.yaml_files import record_recipe
    from specialize.recipes import find_recipe
    from specialize.train import train as train_student

    resolved = find_recipe(recipe, overrides)
    record_recipe(resolved, run)
    print_result(train_student(resolved, run).as_json(), as_json)


@cli.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--split", default="validation", show_default=True, type=click.Choice(["validation", "test"])
)
@click.option("--step", "steps", multiple=True, type=int, help="Only these checkpoints.")
@click.option("--shard", default=None, metavar="I/N", help="Only each Nth example from the Ith on.")
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(min=1), help="So many shards."
)
@_overrides
@as_json_option
def evaluate(
    run: Path, split: str, steps: tuple[int, ...], shard: str | None, processes: int,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Let RUN's checkpoints answer its evaluation sets; predictions are kept and reused."""
    from specialize.pipeline import evaluate_run

    found = evaluate_run(
        run, split=split, steps=steps, overrides=overrides, shard=shard, processes=processes
    )
    print_result(found, as_json)


@cli.command()
@click.argument("run", type=FOLDER)
@click.option("--rule", default=None, help="in-distribution, out-of-distribution or mean.")
@as_json_option
def select(run: Path, rule: str | None, as_json: bool) -> None:
    """Choose RUN's checkpoint by its validation scores."""
    from specialize.pipeline import select_run

    print_result(select_run(run, rule), as_json)


@cli.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True, metavar="RUN [RUN]...")
@click.option(
    "--out", default="comparison", show_default=True, type=FOLDER, help="Of several runs."
)
@click.option(
    "--push-to-hub",
    "repository",
    default=None,
    metavar="NAME/REPOSITORY",
    help="Send the selected checkpoint and its card there, private; off by default.",
)
@as_json_option
def report(runs: tuple[Path, ...], out: Path, repository: str | None, as_json: bool) -> None:
    """Write RUN/report.html, report.md and model_card.md; of several RUNs a comparison."""
    from specialize.pipeline import report_runs

    print_result(report_runs(runs, out, repository), as_json)


@cli.command()
@click.argument("run", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option(
    "--steps", required=True, metavar="A,B,...", help="Steps of the checkpoints, two or more."
)
@as_json_option
def average(run: Path, out: Path, steps: str, as_json: bool) -> None:
    """Write the mean of several checkpoints of RUN as a model into the new directory OUT."""
    from specialize.students.averaging import average_checkpoints

    if not all(step.strip().isdigit() for step in steps.split(",")):
        raise click.UsageError(f"--steps takes numbers with commas between, got {steps!r}")
    names = average_checkpoints(run, [int(step) for step in steps.split(",")], out)
    print_result({"averaged": names, "out": str(out)}, as_json)


for _command in (data, import_, export, verify, inspect, recipes, schema):
    cli.add_command(_command)
