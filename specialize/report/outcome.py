"""Before, after, teacher: what specialization changed, on examples that nothing was chosen by.

    svamp   before 6.2 % [4.4, 8.7]   after 31.4 %   change +25.2 [+21.0, +29.4]   teacher 64.0 %

Before and after answered the same examples, so the change has a paired interval. Where the test
split was not evaluated the validation split is used, and the report says that it is biased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import CheckpointScore
from specialize.config.recipe import EvaluationSet
from specialize.selection.paired_tests import Paired, difference_interval, pair

ROLES = ("in-distribution", "out-of-distribution", "general")


@dataclass(frozen=True, slots=True)
class Change:
    """After less before, as shares, with its 95 % paired interval and McNemar's p."""

    difference: float
    interval: tuple[float, float]
    p_value: float
    fixed: int
    broken: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One accuracy; ``interval`` is None for a mean over sets or tasks."""

    value: float
    interval: tuple[float, float] | None
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One set (or the mean over the sets of a role) before, after, and by teachers.

    Accuracies are shares with 95 % Wilson intervals; a mean over sets has none.
    """

    name: str
    role: str
    examples: int
    before: Cell | None
    after: Cell | None
    change: Change | None
    teachers: Mapping[str, Cell]
    is_mean: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The table, and the split that it is of."""

    split: str
    before: str | None
    after: str
    teachers: tuple[str, ...]
    lines: tuple[Line, ...]

    def line(self, role: str) -> Line | None:
        """The line that speaks for a role: its mean, or its only set."""
        of_role = [line for line in self.lines if line.role == role]
        return of_role[-1] if of_role else None


def outcome(
    results: RunResults,
    scores: Sequence[CheckpointScore],
    sets: Sequence[EvaluationSet],
    format_: str,
    chosen: str,
) -> Outcome:
    """The table of the chosen checkpoint: of the test split if it was scored there.

    Args:
        results: predictions and grades of the run.
        scores: of all checkpoints and teachers.
        sets: with the role of each.
        format_: of the prompts.
        chosen: the selected checkpoint's name.
    """
    tested = any(s.split == "test" and s.checkpoint == chosen for s in scores)
    split = "test" if tested else "validation"
    known = {(s.checkpoint, s.set): s for s in scores if (s.split, s.format) == (split, format_)}
    before = next((s.checkpoint for s in known.values() if s.step == 0), None)
    teachers = tuple(sorted({s.checkpoint for s in known.values() if s.step < 0}))
    lines: list[Line] = []
    for role in ROLES:
        labels = [spec.label for spec in sets if spec.role == role]
        parts = {label: _parts(results, chosen, before, label, split, format_) for label in labels}
        of_role = [
            _line(label, role, known, before, chosen, teachers, parts[label]) for label in labels
        ]
        lines += of_role
        if len(of_role) > 1:
            lines.append(_mean_line(role, of_role, list(parts.values()), teachers))
    return Outcome(split, before, chosen, teachers, tuple(lines))


def _parts(
    results: RunResults, chosen: str, before: str | None, label: str, split: str, format_: str
) -> list[tuple[float, Paired]]:
    """Correct after against correct before, by example; tasks split, each of equal weight."""
    if before is None:
        return []
    after, first = (results.predictions(name, label, split, format_) for name in (chosen, before))
    tasks = sorted({prediction.task for prediction in after})
    counts = [pair([p for p in after if p.task == task], first) for task in tasks]
    return [(1 / len(tasks), part) for part in counts] if all(c.total for c in counts) else []


def _line(
    label: str,
    role: str,
    known: Mapping[tuple[str, str], CheckpointScore],
    before: str | None,
    chosen: str,
    teachers: Sequence[str],
    parts: Sequence[tuple[float, Paired]],
) -> Line:
    cells = {name: _cell(known.get((name, label))) for name in (before, chosen, *teachers) if name}
    after = known.get((chosen, label))
    return Line(
        name=label,
        role=role,
        examples=after.accuracy.total if after else 0,
        before=cells.get(before) if before else None,
        after=cells[chosen],
        change=_change(parts) if parts else None,
        teachers={name: cell for name in teachers if (cell := cells[name]) is not None},
    )


def _cell(score: CheckpointScore | None) -> Cell | None:
    if score is None:
        return None
    interval = None if score.by_task else score.accuracy.interval()
    return Cell(score.macro_average, interval, score.unanswered)


def _change(parts: Sequence[tuple[float, Paired]]) -> Change:
    counts = sum((part for _, part in parts), Paired(0, 0, 0))
    return Change(
        difference=sum(weight * part.difference for weight, part in parts),
        interval=difference_interval(parts),
        p_value=counts.p_value,
        fixed=counts.only_first,
        broken=counts.only_second,
    )


def _mean_line(
    role: str,
    lines: Sequence[Line],
    parts: Sequence[Sequence[tuple[float, Paired]]],
    teachers: Sequence[str],
) -> Line:
    """The mean over the sets of a role, each set with the same weight."""
    scaled = [(weight / len(lines), part) for of_set in parts for weight, part in of_set]
    return Line(
        name=f"mean of {len(lines)} sets",
        role=role,
        examples=sum(line.examples for line in lines),
        before=_mean([line.before for line in lines]),
        after=_mean([line.after for line in lines]),
        change=_change(scaled) if all(parts) else None,
        teachers={
            name: cell
            for name in teachers
            if (cell := _mean([line.teachers.get(name) for line in lines])) is not None
        },
        is_mean=True,
    )


def _mean(cells: Sequence[Cell | None]) -> Cell | None:
    known = [cell for cell in cells if cell is not None]
    if not known or len(known) < len(cells):
        return None
    return Cell(
        sum(cell.value for cell in known) / len(known), None, sum(c.unanswered for c in known)
    )
