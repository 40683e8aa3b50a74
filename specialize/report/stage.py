"""The stage: a run's directory -> report.html, report.md, figures and tables in it.

    report.html                 everything, in one file
    report.md                   the same in short
    figures/*.svg               the figures, for papers and slides
    figures/scores.csv, training.csv
    model_card.md               what a reader of the selected checkpoint should know

The same run gives the same bytes: nothing in a report depends on when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specialize.artifacts.results import RunResults
from specialize.config.recipe import Recipe
from specialize.io.files import write_atomically
from specialize.report.canvas import Drawing
from specialize.report.card import CARD, model_card
from specialize.report.figures import draw_all
from specialize.report.gather import gather
from specialize.report.markdown import markdown
from specialize.report.page import html_page
from specialize.report.tables import scores_csv, training_csv


def write_report(recipe: Recipe, run: Path, *, results: RunResults | None = None) -> Path:
    """Write the report of ``run``; what the run lacks is named in it.

    Args:
        results: scores and predictions that this process has already; None: they are read.

    Returns:
        The path of ``report.html``.

    Raises:
        InputError: there is no such run, or a file in it is damaged.
    """
    data = gather(recipe, results or RunResults(run))
    drawings = draw_all(data)
    write_figures(run / "figures", [d for section in drawings.values() for d in section])
    for name, text in (("scores", scores_csv(data.scores)), ("training", training_csv(data))):
        write_atomically(run / "figures" / f"{name}.csv", text.encode())
    write_atomically(run / "report.md", markdown(data, drawings).encode())
    write_atomically(run / CARD, model_card(data).encode())
    page = run / "report.html"
    write_atomically(page, html_page(data, drawings).encode())
    return page


def write_figures(folder: Path, drawings: Sequence[Drawing]) -> None:
    """Put exactly these figures into ``folder``."""
    wanted = {f"{d.name}.svg": d.svg.encode() for d in drawings}
    for stale in sorted([*folder.glob("*.svg"), *folder.glob("*.png")]):
        if stale.name not in wanted:
            stale.unlink()
    for name, content in wanted.items():
        write_atomically(folder / name, content)
