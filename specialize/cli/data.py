"""Commands that read evaluation and training sets."""

from __future__ import annotations

from pathlib import Path

import click

from specialize.cli.console import as_json_option, own_file, print_result
from specialize.errors import InputError
from specialize.io.visible import visible_lines
from specialize.records import Example


@click.command()
@click.argument("name", callback=own_file)
@click.argument("path", required=False)
@click.option("--split", default=None, help="Published split to read.  [default: all]")
@click.option(
    "--show",
    default=1,
    show_default=True,
    help="Number of examples to print.",
    type=click.IntRange(min=0),
)
@as_json_option
def data(name: str, path: str | None, split: str | None, show: int, as_json: bool) -> None:
    """Read the set NAME from PATH (the published file or directory; by default, the hub).

    `specialize data check FILE` says what a file of your own holds: records, fields, types of
    answers, repeated questions, the first example, and what is wrong, by line.
    """
    from specialize import datasets

    if name == "check":
        _check(path, split, as_json)
        return
    if path is None and _is_data(name):
        raise click.UsageError(f"{name} is a file, not a set: specialize data check {name}")
    examples = datasets.load(name, path, split=split)
    shown = [_fields(example) for example in examples[:show]]
    if as_json:
        print_result({"set": name, "examples": len(examples), "shown": shown}, True)
        return
    click.echo(f"{name}: {len(examples):,} examples")
    for example in shown:
        lines = (f"{key}: {visible_lines(value)}" for key, value in example.items())
        click.echo("\n" + "\n".join(lines))


def _is_data(name: str) -> bool:
    """Whether a file was given where a set's name belongs; one with code is a set."""
    from specialize import datasets

    return name not in datasets.SETS and not name.endswith(".py") and Path(name).exists()


def _fields(example: Example) -> dict[str, str]:
    """What is shown of an example, the turns before its question under their roles."""
    earlier = "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in example.earlier)
    return {
        "id": example.id,
        **({"earlier": earlier} if earlier else {}),
        "question": example.question,
        "rationale": example.rationale,
        "answer": example.answer,
    }


def _check(path: str | None, split: str | None, as_json: bool) -> None:
    from specialize.datasets.check import check_file

    if path is None:
        raise click.UsageError("data check needs a file: specialize data check FILE")
    found = check_file(Path(path), split)
    if as_json:
        print_result(found.as_json(), True)
    else:
        click.echo("\n".join(found.lines()))
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise InputError(f"{found.problems[0]}{more}")
