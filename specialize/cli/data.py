"""Commands that read evaluation and training sets."""

from __future__ import annotations

import click

from specialize.cli.console import as_json_option, own_file, print_result
from specialize.io.visible import visible_lines


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
    """Read the set NAME from PATH (the published file or directory; without it, from the hub)."""
    from specialize import datasets

    examples = datasets.load(name, path, split=split)
    shown = [
        {"id": e.id, "question": e.question, "rationale": e.rationale, "answer": e.answer}
        for e in examples[:show]
    ]
    if as_json:
        print_result({"set": name, "examples": len(examples), "shown": shown}, True)
        return
    click.echo(f"{name}: {len(examples):,} examples")
    for example in shown:
        lines = (f"{key}: {visible_lines(value)}" for key, value in example.items())
        click.echo("\n" + "\n".join(lines))
