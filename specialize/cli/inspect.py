"""Commands that look: at a store, at what a recipe or a file may contain, at this installation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from specialize.cli.console import (
    NEW_FILE,
    STORE,
    allow_code_option,
    as_json_option,
    print_result,
)
from specialize.errors import StoreError

SCHEMA_LINE = "# yaml-language-server: $schema=recipe.schema.json"


@click.command()
@click.argument("store", type=STORE)
@as_json_option
def verify(store: Path, as_json: bool) -> None:
    """Read every byte of STORE and check sizes, hashes and distributions."""
    from specialize.store import verify as verify_store

    found = verify_store(store)
    if as_json or store.is_dir():  # nothing can be counted where nothing is
        print_result(found.as_json(), as_json)
    if not found.ok:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise StoreError(f"{store}: {found.problems[0]}{more}")


@click.command()
@click.argument("store", type=STORE)
@click.option("--example", default=None, help="Id of an example.  [default: the store's first]")
@click.option("--sample", default=0, show_default=True, help="Which of the example's samples.")
@click.option(
    "--html",
    type=NEW_FILE,
    default=None,
    help="Write an HTML page to this file instead.  [default: none]",
)
@click.option(
    "--responses",
    type=STORE,
    default=None,
    help="Show the alignment: STORE holds the targets made from this store.  [default: none]",
)
@click.option(
    "--rows",
    "count",
    type=click.IntRange(min=1),
    default=None,
    help="STORE is a run: show N training rows of every objective.  [default: none]",
)
@allow_code_option
@click.option("--objective", default=None, help="With --rows: only this objective.  [default: all]")
def inspect(
    store: Path, example: str | None, sample: int, html: Path | None, responses: Path | None,
    count: int | None, objective: str | None,
) -> None:  # fmt: skip
    """Show one response of STORE: its tokens, their probabilities, top entries and tail mass.

    With --responses, the teacher's tokens beside the student's; with --rows, what the loss sees.
    """
    from rich.console import Console

    if responses is not None or count is not None:
        from specialize.inspection.showing import show_alignment, show_run_rows

        if responses is not None:
            show_alignment(responses, store, Console(), example=example, sample=sample, html=html)
        elif count is not None:
            show_run_rows(
                store, Console(), objective=objective, example=example, count=count, html=html
            )
        return
    if html is None:
        from specialize.inspection.store import print_sample

        print_sample(store, example, sample, Console())
        return
    from specialize.inspection.store_page import write_page

    write_page(store, example, sample, html)
    click.echo(html)


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON schema of a file: recipe, store, manifest, summary, texts, predictions,
    figures, plan.
    """
    from specialize.cli import json_schemas

    if name is None:
        click.echo("\n".join(json_schemas.SCHEMAS))
        return
    click.echo(json.dumps(json_schemas.schema(name), indent=2))


@click.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the built-in recipes, or print one as YAML to copy and edit.

    Its first line names recipe.schema.json, by which an editor explains the keys; make
    it with `specialize schema recipe > recipe.schema.json`.
    """
    from specialize.recipes import RECIPES

    if name is None:
        for known, recipe in RECIPES.items():
            click.echo(f"{known:20} {(recipe.__doc__ or '').splitlines()[0]}")
        return
    if name not in RECIPES:
        raise click.UsageError(f"no recipe {name!r}; there are: {', '.join(RECIPES)}")
    click.echo(SCHEMA_LINE)
    click.echo(RECIPES[name]().to_yaml(), nl=False)


@click.command()
@as_json_option
def env(as_json: bool) -> None:
    """Print versions, devices and settings, for a bug report."""
    from specialize.cli.environment import environment

    print_result(environment(), as_json)
