"""A comparison as one HTML page, as Markdown, CSV and a figure; under the report's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from specialize.config.recipe import Recipe
from specialize.io.files import write_atomically
from specialize.report.canvas import COLOURS, Drawing, draw, label, percent
from specialize.report.comparison import Comparison, compare, comparison_csv
from specialize.report.markdown import render
from specialize.report.page import environment, resource
from specialize.report.stage import write_figures


def write_comparison(runs: Sequence[tuple[Recipe, Path]], out: Path) -> Path:
    """Compare runs in the directory ``out``; returns the path of ``comparison.html`` in it.

    Raises:
        ConfigurationError, InputError: see ``compare``.
    """
    comparison = compare(runs)
    drawing = _drawing(comparison)
    write_figures(out / "figures", [drawing])
    write_atomically(out / "comparison.csv", comparison_csv(comparison).encode())
    text = render("comparison.md.j2", c=comparison, drawing=drawing)
    write_atomically(out / "comparison.md", text.encode())
    page = out / "comparison.html"
    template = environment().get_template("comparison.html.j2")
    html = template.render(c=comparison, drawing=drawing, style=Markup(resource("page.css")))
    write_atomically(page, html.encode())
    return page


def _drawing(comparison: Comparison) -> Drawing:
    sets, entries = comparison.sets, comparison.entries
    gap = 0.7 / len(entries)

    def paint(axes: Axes) -> None:
        for i, entry in enumerate(entries):
            colour = COLOURS[i % len(COLOURS)]
            for at, (name, _) in enumerate(reversed(sets)):
                line = entry.line(name)
                y = at + 0.35 - gap * (i + 0.5)
                if line is None or line.after is None:
                    continue
                if line.before is not None:
                    axes.plot([line.before.value, line.after.value], [y, y], color=colour, lw=1.5,
                              alpha=0.5)  # fmt: skip
                    axes.scatter([line.before.value], [y], s=22, facecolors="none",
                                 edgecolors=colour, zorder=3)  # fmt: skip
                named = label(entry.name) if at == 0 else None
                axes.scatter([line.after.value], [y], s=26, color=colour, zorder=4, label=named)
        axes.set_yticks(range(len(sets)), [label(name) for name, _ in reversed(sets)])
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(sets) - 0.4)
        percent(axes, "x")
        axes.set_xlabel(f"{comparison.split} accuracy")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)

    caption = "Accuracy before (ring) and after (dot) specialization, by run."
    height = 1.0 + (0.2 + 0.14 * len(entries)) * len(sets)
    return draw("comparison", caption, paint, size=(5.4, height))
