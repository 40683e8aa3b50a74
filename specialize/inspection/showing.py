"""What ``specialize inspect`` shows of alignments and rows: in the terminal, or as a new page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from specialize.config.yaml_files import recorded_recipe
from specialize.errors import ConfigurationError
from specialize.inspection.aligned import align_samples
from specialize.inspection.page import aligned_page, rows_page
from specialize.inspection.rows import show_rows
from specialize.inspection.terminal import print_aligned, print_rows
from specialize.io.files import write_atomically
from specialize.tokens import load_tokenizer
from specialize.train.session import prepare_rows


def show_alignment(
    responses: Path,
    targets: Path,
    console: Console,
    *,
    example: str | None = None,
    sample: int = 0,
    html: Path | None = None,
) -> None:
    """A teacher's response beside the student's targets.

    Raises:
        ConfigurationError: the stores do not belong together, lack the sample, or ``html`` exists.
    """
    found = align_samples(responses, targets, example, sample)
    if html is None:
        print_aligned(found, console)
    else:
        _write_new(html, aligned_page(found))


def show_run_rows(
    run: Path,
    console: Console,
    *,
    objective: str | None = None,
    example: str | None = None,
    count: int = 1,
    html: Path | None = None,
) -> None:
    """The first rows of every objective that a run trains on, made as training makes them.

    Raises:
        ConfigurationError: the run has no such objective or example, or ``html`` exists.
        StoreError: targets are missing.
    """
    recipe = recorded_recipe(run)
    tokenizer = load_tokenizer(recipe.student)
    rows = prepare_rows(recipe, run)
    shown = show_rows(rows, tokenizer, objective=objective, example=example, count=count)
    if html is None:
        print_rows(shown, console)
    else:
        _write_new(html, rows_page(shown, f"rows of {recipe.name}"))


def _write_new(path: Path, text: str) -> None:
    if path.exists():
        raise ConfigurationError(f"{path} is there already; name a new file or remove it first")
    write_atomically(path, text.encode())
