"""The figures of a report: trade-off, front, a curve per set, outcome, training, target rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from specialize.artifacts.selection import Judged
from specialize.report.canvas import (
    COLOURS,
    INK,
    Drawing,
    draw,
    label,
    label_points,
    mark,
    percent,
    steps_axis,
)
from specialize.report.gather import ReportData
from specialize.report.measures import Curve, Series, StoreFacts, mean_curve
from specialize.report.outcome import ROLES, Line

_ROLE_COLOURS = dict(zip(ROLES, ("#2878c8", "#d9772b", "#3c9d68"), strict=True))


def draw_all(data: ReportData) -> dict[str, list[Drawing]]:
    """Every figure that the data allow, by the report's section."""
    chosen = data.selection.step if data.selection else None
    sections: dict[str, list[Drawing]] = {"outcome": [], "trade-off": [], "curves": []}
    if data.outcome is not None:
        lines = [line for line in data.outcome.lines if not line.is_mean and line.after]
        if lines:
            sections["outcome"].append(_outcome(lines, data.outcome.split))
    if any(len(curve.points) > 1 for curve in data.curves):
        sections["trade-off"].append(_overview(data.curves, chosen))
    front = data.selection.judged if data.selection else ()
    if front and all(
        j.candidate.in_distribution and j.candidate.out_of_distribution for j in front
    ):
        sections["trade-off"].append(_scatter(front, chosen))
    sections["curves"] = [_set(curve, i, chosen) for i, curve in enumerate(data.curves)]
    sections["training"] = [
        _training(measure, series) for measure, series in data.training.items() if series
    ]
    targets = [facts for facts in data.stores if facts.rows and sum(facts.rows.values())]
    sections["stores"] = [_rows(targets)] if targets else []
    return sections


def _overview(curves: Sequence[Curve], chosen: int | None) -> Drawing:
    def paint(axes: Axes) -> None:
        for role in ROLES:
            points = mean_curve(curves, role)
            count = sum(curve.role == role for curve in curves)
            name = f"{role} (mean of {count})" if count > 1 else role
            if points:
                steps, values = zip(*points, strict=True)
                colour = _ROLE_COLOURS[role]
                axes.plot(steps, values, "o-", color=colour, label=name, markersize=4, lw=2)
        axes.set_ylim(bottom=0)
        percent(axes)
        steps_axis(axes)
        mark(axes, chosen)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1, fontsize=8)

    caption = (
        "Validation accuracy over steps: what is gained, and what it costs in general ability."
    )
    return draw("trade-off", caption, paint, size=(4.6, 3.6))


def _scatter(judged: Sequence[Judged], chosen: int | None) -> Drawing:
    x = [j.candidate.in_distribution_mean for j in judged]
    y = [j.candidate.out_of_distribution_mean for j in judged]

    def paint(axes: Axes) -> None:
        front = sorted(
            (j.candidate.in_distribution_mean, j.candidate.out_of_distribution_mean)
            for j in judged
            if j.on_front
        )
        if front:
            axes.step(
                [a for a, _ in front], [b for _, b in front], where="pre", color="#d9772b",
                lw=1.2, zorder=2,
            )  # fmt: skip
        axes.scatter(x, y, s=26, color="#6f7d8c", zorder=3, label="checkpoint")
        if front:
            axes.scatter(
                [a for a, _ in front], [b for _, b in front], 34, color="#d9772b", zorder=4,
                label="Pareto front",
            )  # fmt: skip
        for a, b, j in zip(x, y, judged, strict=True):
            if j.candidate.step == chosen:
                axes.scatter([a], [b], 140, facecolors="none", edgecolors=INK, linewidths=1.4,
                             zorder=5, label="selected")  # fmt: skip
        steps: dict[tuple[float, float], list[int]] = {}
        for a, b, j in zip(x, y, judged, strict=True):
            steps.setdefault((a, b), []).append(j.candidate.step)
        label_points(axes, {at: ", ".join(map(str, same)) for at, same in steps.items()})
        axes.set_xlim(*_around(x))
        axes.set_ylim(*_around(y))
        percent(axes)
        percent(axes, "x")
        axes.set_xlabel("in-distribution accuracy")
        axes.set_ylabel("mean out-of-distribution accuracy")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)

    caption = (
        "Every checkpoint, labelled by its step: validation accuracy in- and out-of-distribution."
    )
    return draw("front", caption, paint, size=(4.6, 3.6))


def _around(shares: Sequence[float]) -> tuple[float, float]:
    """Limits with room around accuracies, hardly beyond 0 and 1: there is nothing there."""
    room = max(0.14 * (max(shares) - min(shares)), 0.02)
    return max(min(shares) - room, -room / 6), min(max(shares) + room, 1 + room / 6)


