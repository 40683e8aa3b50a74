"""The results files of lm-evaluation-harness: ``results_DATE.json``, one for each call of it.

A file names its model (``model_name``, or ``config.model_args`` before 0.4.3) and holds by task
``results`` (``"exact_match,strict-match": 0.15``), ``higher_is_better``, ``versions``, ``n-shot``,
``n-samples``, ``group_subtasks`` and ``configs``; ``task_hashes`` is a digest of all documents and
prompts where samples were logged (lm_eval/evaluator_utils.py and loggers/evaluation_tracker.py of
version 0.4.13). The samples of a task are beside it under the same date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from specialize.datasets.reading import json_document
from specialize.errors import InputError

_EXPECTED = "the results of lm-evaluation-harness (--output_path)"
_NAME = re.compile(r"(?:results|.*_\d{4}-\d\d-\d\dT[\d.-]+)(?:_.*)?\.json")
_MODEL_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")  # in lm-eval's own order
_NO_METRICS = frozenset({"alias", "name", "samples", "sample_len", "sample_count", " "})

Key = tuple[str, str]  # metric and filter


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task or group of a results file.

    Attributes:
        scores: by metric and filter, in the file's order.
        lower_is_better: the metrics that are.
        conditions: what two evaluations must have in common to be compared, by its name.
        subtasks: of a group.
        on_test: whether the task has a test split, which lm-eval then asks.
        samples: the log of its samples; None where there is none.
        path: of the file.
    """

    scores: Mapping[Key, float]
    lower_is_better: frozenset[str]
    conditions: Mapping[str, str]
    subtasks: tuple[str, ...]
    on_test: bool
    samples: Path | None
    path: Path


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """One call of lm-eval.

    Attributes:
        path: of the file.
        model: as it was named in the call: a path or a hub id.
        version: of lm-eval; empty where the file does not say.
        parameters: of the model; None where the file does not say.
        limit: of questions, as it was given; None: all were asked.
        tasks: by name, groups among them.
    """

    path: Path
    model: str
    version: str
    parameters: int | None
    limit: float | None
    tasks: Mapping[str, TaskResult]


def find_results(folder: Path) -> list[Path]:
    """The results files of a directory, at any depth."""
    return sorted(path for path in folder.rglob("*.json") if _NAME.fullmatch(path.name))


def read_results(path: Path) -> ResultsFile:
    """What a results file says.

    Raises:
        InputError: it is no whole JSON, or something else than results.
    """
    values = json_document(path, _EXPECTED)
    if not isinstance(values, Mapping) or not _mapping(values, "results"):
        raise InputError(f"{path} has no results; expected: {_EXPECTED}")
    config = _mapping(values, "config")
    parameters, limit = config.get("model_num_parameters"), config.get("limit")
    return ResultsFile(
        path=path,
        model=_model(values, config, path),
        version=str(values.get("lm_eval_version") or ""),
        parameters=parameters if isinstance(parameters, int) and parameters > 0 else None,
        limit=limit if isinstance(limit, int | float) else None,
        tasks={name: _task(values, name, path) for name in _mapping(values, "results")},
    )


def _mapping(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _model(values: Mapping[str, object], config: Mapping[str, object], path: Path) -> str:
    named, given = values.get("model_name"), config.get("model_args")
    if isinstance(named, str) and named:
        return named
    if isinstance(given, str):
        given = dict(part.partition("=")[::2] for part in given.split(","))
    if isinstance(given, Mapping):
        for key in _MODEL_KEYS:
            if given.get(key):
                return str(given[key])
    raise InputError(f"{path} does not name its model; expected: {_EXPECTED}")


def _task(values: Mapping[str, object], name: str, path: Path) -> TaskResult:
    scores: dict[Key, float] = {}
    for key, score in _mapping(_mapping(values, "results"), name).items():
        metric, _, filter_ = key.partition(",")
        if key in _NO_METRICS or metric.endswith("_stderr"):
            continue
        if isinstance(score, int | float) and isfinite(score):
            scores[metric, filter_ or "none"] = float(score)
    higher = _mapping(_mapping(values, "higher_is_better"), name)
    subtasks = _mapping(values, "group_subtasks").get(name)
    config = _mapping(_mapping(values, "configs"), name)
    date = path.stem.rpartition("_")[2]
    samples = path.with_name(f"samples_{name}_{date}.jsonl")
    return TaskResult(
        scores=scores,
        lower_is_better=frozenset(metric for metric, better in higher.items() if better is False),
        conditions=_conditions(values, name),
        subtasks=tuple(map(str, subtasks)) if isinstance(subtasks, list) else (),
        on_test=bool(config.get("test_split")),
        samples=samples if samples.exists() else None,
        path=path,
    )


def _conditions(values: Mapping[str, object], name: str) -> dict[str, str]:
    """What was asked and how; what the file does not say is left out."""
    found = {
        "version": _mapping(values, "versions").get(name),
        "number of documents": _mapping(_mapping(values, "n-samples"), name).get("effective"),
        "number of few-shot examples": _mapping(values, "n-shot").get(name),
        "chat template": values.get("chat_template_sha"),
        "system prompt": values.get("system_instruction_sha"),
        "documents and prompts": _mapping(values, "task_hashes").get(name),
    }
    return {key: str(value) for key, value in found.items() if value is not None}
