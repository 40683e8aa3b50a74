"""What figures of experiments share: differences with intervals, sizes on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from specialize.experiments.judgement import Difference


def draw_differences(
    axes: Axes, places: Sequence[float], found: Sequence[Difference], *, colour: str, label: str
) -> None:
    """Differences of accuracy in points, at their places along x, with their intervals."""
    axes.errorbar(
        places, [100 * each.value for each in found],
        yerr=[
            [100 * (each.value - each.low) for each in found],
            [100 * (each.high - each.value) for each in found],
        ],
        marker="o", markersize=3.5, capsize=2, color=colour, label=label,
    )  # fmt: skip


def sizes_axis(axes: Axes, sizes: Mapping[str, float], what: str) -> None:
    """A logarithmic x axis whose only ticks are the named sizes."""
    axes.set_xscale("log")
    axes.set_xticks(list(sizes.values()), labels=list(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(what)
