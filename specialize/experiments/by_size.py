"""Accuracies of students of several sizes -> a line over log10 of the parameters, and its interval.

The slope and the curvature of least squares are weighted sums of accuracies, so that seeds and
questions are drawn again for their intervals as for those of differences.

    | slope after | **+14.2** (11.0 to 17.3) |      points for ten times the parameters
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from specialize.experiments.design import Outcome
from specialize.experiments.drawing import sizes_axis
from specialize.experiments.judgement import Difference, Judgement
from specialize.experiments.page import points
from specialize.report.canvas import COLOURS, Drawing, draw
from specialize.selection.crossed_interval import crossed_interval

_ROLE = "in-distribution"
_BEFORE, _AFTER = 0, None  # steps of the checkpoints: the first and the last one
_COEFFICIENTS: tuple[tuple[str, int, int | None, bool], ...] = (
    ("slope before", 1, _BEFORE, False),
    ("slope after", 1, _AFTER, False),
    ("slope after less before", 1, _AFTER, True),
    ("curvature before", 2, _BEFORE, False),
    ("curvature after", 2, _AFTER, False),
)  # name, degree, of which step, less that before


def weights(parameters: Sequence[int], degree: int) -> NDArray[np.float64]:
    """What each accuracy counts in the least-squares coefficient of the highest power.

    Args:
        parameters: of each student; more of them than ``degree``.
        degree: 1 for the slope of a line over log10 of the parameters, 2 for a parabola's
            curvature.

    Returns:
        (students,) whose product with the accuracies is the coefficient.
    """
    return np.linalg.pinv(np.vander(np.log10(parameters), degree + 1))[0]


def coefficient(
    judged: Judgement,
    parameters: Mapping[str, int],
    degree: int,
    *,
    step: int | None = None,
    less_before: bool = False,
) -> Difference:
    """The slope or curvature of accuracy over log10 of the parameters, with its interval.

    Args:
        parameters: of each arm.
        degree: as for ``weights``.
        step: of the checkpoints; None: the last one.
        less_before: take that of the students before training away.
    """
    share = weights(list(parameters.values()), degree)
    table = np.array([
        share @ np.array([
            judged.right(arm, seed, _ROLE, step=step)
            - (judged.right(arm, seed, _ROLE, step=0) if less_before else 0)
            for arm in parameters
        ])
        for seed in judged.seeds(*parameters)
    ])  # fmt: skip
    return Difference(float(table.mean()), *crossed_interval(table), *table.shape)


def table(parameters: Mapping[str, int], outcomes: Sequence[Outcome]) -> str:
    """Accuracy by size before and after, and the line through them."""
    return "\n".join(_table(parameters, Judgement(outcomes)))


def _table(parameters: Mapping[str, int], judged: Judgement) -> Iterator[str]:
    yield "## By size\n"
    yield "| student | parameters | accuracy before | after |"
    yield "|---|---:|---:|---:|"
    for name, count in parameters.items():
        before, after = (judged.accuracy(name, _ROLE, step=step).mean for step in (_BEFORE, _AFTER))
        yield f"| {name} | {count:,} | {100 * before:.1f} | {100 * after:.1f} |"
    yield (
        "\nA straight line and a parabola over log10 of the parameters, by least squares: the "
        "slope is points for ten times the parameters, the curvature the parabola's coefficient. "
        "Intervals as above.\n"
    )
    yield "| of the fit | points |"
    yield "|---|---:|"
    for what, degree, step, less in _COEFFICIENTS:
        found = coefficient(judged, parameters, degree, step=step, less_before=less)
        yield f"| {what} | {points(found)} |"


def curve(parameters: Mapping[str, int], outcomes: Sequence[Outcome]) -> Drawing:
    """Accuracy against parameters: every seed's, and the fitted lines."""
    judged, sizes = Judgement(outcomes), list(parameters.values())

    def paint(axes: Axes) -> None:
        for colour, step, when in ((COLOURS[1], _BEFORE, "before"), (COLOURS[0], _AFTER, "after")):
            reached = [judged.accuracy(name, _ROLE, step=step) for name in parameters]
            for size, each in zip(sizes, reached, strict=True):
                shares = [100 * share for share in each.by_seed]
                axes.plot([size] * len(shares), shares, "o", color=colour, markersize=3.5)
            line = np.polyfit(np.log10(sizes), [100 * each.mean for each in reached], 1)
            drawn = np.polyval(line, np.log10(sizes))
            axes.plot(sizes, drawn, color=colour, linewidth=1, label=when)
        sizes_axis(axes, parameters, "parameters of the student")
        axes.set_ylabel("accuracy, %")
        axes.legend(loc="best", fontsize=8)

    caption = "Accuracy by size: every seed, and lines over log10 of the parameters"
    return draw("X01-size", caption, paint, size=(6.5, 3.6))
