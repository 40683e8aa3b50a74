"""The stage: evaluations -> what each scores less the first, task by task, and how sure it is.

    compare([Path("runs/a"), Path("runs/b")])
    compare([Path("small/samples_gsm8k_2026-01-05T10-00-00.jsonl"), Path("large/")], metric=...)

Only answers to the same questions are compared. Where the questions or the prompts under one name
differ the comparison is refused: such numbers cannot be set against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from specialize.compare.answers import Answer, Choice, System
from specialize.compare.difference import Difference, difference
from specialize.compare.inspect_logs import find_logs, read_logs
from specialize.compare.lm_eval import find_samples, read_samples
from specialize.compare.own import find_predictions, read_predictions
from specialize.errors import ConfigurationError, InputError
from specialize.io.path_names import distinct_names
from specialize.selection.paired_tests import holm

ALL = "all tasks"
_FEW = 10  # clusters below which a bootstrap is too sure
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Compared:
    """One system against the first on one task."""

    system: str
    task: str
    difference: Difference
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every system against the first; p values are adjusted over all tests of single tasks."""

    first: str
    compared: tuple[Compared, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "first": self.first,
            "compared": [
                {"system": each.system, "task": each.task, "p_adjusted": each.p_adjusted}
                | asdict(each.difference)
                for each in self.compared
            ],
            "warnings": list(self.warnings),
        }


def compare(
    paths: Sequence[Path],
    *,
    tasks: Sequence[str] = (),
    choice: Choice | None = None,
    any_prompt: bool = False,
) -> Comparison:
    """Compare evaluations with the first of them.

    Args:
        paths: runs, folders of a run's predictions, logs of lm-evaluation-harness or inspect, or
            directories of such logs.
        tasks: those to compare; none: all that every evaluation has.
        choice: the metric, filter and clusters.
        any_prompt: compare systems that were asked the same questions in different words.

    Raises:
        ConfigurationError: fewer than two paths, no task in common, or prompts that differ.
        InputError: a path holds no evaluation, or questions under one name differ.
    """
    if len(paths) < 2:
        raise ConfigurationError("a comparison needs at least two evaluations")
    names = distinct_names(paths)
    systems = [read_system(path, choice or Choice()) for path in paths]
    wanted = _common(systems, names, tasks)
    warnings = [*dict.fromkeys(note for system in systems for note in system.notes)]
    found: list[tuple[str, str, Difference]] = []
    for name, system in zip(names[1:], systems[1:], strict=True):
        shared: list[tuple[Answer, Answer]] = []
        for task in wanted:
            pairs = _pairs(systems[0].tasks[task], system.tasks[task], task, any_prompt, warnings)
            found.append((name, task, _difference(pairs)))
            shared += pairs
        if len(wanted) > 1:
            found.append((name, ALL, _difference(shared)))
    return Comparison(names[0], _adjusted(found), (*warnings, *_cautions(found)))