def _set(curve: Curve, number: int, chosen: int | None) -> Drawing:
    steps = [point.step for point in curve.points]
    values = [point.value for point in curve.points]
    bounds = [point.accuracy.interval() for point in curve.points]
    shift = [point.value - point.accuracy.value for point in curve.points]  # of a macro average

    def paint(axes: Axes) -> None:
        colour = _ROLE_COLOURS.get(curve.role, COLOURS[0])
        low = [max(0.0, bound[0] + move) for bound, move in zip(bounds, shift, strict=True)]
        high = [min(1.0, bound[1] + move) for bound, move in zip(bounds, shift, strict=True)]
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(steps, values, "o-", color=colour, markersize=3.5, lw=1.8)
        if steps[0] == 0:
            axes.axhline(values[0], color=INK, lw=0.8, linestyle=(0, (1, 2)), zorder=1)
        axes.set_ylim(0, min(1.02, max(0.02, *high) * 1.05))
        axes.set_title(label(curve.set), fontsize=9.5, loc="left", fontweight="bold")
        percent(axes)
        steps_axis(axes)
        mark(axes, chosen, named=False)

    examples = curve.points[-1].accuracy.total
    caption = f"{curve.set} ({curve.role}, {examples:,} validation examples)"
    return draw(f"set-{number:02d}", caption, paint, size=(3.2, 2.3))


def _outcome(lines: Sequence[Line], split: str) -> Drawing:
    def paint(axes: Axes) -> None:
        for y, line in enumerate(reversed(lines)):
            colour = _ROLE_COLOURS.get(line.role, COLOURS[0])
            if line.after is None:
                continue
            if line.before is not None:
                axes.plot(
                    [line.before.value, line.after.value], [y, y], color=colour, lw=2, alpha=0.5
                )
                axes.scatter([line.before.value], [y], s=34, facecolors="none", edgecolors=colour,
                             linewidths=1.5, zorder=3)  # fmt: skip
            if line.after.interval is not None:
                axes.plot(line.after.interval, [y, y], color=colour, lw=5, alpha=0.25,
                          solid_capstyle="round")  # fmt: skip
            axes.scatter([line.after.value], [y], s=40, color=colour, zorder=4)
            for cell in line.teachers.values():
                axes.scatter([cell.value], [y], s=42, marker="|", color=INK, zorder=3)
        axes.set_yticks(range(len(lines)), [label(line.name) for line in reversed(lines)])
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(lines) - 0.4)
        percent(axes, "x")
        axes.set_xlabel(f"{split} accuracy")
        axes.grid(visible=False, axis="y")

    teachers = " and the teacher (bar)" if any(line.teachers for line in lines) else ""
    caption = (
        f"Accuracy on the {split} split before (ring) and after (dot, with its 95 % interval) "
        f"specialization{teachers}."
    )
    return draw("outcome", caption, paint, size=(4.4, 0.9 + 0.3 * len(lines)))


_TITLES: Mapping[str, tuple[str, str]] = {
    "nats": ("loss (nats a token)", "Loss per objective: forward KL or cross-entropy, per token."),
    "bits_per_byte": ("loss (bits a byte)", "The same loss per byte of the targets' text."),
    "agreement": ("top-1 agreement", "Tokens whose most probable candidate is the target's."),
    "tail_mass": ("teacher's tail mass", "Teacher probability outside the stored entries."),
    "student_mass": ("student's mass", "Student probability on the stored entries."),
    "hard": ("share of hard rows", "Share of target rows that are one-hot."),
}  # fmt: skip


def _training(measure: str, series: Sequence[Series]) -> Drawing:
    title, caption = _TITLES[measure]

    def paint(axes: Axes) -> None:
        for i, one in enumerate(series):
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(one.steps, one.values, color=colour, lw=1.4, label=label(one.objective))
        axes.set_ylim(bottom=0)
        if measure not in ("nats", "bits_per_byte"):
            percent(axes)
        axes.set_ylabel(title)
        steps_axis(axes)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)

    return draw(f"training-{measure.replace('_', '-')}", caption, paint, size=(4.6, 3.0))


_FROM_TEACHER = {"same": 0, "mid": 1}  # the kinds of rows that hold a distribution come first


def _rows(stores: Sequence[StoreFacts]) -> Drawing:
    named = sorted({kind for facts in stores for kind, count in facts.rows.items() if count})
    kinds = sorted(named, key=lambda kind: _FROM_TEACHER.get(kind, len(_FROM_TEACHER)))

    def paint(axes: Axes) -> None:
        for y, facts in enumerate(stores):
            total, left = sum(facts.rows.values()), 0.0
            for i, kind in enumerate(kinds):
                share = facts.rows.get(kind, 0) / total
                name = label(kind) if y == 0 else None
                axes.barh(y, share, left=left, color=COLOURS[i % len(COLOURS)], label=name)
                left += share
        axes.set_yticks(range(len(stores)), [label(facts.name) for facts in stores])
        axes.set_xlim(0, 1)
        percent(axes, "x")
        axes.set_xlabel("share of target rows")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8)

    caption = "How the rows of the targets came about: from the teacher (same, mid) or one-hot."
    return draw("target-rows", caption, paint, size=(5.4, 1.3 + 0.35 * len(stores)))
