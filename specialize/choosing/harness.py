"""Results of lm-evaluation-harness -> the scores and answers of a run's checkpoints.

    HarnessLogs(Path("logs"))                           of RUN/checkpoints/step-000400, by its path
    HarnessLogs(Path("logs"), pattern="ckpt-{step}")    by a name of your own

Results belong to the checkpoint of this run that their model's path names; where the model is no
path (a server's name, say), to the one that a directory on the way to them names. What was scored
under other conditions than the other checkpoints is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from specialize.compare.lm_eval_results import (
    ResultsFile,
    TaskResult,
    find_results,
    read_results,
)
from specialize.config.recipe import Role
from specialize.errors import ConfigurationError, InputError
from specialize.students import checkpoints

_STEP = re.compile(r"step-(\d{6,})")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class HarnessLogs:
    """Where results are, and what of them counts.

    Attributes:
        folder: what ``--output_path`` named, or a directory of such.
        roles: role of each task; empty: the recipe's sets of the same names.
        metrics: names in order of preference; empty: each task's first.
        filters: likewise.
        pattern: what names the checkpoint in the model's name or the path, with ``{step}``; None:
            the name of a checkpoint of the run.
        steps: of the checkpoints to choose from; empty: all of the run.
    """

    folder: Path
    roles: Mapping[str, Role] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    pattern: str | None = None
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.pattern is not None and self.pattern.count("{step}") != 1:
            raise ConfigurationError(
                f"pattern {self.pattern!r} must hold {{step}} once, where the step's number is"
            )


@dataclass(frozen=True, slots=True)
class Harness:
    """The results of a run's checkpoints, by step and task.

    ``left_out``: models in the directory that are no checkpoint of the run.
    """

    by_step: Mapping[int, Mapping[str, TaskResult]]
    version: str
    limited: bool
    left_out: tuple[str, ...]


def read_harness(logs: HarnessLogs, run: Path) -> Harness:
    """The results of every checkpoint of ``run`` that is to be chosen from.

    Raises:
        InputError: there are none, a file is damaged or of another model, or a checkpoint's task
            was scored twice.
        ConfigurationError: a checkpoint has no results, or the run has no such checkpoint.
    """
    if not logs.folder.is_dir():
        raise InputError(f"there is no directory {logs.folder}; name one that lm-eval wrote")
    files = [read_results(path) for path in find_results(logs.folder)]
    if not files:
        raise InputError(
            f"{logs.folder} holds no results_*.json of lm-evaluation-harness; lm-eval run ... "
            f"--output_path {logs.folder} writes them"
        )
    by_step: dict[int, dict[str, TaskResult]] = {}
    used: list[ResultsFile] = []
    left_out: list[str] = []
    for file in files:
        step = _step(file, logs, run)
        if step is None:
            left_out.append(file.model)
            continue
        used.append(file)
        _add(by_step.setdefault(step, {}), file)
    if not used:
        raise InputError(_of_none(files, logs, run))
    wanted = _wanted(by_step, logs, run)
    _check_one_student(used)
    versions = dict.fromkeys(file.version for file in used if file.version)
    return Harness(
        by_step={step: by_step[step] for step in sorted(by_step) if step in wanted},
        version=" and ".join(versions),
        limited=any(file.limit is not None for file in used),
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _step(file: ResultsFile, logs: HarnessLogs, run: Path) -> int | None:
    """The step that a results file is of; None: of no checkpoint."""
    on_the_way = file.path.parent.relative_to(logs.folder).as_posix()
    if logs.pattern is not None:
        before, after = map(re.escape, logs.pattern.split("{step}"))
        expression = re.compile(f"{before}(\\d+){after}")
        return _only([*expression.findall(on_the_way), *expression.findall(file.model)], file)
    model = PurePath(file.model)
    if (named := _STEP.fullmatch(model.name)) and len(model.parts) > 1:
        own = checkpoints.folder(run).resolve() / model.name
        theirs = (run.resolve().name, checkpoints.folder(run).name)
        if Path(file.model).resolve() != own and model.parts[-3:-1] not in (theirs, theirs[1:]):
            raise InputError(
                f"{file.path} is of the model {file.model}, which is no checkpoint of {run}; name "
                f"the directory of this run's results, or match by name with --pattern "
                f"'step-{{step}}' if the run has been renamed"
            )
        return int(named[1])
    return _only([*_STEP.findall(on_the_way), *_STEP.findall(model.name)], file)


def _only(found: Sequence[str], file: ResultsFile) -> int | None:
    steps = sorted({int(number) for number in found})
    if len(steps) > 1:
        raise InputError(
            f"{file.path} (model {file.model}) names steps {' and '.join(map(str, steps))}; give a "
            f"--pattern that fits one of them"
        )
    return steps[0] if steps else None


def _add(known: dict[str, TaskResult], file: ResultsFile) -> None:
    for name, task in file.tasks.items():
        if name in known:
            raise InputError(
                f"{known[name].path} and {file.path} both hold results of {name} for {file.model}; "
                f"keep one of them"
            )
        known[name] = task


def _of_none(files: Sequence[ResultsFile], logs: HarnessLogs, run: Path) -> str:
    models = list(dict.fromkeys(file.model for file in files))
    named = f"the pattern {logs.pattern!r} fits none" if logs.pattern else "that is none of them"
    return (
        f"no results in {logs.folder} are of a checkpoint of {run} (models: "
        f"{', '.join(models[:_SHOWN])}; {named}); --pattern 'NAME-{{step}}' says how names or "
        f"directories hold the step"
    )


def _wanted(by_step: Mapping[int, object], logs: HarnessLogs, run: Path) -> set[int]:
    """The steps to choose from, all of which have results, and 0."""
    there = {checkpoint.step for checkpoint in checkpoints.complete(run)}
    wanted = logs.steps or tuple(c.step for c in checkpoints.candidates(run) if c.step > 0)
    if unknown := sorted({*by_step, *wanted} - there):
        raise ConfigurationError(
            f"{run} has no checkpoint of step {unknown[0]}; there are: "
            f"{', '.join(map(str, sorted(there))) or 'none'}"
        )
    if missing := [step for step in wanted if step not in by_step]:
        names = ", ".join(checkpoints.name_of(step) for step in missing[:_SHOWN])
        raise ConfigurationError(
            f"{logs.folder} has no results of {len(missing)} of {len(wanted)} checkpoints "
            f"({names}); evaluate them too, or name those to choose from with --step"
        )
    return {0, *wanted}


def _check_one_student(files: Sequence[ResultsFile]) -> None:
    sizes = {file.parameters: file for file in files if file.parameters is not None}
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise InputError(
            f"{one.path} is of a model with {first:,} parameters, {other.path} of one with "
            f"{second:,}; the checkpoints of a run have equally many"
        )
