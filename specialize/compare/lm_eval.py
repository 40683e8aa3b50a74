"""The sample logs of lm-evaluation-harness: ``samples_TASK_DATE.jsonl``, one line a question.

Written with ``--log_samples``. A line has ``doc_id``, ``doc``, ``target``, ``filter``, the names
of its ``metrics`` with a value each, and the digests ``doc_hash``, ``prompt_hash`` and
``target_hash`` (lm_eval/evaluator.py and loggers/evaluation_tracker.py of version 0.4). A task
with several filters has a line a filter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.compare.answers import Answer, Choice, System, checked, cluster_of, digest
from specialize.datasets.reading import Record, json_lines
from specialize.errors import ConfigurationError, InputError

_EXPECTED = "the samples of lm-evaluation-harness (--log_samples)"
# the date is written with hyphens in place of colons, the fraction of a second may be missing
_NAME = re.compile(r"samples_(.+?)_\d{4}-\d\d-\d\dT[\d.-]+")


def find_samples(path: Path) -> list[Path]:
    """The sample logs that a file or directory holds."""
    if path.is_file():
        return [path] if path.suffix == ".jsonl" else []
    return sorted(path.rglob("samples_*.jsonl"))


def read_samples(files: Sequence[Path], choice: Choice) -> System:
    """The answers of one model, task by task.

    Raises:
        InputError: a line lacks a field, or two files are of one task.
        ConfigurationError: no such metric, filter or field to cluster by.
    """
    tasks: dict[str, tuple[Answer, ...]] = {}
    notes: list[str] = []
    came_from: dict[str, Path] = {}
    for path in files:
        task = _task(path)
        if task in came_from:
            raise InputError(
                f"{came_from[task]} and {path} are both of the task {task}; name one of them"
            )
        came_from[task] = path
        tasks[task] = _read(path, task, choice, notes)
    return System(tasks, tuple(notes))


def _task(path: Path) -> str:
    found = _NAME.match(path.stem)
    return found[1] if found else path.stem.removeprefix("samples_")


def _read(path: Path, task: str, choice: Choice, notes: list[str]) -> tuple[Answer, ...]:
    records = list(json_lines(path, _EXPECTED))
    where, first = records[0]
    metric = _chosen(first.get("metrics"), choice.metric, "metric", where, notes, task)
    filters = list(dict.fromkeys(str(record.get("filter", "none")) for _, record in records))
    kept = _chosen(filters, choice.filter, "filter", where, notes, task)
    answers = tuple(
        _answer(record, metric, task, choice, where)
        for where, record in records
        if str(record.get("filter", "none")) == kept
    )
    return checked(answers, str(path))


def _chosen(
    names: object, wanted: str | None, what: str, where: str, notes: list[str], task: str
) -> str:
    """The wanted name, or the first with a note that there are others."""
    if not isinstance(names, list) or not names:
        raise InputError(f"{where}: no {what}s; expected: {_EXPECTED}")
    if wanted is None:
        if len(names) > 1:
            others = ", ".join(map(str, names[1:]))
            notes.append(f"{task}: {what} {names[0]} is compared (--{what}: {others})")
        return str(names[0])
    if wanted not in names:
        raise ConfigurationError(
            f"{where}: no {what} {wanted!r}; there is {', '.join(map(str, names))}"
        )
    return wanted


def _answer(record: Record, metric: str, task: str, choice: Choice, where: str) -> Answer:
    score, number = record.get(metric), record.get("doc_id")
    if not isinstance(score, int | float):
        raise InputError(
            f"{where}: {metric} is {score!r:.60}, not a number a question; choose another --metric"
        )
    if not isinstance(number, int):
        raise InputError(f"{where}: no doc_id; expected: {_EXPECTED}")
    doc = record.get("doc")
    fields = doc if isinstance(doc, Mapping) else {}
    known = [record.get(key) for key in ("doc_hash", "target_hash")]
    prompt = record.get("prompt_hash")
    return Answer(
        question=str(number),
        sample=1,
        score=float(score),
        document=digest(known if any(known) else [doc, record.get("target")]),
        prompt=prompt if isinstance(prompt, str) else "",
        cluster=cluster_of(fields, choice, task, str(number)),
    )
