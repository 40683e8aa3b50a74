"""What a run measured, as plain series: accuracy over steps, losses over steps, facts of stores.

    Curve("svamp", "out-of-distribution", (Point(0, Accuracy(31, 500)), Point(200, ...), ...))
    Series("zero-shot-cot", "nats", steps (n,), values (n,))

A piece that is missing or damaged is not here; ``gather`` says so in the report.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.scores import Accuracy, CheckpointScore
from specialize.config.recipe import EvaluationSet
from specialize.errors import SpecializeError
from specialize.store import Store

MOST_POINTS = 240  # of a training curve; more are averaged in equal groups of steps


@dataclass(frozen=True, slots=True)
class Point:
    """The accuracy of one checkpoint on a set; ``value`` is the macro average over tasks."""

    step: int
    accuracy: Accuracy
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One set's validation accuracy over the steps of a run."""

    set: str
    role: str
    points: tuple[Point, ...]


def curves(
    scores: Sequence[CheckpointScore], sets: Sequence[EvaluationSet], format_: str
) -> list[Curve]:
    """One curve per set that has validation scores, in the recipe's order."""
    found = []
    for spec in sets:
        of_set = [
            s
            for s in scores
            if (s.set, s.split, s.format) == (spec.label, "validation", format_) and s.step >= 0
        ]
        points = sorted(
            (Point(s.step, s.accuracy, s.macro_average) for s in of_set), key=lambda p: p.step
        )
        if points:
            found.append(Curve(spec.label, spec.role, tuple(points)))
    return found


def mean_curve(curves: Sequence[Curve], role: str) -> list[tuple[int, float]]:
    """(step, mean accuracy over the sets of ``role``) for the steps that all of them have."""
    of_role = [{p.step: p.value for p in c.points} for c in curves if c.role == role]
    if not of_role:
        return []
    steps = sorted(set.intersection(*(set(values) for values in of_role)))
    return [(step, sum(values[step] for values in of_role) / len(of_role)) for step in steps]


_PACE = {
    "tokens_per_second": "{:,.0f} target tokens a second",
    "gradient_norm": "gradient norm {:.2f}",
    "padding": "padding {:.1%}",
    "memory_mib": "at most {:,.0f} MiB of memory",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one objective over optimizer steps, averaged in groups of steps."""

    objective: str
    measure: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


def read_metrics(path: Path) -> list[dict[str, object]]:
    """The whole lines of a ``metrics.jsonl``; a torn last line is ignored."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def training_series(lines: Sequence[Mapping[str, object]], measure: str) -> list[Series]:
    """``measure`` of every objective that has it, in order of first appearance."""
    values: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        objectives = line.get("objectives")
        for name, measured in objectives.items() if isinstance(objectives, dict) else ():
            value = _number(measured, measure) if isinstance(measured, dict) else None
            step = _number(line, "step")
            if value is not None and step is not None:
                values.setdefault(name, []).append((step, value))
    return [_thinned(name, measure, points) for name, points in values.items()]


def pace(lines: Sequence[Mapping[str, object]]) -> str:
    """How training went as a whole: medians of its steps, in one sentence; "" without steps."""
    shown = []
    for key, words in _PACE.items():
        values = [value for line in lines if (value := _number(line, key)) is not None]
        if values:
            value = max(values) if key == "memory_mib" else statistics.median(values)
            shown.append(words.format(value).replace("%", " %"))
    return "; ".join(shown)


def last_step(lines: Sequence[Mapping[str, object]]) -> int:
    """The highest optimizer step; 0 without any."""
    return int(max((_number(line, "step") or 0 for line in lines), default=0))


def _number(line: Mapping[str, object], key: str) -> float | None:
    value = line.get(key)
    return float(value) if isinstance(value, (int, float)) else None


def _thinned(objective: str, measure: str, points: Sequence[tuple[float, float]]) -> Series:
    size = -(-len(points) // MOST_POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    steps = tuple(sum(step for step, _ in group) / len(group) for group in groups)
    values = tuple(sum(value for _, value in group) / len(group) for group in groups)
    return Series(objective, measure, steps, values)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a store says of itself: its description and the summary that its writer left."""

    kind: str
    name: str
    description: Mapping[str, str]
    summary: Mapping[str, str]
    rows: Mapping[str, int]  # target rows by how they came about; empty for responses
    problem: str = ""  # why there is nothing to say


def store_facts(run: Path) -> list[StoreFacts]:
    """Every store of responses and of targets in the run."""
    paths = [p for kind in ("responses", "targets") for p in sorted((run / kind).glob("*"))]
    return [_facts(path) for path in paths if path.is_dir() and not path.name.startswith(".")]


def _facts(path: Path) -> StoreFacts:
    kind = path.parent.name
    try:
        store = Store.open(path)
    except (SpecializeError, OSError) as error:
        return StoreFacts(kind, path.name, {}, {}, {}, problem=str(error))
    described = store.description
    description = {
        "teacher": described.teacher,
        "revision": described.revision,
        "tokenizer": described.tokenizer,
        "tokenizer fingerprint": described.fingerprint[:16],
        "vocabulary": f"{described.vocabulary_size:,}",
        "entries a position": str(described.k),
        "store digest": store.digest[:16],
    }
    rows = {
        key.removeprefix("rows_"): value
        for key, value in store.summary.items()
        if key.startswith("rows_") and isinstance(value, int)
    }
    shown = {k: v for k, v in store.summary.items() if not k.startswith("rows_")}
    summary = {key.replace("_", " "): _plain(value, key) for key, value in shown.items()}
    return StoreFacts(kind, path.name, {k: v for k, v in description.items() if v}, summary, rows)


def _plain(value: object, key: str) -> str:
    """A number or a small table as people write it; shares in percent."""
    if isinstance(value, dict):
        return ", ".join(_part(name, each) for name, each in value.items()) or "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    is_share = 0 <= value <= 1 and "nats" not in key
    return f"{100 * value:.1f} %" if is_share else f"{value:,.4g}"


def _part(name: str, value: object) -> str:
    """One line of a small table; a table within it stands in brackets."""
    shown, label = _plain(value, name), name.replace("_", " ")
    return f"{label} ({shown})" if isinstance(value, dict) else f"{label}: {shown}"
