"""The ``export`` command: stores and evaluations written for other programs, or sent to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from specialize.cli.console import NEW_FILE, STORE, as_json_option, print_result

if TYPE_CHECKING:
    from specialize.store.export import Form


@click.command()
@click.argument("store", type=STORE, metavar="STORE|RUN")
@click.argument("out", type=NEW_FILE, required=False)
@click.option(
    "--format", "form", default=None,
    help="Output format.  [default: from OUT's suffix, or dataset to push]",
    type=click.Choice(["parquet", "jsonl", "distillkit", "axolotl", "dataset", "every-eval-ever"]),
)  # fmt: skip
@click.option(
    "--push-to-hub", "repository", default=None, metavar="OWNER/NAME",
    help="Send STORE to this dataset of the hub, with a card; private at first.  [default: none]",
)  # fmt: skip
@click.option(
    "--model", default=None, metavar="DEVELOPER/NAME",
    help="Name of RUN's selected checkpoint, for every-eval-ever.  [default: local/RUN-step-N]",
)  # fmt: skip
@click.option(
    "--organization", default=None, metavar="NAME",
    help="Who evaluated, for every-eval-ever.  [default: unknown]",
)  # fmt: skip
@as_json_option
def export(
    store: Path, out: Path | None, form: Form | Literal["every-eval-ever"] | None,
    repository: str | None, model: str | None, organization: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write a STORE or the evaluation of a RUN to OUT for other programs, or a STORE to the hub.

    OUT is a file with a sample per row; for distillkit and dataset a directory, and for
    every-eval-ever, which takes a RUN, the directory that data/ is in.
    """
    if form == "every-eval-ever":
        from specialize.config.yaml_files import recorded_recipe
        from specialize.report.every_eval_ever import Publisher, export_evaluation

        if out is None or repository is not None:
            raise click.UsageError("--format every-eval-ever writes to OUT; name it alone")
        publisher = Publisher(organization or "unknown", model)
        found = export_evaluation(recorded_recipe(store), store, out, publisher)
        print_result(found, as_json)
        return
    if model is not None or organization is not None:
        raise click.UsageError("--model and --organization go with --format every-eval-ever")
    print_result(_rows_written(store, out, form, repository), as_json)


def _rows_written(
    store: Path, out: Path | None, form: Form | None, repository: str | None
) -> dict[str, object]:
    """Write STORE to where the options say."""
    from specialize.store.export import export_store
    from specialize.store.push import push_store

    if out is None and repository is None:
        raise click.UsageError("name OUT, --push-to-hub or both")
    by_suffix: dict[str, Form] = {".parquet": "parquet", ".jsonl": "jsonl"}
    chosen = form or (by_suffix.get(out.suffix) if out is not None else None)
    if repository is not None and (chosen or "dataset") != "dataset":
        raise click.UsageError(f"what the hub holds goes as --format dataset, not {chosen}")
    if out is not None and repository is None and chosen is None:
        raise click.UsageError(f"{out.name} ends neither in .parquet nor in .jsonl; give --format")
    told = {} if out is None else export_store(store, out, chosen or "dataset")
    return told if repository is None else {**told, **push_store(store, repository)}
