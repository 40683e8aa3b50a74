"""Results of ``world_recipes.py`` -> its table and figure.

One result is one line of JSON: method, seed, and for each measure which questions of the test
split were answered rightly, as a text of 0 and 1. A row of the table::

    {"method": "two teachers", "measure": "solution", "mean": 57.2, "half_width": 3.1,
     "values": [56.5, 58.5, 56.6], "less": {"step-by-step": [-1.4, -4.2, 1.5]}}

``half_width`` is that of the 95 % interval of the mean over the seeds (Student's t); ``less`` has
the difference to another arm and its 95 % interval, seeds and questions both drawn again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from specialize.selection.crossed_interval import crossed_interval

# which arms an arm is compared with: in saying the label, and in solving
_TAUGHT = ("step-by-step", "second alone", "two teachers", "distributions",
           "distributions of two", "gold text", "gold distributions", "gold averaged")  # fmt: skip
LABELS = dict.fromkeys(_TAUGHT, ("fine-tuning",))
SOLUTIONS = {
    "step-by-step": ("fine-tuning",),
    "second alone": ("step-by-step",),
    "two teachers": ("step-by-step", "second alone"),
    "distributions": ("step-by-step",),
    "distributions of two": ("two teachers", "distributions"),
    "gold text": ("step-by-step",),
    "gold distributions": ("gold text",),
    "gold averaged": ("gold text", "gold distributions"),
}
T975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # of Student's t, by the number of seeds
MEASURES = ("label", "solution")
Row = dict[str, object]


class Arm(NamedTuple):
    method: str
    measure: str


def tables(results: Path) -> dict[str, object]:
    """Every arm's accuracy in percent, and its difference to its reference."""
    found = read(results)
    return {"rows": [row_of(arm, answers, found) for arm, answers in sorted(found.items())]}


def read(results: Path) -> dict[Arm, NDArray[np.int64]]:
    """(seeds, questions) 1 where the answer was right, of every arm."""
    right: dict[Arm, dict[int, list[int]]] = {}
    for path in sorted(results.glob("*.json")):
        result = json.loads(path.read_text())
        for measure in MEASURES:
            arm = Arm(result["method"], measure)
            answers = [int(digit) for digit in result[measure]["right"]]
            right.setdefault(arm, {})[result["seed"]] = answers
    return {arm: np.array([by[seed] for seed in sorted(by)]) for arm, by in right.items()}


def row_of(arm: Arm, answers: NDArray[np.int64], found: Mapping[Arm, NDArray[np.int64]]) -> Row:
    values = (100 * answers.mean(1)).tolist()
    half = T975[len(values)] * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {
        "method": arm.method, "measure": arm.measure, "mean": round(mean(values), 1),
        "half_width": None if half is None else round(half, 1),
        "values": [round(value, 1) for value in values],
        "less": {
            other: difference(answers, found[arm._replace(method=other)])
            for other in (LABELS if arm.measure == "label" else SOLUTIONS).get(arm.method, ())
            if arm._replace(method=other) in found
        },
    }  # fmt: skip


def difference(answers: NDArray[np.int64], against: NDArray[np.int64]) -> list[float]:
    """Points between two arms, and the ends of its interval, over the seeds that both have."""
    seeds = min(len(answers), len(against))
    table = answers[:seeds] - against[:seeds]
    return [round(100 * value, 1) for value in (float(table.mean()), *crossed_interval(table))]


# ---- figures -----------------------------------------------------------------------------------


def draw(table: dict[str, object], out: Path) -> None:
    """``problems.svg``: what is solved after a rationale, by arm."""
    rows = [row for row in table["rows"] if row["half_width"] is not None]
    figure = Figure(figsize=(6, 4), layout="constrained")
    mine = [row for row in rows if row["measure"] == "solution"]
    _by_arm(figure.subplots(), sorted(mine, key=lambda row: row["mean"]))
    figure.savefig(out / "problems.svg")


def _by_arm(axes: Axes, rows: Sequence[Row]) -> None:
    """The seeds as points, their mean and its interval as a bar."""
    for place, row in enumerate(rows):
        axes.errorbar(
            [row["mean"]], [place], xerr=[row["half_width"]], marker="|", markersize=14,
            capsize=3, color="tab:blue",
        )  # fmt: skip
        axes.plot(row["values"], [place] * len(row["values"]), "o", color="tab:orange", alpha=0.7)
    axes.set_yticks(range(len(rows)), labels=[row["method"] for row in rows])
    axes.set_xlabel("test accuracy after the student's own rationale, %")
