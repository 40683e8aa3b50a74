"""The canvas of a report's figures: SVG, the same bytes for the same data.

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
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, FAINT = "#1d2733", "#c3cbd4"  # replaced by the page's own colours where it is inlined
COLOURS = ("#2878c8", "#d9772b", "#3c9d68", "#a25fc4", "#c44e5b", "#6f7d8c", "#b59a1d", "#2aa3b5")
_STYLE = {
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


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: a name for its file, what it shows in one sentence, and its SVG."""

    name: str
    caption: str
    svg: str


def draw(
    name: str, caption: str, paint: Callable[[Axes], None], *, size: tuple[float, float]
) -> Drawing:
    """Run ``paint`` on empty axes and write them as SVG; everything is laid out and drawn once."""
    with warnings.catch_warnings(), mpl.rc_context(mpl.RcParams(_STYLE | {"svg.hashsalt": name})):
        # text stays text, so a reader's fonts draw what ours have no glyph for
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        svg = io.StringIO()
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        paint(figure.subplots())
        # savefig would draw everything twice
        canvas.print_svg(svg, metadata={"Date": None})
    return Drawing(name, caption, svg.getvalue())


def label(text: str) -> str:
    """``text`` short enough for a figure, without what an SVG file cannot hold."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


_PLACES = ((6, 5), (6, -11), (-6, 5), (-6, -11), (6, 15), (-6, -21))  # of a label, in points
_LETTER, _LINE = 4.6, 9.0  # width and height of a label's letters, in points
_AREA = (240.0, 170.0)  # of the axes, in points, about


def label_points(axes: Axes, labels: Mapping[tuple[float, float], str]) -> None:
    """Write a label beside every point, where it does not touch those written before."""
    spans = [max(values) - min(values) or 1.0 for values in zip(*labels, strict=True)]
    taken: list[tuple[float, float, float]] = []  # left, bottom, right; a line high
    for point, text in sorted(labels.items()):
        x, y = (_AREA[i] * point[i] / spans[i] for i in (0, 1))
        width = _LETTER * len(text)
        boxes = [(x + dx - (width if dx < 0 else 0), y + dy) for dx, dy in _PLACES]
        free = [
            i
            for i, (left, bottom) in enumerate(boxes)
            if not any(
                left < right and other < left + width and abs(bottom - low) < _LINE
                for other, low, right in taken
            )
        ]
        chosen = free[0] if free else 0
        left, bottom = boxes[chosen]
        taken.append((left, bottom, left + width))
        axes.annotate(
            text,
            point,
            xytext=_PLACES[chosen],
            textcoords="offset points",
            fontsize=7.5,
            ha="right" if _PLACES[chosen][0] < 0 else "left",
        )


def percent(axes: Axes, axis: str = "y") -> None:
    shown = axes.yaxis if axis == "y" else axes.xaxis
    shown.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    shown.set_major_locator(MaxNLocator(5 if axis == "x" else 7))  # labels must not touch


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