def read_system(path: Path, choice: Choice) -> System:
    """The answers that a path holds, whichever of the known forms it has.

    Raises:
        InputError: it holds none of them.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; name a run or the logs of an evaluation")
    if files := find_samples(path):
        return read_samples(files, choice)
    if path.is_dir() and (own := find_predictions(path)):
        return read_predictions(own, choice)
    if logs := find_logs(path):
        return read_logs(logs, choice)
    raise InputError(
        f"{path} holds no predictions of ours, no samples_*.jsonl of lm-evaluation-harness "
        f"(--log_samples) and no .eval or .json log of inspect"
    )


def _common(systems: Sequence[System], names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    common = [task for task in systems[0].tasks if all(task in each.tasks for each in systems)]
    if missing := [task for task in wanted if task not in common]:
        raise ConfigurationError(
            f"task {missing[0]!r} is not in every evaluation; in common are: "
            f"{', '.join(common) or 'none'}"
        )
    if not common:
        have = "; ".join(
            f"{name}: {', '.join(list(system.tasks)[:_SHOWN]) or 'none'}"
            for name, system in zip(names, systems, strict=True)
        )
        raise ConfigurationError(
            f"the evaluations have no task in common ({have}); a task is called as its set is "
            f"in the recipe, and evaluation.sets.0.name=NAME names the set of a model without a run"
        )
    return list(wanted) or common


def _pairs(
    first: Sequence[Answer], second: Sequence[Answer], task: str, any_prompt: bool,
    warnings: list[str],
) -> list[tuple[Answer, Answer]]:  # fmt: skip
    """Both systems' answers to the same questions; refuses what only looks the same."""
    others = {(answer.question, answer.sample): answer for answer in second}
    pairs = [
        (answer, others[answer.question, answer.sample])
        for answer in first
        if (answer.question, answer.sample) in others
    ]
    if not pairs:
        raise ConfigurationError(f"{task}: no question was answered by both")
    apart = [one.question for one, other in pairs if one.document != other.document]
    if apart:
        raise InputError(
            f"{task}: {len(apart)} of {len(pairs)} questions differ under the same name (the first "
            f"is {apart[0]}); these are evaluations of different data"
        )
    reworded = [one.question for one, other in pairs if one.prompt != other.prompt]
    if reworded and not any_prompt:
        raise ConfigurationError(
            f"{task}: the prompts of {len(reworded)} of {len(pairs)} questions differ (the first "
            f"is {reworded[0]}); --any-prompt compares models that were asked in other words, or "
            f"with other arguments of their template"
        )
    left = len(first) + len(second) - 2 * len(pairs)
    if left:
        answers = f"{left} answer{'s' if left > 1 else ''}"
        warnings.append(f"{task}: left out: {answers} to questions that only one was asked")
    return pairs


def _difference(pairs: Sequence[tuple[Answer, Answer]]) -> Difference:
    numbers: dict[str, int] = {}
    clusters = [numbers.setdefault(one.cluster, len(numbers)) for one, _ in pairs]
    return difference(
        np.array([one.score for one, _ in pairs]),
        np.array([other.score for _, other in pairs]),
        np.array(clusters, np.int64),
    )


def _adjusted(found: Sequence[tuple[str, str, Difference]]) -> tuple[Compared, ...]:
    """Holm's correction over the single tasks; the line over all tasks is one test a system."""
    adjusted: dict[tuple[str, str], float] = {}
    for pooled in (False, True):
        group = [(name, task, each) for name, task, each in found if (task == ALL) == pooled]
        corrected = holm([each.p_value for _, _, each in group])
        adjusted |= {(name, task): p for (name, task, _), p in zip(group, corrected, strict=True)}
    return tuple(Compared(name, task, each, adjusted[name, task]) for name, task, each in found)


def _cautions(found: Sequence[tuple[str, str, Difference]]) -> list[str]:
    few = {task: each.clusters for _, task, each in found if each.clusters < _FEW}
    if not few:
        return []
    least, names = min(few.values()), ", ".join(few)
    clusters = f"{least} cluster{'s' if least > 1 else ''}"
    return [f"{names}: {clusters} are too few for the interval and p to be relied on"]


def table(comparison: Comparison) -> str:
    """The comparison for people, a line a system and task."""
    width = max(len(each.task) for each in comparison.compared)
    lines = []
    for name in dict.fromkeys(each.system for each in comparison.compared):
        lines.append(f"{name} less {comparison.first}")
        lines.append(
            f"  {'task':{width}} {'answers':>7} {'first':>7} {'this':>7} "
            f"{'difference [95 %]':>22} {'p (Holm)':>9} {'unpaired p':>10} {'to separate':>11}"
        )
        lines += [_line(each, width) for each in comparison.compared if each.system == name]
    return "\n".join(lines)


def _line(each: Compared, width: int) -> str:
    found = each.difference
    low, high = found.interval
    scale = 100 if max(found.first, found.second, 1) == 1 else 1
    apart = f"{scale * found.difference:+.1f} [{scale * low:+.1f}, {scale * high:+.1f}]"
    needed = "-" if found.needed is None else f"{found.needed:,}"
    return (
        f"  {each.task:{width}} {found.answers:>7,} {scale * found.first:>7.1f} "
        f"{scale * found.second:>7.1f} {apart:>22} {each.p_adjusted:>9.3f} "
        f"{found.p_unpaired:>10.3f} {needed:>11}"
    )
