"""The figures of ``pipeline.py``: what a row or a token costs as a run grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from specialize.io.files import write_atomically
from specialize.report.canvas import COLOURS, INK, draw

FIGURES = {
    "stages-world": ("world", "times as many rows", "cost a row"),
    "stages-gsm8k": ("gsm8k", "times as many rows", "cost a row"),
    "stages-lengths": ("lengths", "tokens of a text", "cost a token"),
}
SIZE = (6.4, 3.6)


def draw_history(lines: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write an SVG for each grid of which there are lines.

    Args:
        lines: of stages, as ``pipeline.with_growth`` returns them.
    """
    for name, (grid, across, up) in FIGURES.items():
        curves: dict[str, list[tuple[float, float]]] = {}
        for each in lines:
            if each["grid"] == grid and each.get("growth"):
                curves.setdefault(each["stage"], []).append((each["at"], each["growth"]))
        if curves:
            caption = f"{up} outside the model, by {across}"
            paint = partial(_paint, curves=curves, across=across, up=up)
            figure = draw(name, caption, paint, size=SIZE)
            write_atomically(folder / f"{name}.svg", figure.svg.encode())


def _paint(
    axes: Axes, *, curves: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str
) -> None:
    """Every stage as a line, and the band of 20 % in which it is flat."""
    places = sorted({x for points in curves.values() for x, _ in points})
    axes.axhspan(0.8, 1.2, color=INK, alpha=0.07, linewidth=0)
    for (stage, points), colour in zip(curves.items(), COLOURS, strict=False):
        xs, ys = zip(*sorted(points), strict=True)
        style = "--" if stage == "align again" else "-"
        axes.plot(xs, ys, style, marker="o", markersize=3.5, color=colour, label=stage)
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [f"{int(x):,}" for x in places])
    axes.set_ylim(0, max(1.5, *(y for points in curves.values() for _, y in points)) * 1.05)
    axes.set_xlabel(across)
    axes.set_ylabel(f"{up}, first = 1")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
