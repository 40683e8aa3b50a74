"""The canvas of a report's figures: SVG and PNG, the same bytes for the same data.

Every figure is drawn on a canvas of its own (no global state), with text as text, ids salted by
the figure's name and no date. Names of sets and objectives are data: they are never read as
mathematical markup.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, FAINT = "#1d2733", "#c3cbd4"  # replaced by the page's own colours where it is inlined
COLOURS = ("#2878c8", "#d9772b", "#3c9d68", "#a25fc4", "#c44e5b", "#6f7d8c", "#b59a1d", "#2aa3b5")
_STYLE: Mapping[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


_LONGEST = 26  # characters of a name in a figure
_DPI = 160  # of a PNG


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: a name for its files, what it shows in one sentence, its SVG and its PNG."""

    name: str
    caption: str
    svg: str
    png: bytes


def draw(
    name: str, caption: str, paint: Callable[[Axes], None], *, size: tuple[float, float]
) -> Drawing:
    """Run ``paint`` on empty axes and write them as SVG and, on white, as PNG."""
    with warnings.catch_warnings(), mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        # text stays text, so a reader's fonts draw what ours have no glyph for
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        svg, png = io.StringIO(), io.BytesIO()
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        paint(figure.subplots())
        # savefig would draw everything twice
        canvas.print_svg(svg, metadata={"Date": None})
        figure.set_facecolor("white")
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return Drawing(name, caption, svg.getvalue(), png.getvalue())


def label(text: str) -> str:
    """``text`` short enough for a figure, without what an SVG file can not hold."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def percent(axes: Axes, axis: str = "y") -> None:
    formatter = FuncFormatter(lambda value, _: f"{100 * value:.3g} %")
    (axes.yaxis if axis == "y" else axes.xaxis).set_major_formatter(formatter)


def steps_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("optimizer step")


def mark(axes: Axes, step: int | None, *, named: bool = True) -> None:
    """A dashed line at the chosen step."""
    if step is None:
        return
    axes.axvline(step, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    if named:
        axes.annotate(
            "selected",
            (step, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 4),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
        )
