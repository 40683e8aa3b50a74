"""Selection by results of lm-evaluation-harness in place of our own evaluation.

    select_from_harness(recipe, Path("runs/gsm8k"), HarnessLogs(Path("logs")))

Tasks have roles as the recipe's sets do. A score is a share from 0 to 1 of which more is better.
Where samples were logged and every score is 0 or 1, checkpoints are compared question by question
as by our own evaluation; else the highest value is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from specialize.artifacts.predictions import Grade
from specialize.artifacts.selection import Candidate, Selection
from specialize.choosing.harness import Harness, HarnessLogs, read_harness
from specialize.compare.answers import Answer, Choice
from specialize.compare.lm_eval import read_samples
from specialize.compare.lm_eval_results import Key, TaskResult
from specialize.config.recipe import Recipe, Role
from specialize.errors import ConfigurationError, InputError
from specialize.selection.paired_tests import Paired, pair
from specialize.selection.stage import Compare, choose_among, fitting_rule
from specialize.students import checkpoints

_ALIKE = 1e-6  # by which the mean of samples may differ from the score that was made of them


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """A task with its role, and the metric and filter that count."""

    label: str
    role: Role
    key: Key


def select_from_harness(
    recipe: Recipe,
    run: Path,
    logs: HarnessLogs,
    rule: str | None = None,
    *,
    smooth: int | None = None,
) -> Selection:
    """Choose the run's checkpoint by results of another harness; writes ``selection.json``.

    Args:
        recipe: of the run; its rule, smoothing and roles count where none are given.
        run: the run's directory, with the checkpoints.
        logs: where the results are, and what of them counts.
        rule: the name of a rule; None: the recipe's.
        smooth: neighbouring checkpoints whose scores are averaged, odd; None: the recipe's.

    Returns:
        The selected step; ``source`` says what it was chosen by.

    Raises:
        ConfigurationError: no such task, metric or rule, or a checkpoint without results.
        InputError: results that are damaged, of another model, or of other questions.
        NothingPassedError: the rule refuses all.
    """
    harness = read_harness(logs, run)
    notes: list[str] = []
    tasks = _tasks(harness, logs, recipe, notes)
    candidates = [_candidate(step, its, tasks) for step, its in harness.by_step.items()]
    compare, why_not = _comparison(harness, tasks, candidates)
    used, replaced = fitting_rule(tasks, rule or recipe.selection)
    made = choose_among(
        candidates, tasks, used, format_=recipe.evaluation.formats[0], compare=compare,
        smooth=smooth or recipe.smooth,
    )  # fmt: skip
    warnings = (*replaced, *notes, *why_not, *_doubts(harness, tasks), *made.warnings)
    selection = replace(made, warnings=warnings, source=_source(harness, logs, tasks))
    selection.write(run)
    return selection


def _tasks(
    harness: Harness, logs: HarnessLogs, recipe: Recipe, notes: list[str]
) -> list[ScoredTask]:
    """The tasks that count, checked to have been asked alike of every checkpoint."""
    step, first = next(iter(harness.by_step.items()))
    roles: Mapping[str, Role] = logs.roles or {s.label: s.role for s in recipe.evaluation.sets}
    there = [name for name, task in first.items() if task.scores]
    if missing := [name for name in roles if name not in there]:
        whose = "--in-distribution, --out-of-distribution and --general name them"
        raise ConfigurationError(
            f"no results of {missing[0]!r} for {checkpoints.name_of(step)} in {logs.folder}; tasks "
            f"there: {', '.join(there) or 'none'}"
            f"{'' if logs.roles else f' (the roles are those of the recipe; {whose})'}"
        )
    if not roles:
        raise ConfigurationError(
            f"no task has a role; give --in-distribution TASK, --out-of-distribution TASK or "
            f"--general TASK (tasks: {', '.join(there)})"
        )
    parts = {part for name in roles for part in _leaves(first, name)}
    if others := [name for name in there if name not in roles and name not in parts]:
        notes.append(f"tasks without a role, which do not count: {', '.join(others)}")
    tasks = []
    for role in get_args(Role):
        for name in (name for name, its in roles.items() if its == role):
            key = _key(name, first[name], logs, notes)
            for other_step, results in harness.by_step.items():
                _check_alike(name, key, (step, first), (other_step, results), logs)
            tasks.append(ScoredTask(name, role, key))
    return tasks


def _leaves(results: Mapping[str, TaskResult], name: str) -> list[str]:
    """The tasks that a group consists of, at any depth; of a task itself."""
    parts = results[name].subtasks if name in results else ()
    return [leaf for part in parts for leaf in _leaves(results, part)] if parts else [name]


def _key(name: str, task: TaskResult, logs: HarnessLogs, notes: list[str]) -> Key:
    """The metric and filter of a task: the first that was asked for, or the first there is."""
    keys = list(task.scores)
    for at, wanted, what in ((0, logs.metrics, "metric"), (1, logs.filters, "filter")):
        known = list(dict.fromkeys(key[at] for key in keys))
        kept = next((one for one in wanted if one in known), None if wanted else known[0])
        if kept is None:
            raise ConfigurationError(
                f"{task.path}: {name} has no {what} {' or '.join(map(repr, wanted))}; there is "
                f"{', '.join(known)}"
            )
        if len(known) > 1 and not wanted:
            notes.append(f"{name}: {what} {kept} counts (--{what}: {', '.join(known[1:])})")
        keys = [key for key in keys if key[at] == kept]
    if keys[0][0] in task.lower_is_better or not 0 <= task.scores[keys[0]] <= 1:
        raise ConfigurationError(
            f"{task.path}: {keys[0][0]} of {name} is no share from 0 to 1 of which more is better "
            f"({task.scores[keys[0]]:g}); name another --metric"
        )
    return keys[0]


def _check_alike(
    name: str, key: Key, first: tuple[int, Mapping[str, TaskResult]],
    other: tuple[int, Mapping[str, TaskResult]], logs: HarnessLogs,
) -> None:  # fmt: skip
    """Refuse a task that one checkpoint was not asked, or was asked in another way."""
    called = [checkpoints.name_of(step) for step, _ in (first, other)]
    for part in dict.fromkeys([name, *_leaves(first[1], name)]):
        if part not in other[1] or (part == name and key not in other[1][name].scores):
            raise ConfigurationError(
                f"no {','.join(key)} of {part} for {called[1]} in {logs.folder}, but for "
                f"{called[0]}; evaluate it too, or name the checkpoints to choose from with --step"
            )
        one, its = first[1][part], other[1][part]
        for what in (what for what in one.conditions if what in its.conditions):
            if one.conditions[what] != its.conditions[what]:
                raise InputError(
                    f"{part} was not asked alike: {what} {one.conditions[what]:.16} for "
                    f"{called[0]}, {its.conditions[what]:.16} for {called[1]} ({its.path}); such "
                    f"scores cannot be compared"
                )


def _candidate(
    step: int, results: Mapping[str, TaskResult], tasks: Sequence[ScoredTask]
) -> Candidate:
    scores = [
        {task.label: results[task.label].scores[task.key] for task in tasks if task.role == role}
        for role in get_args(Role)
    ]
    return Candidate(checkpoints.name_of(step), step, *scores)


def _comparison(
    harness: Harness, tasks: Sequence[ScoredTask], candidates: Sequence[Candidate]
) -> tuple[Compare | None, list[str]]:
    """How two checkpoints are compared question by question; None with the reason why not."""
    grades: dict[tuple[str, str], list[Grade]] = {}
    documents: dict[str, dict[str, tuple[str, str]]] = {}
    for candidate in candidates:
        for task in tasks:
            found, reason = _answers(harness.by_step[candidate.step], task)
            if found is None:
                return None, [
                    f"not compared question by question, so that the highest value is chosen: "
                    f"{reason} ({candidate.checkpoint})"
                ]
            asked = {answer.question: (answer.document, answer.prompt) for answer in found}
            if documents.setdefault(task.label, asked) != asked:
                raise InputError(
                    f"{task.label}: the samples of {candidate.checkpoint} are of other questions "
                    f"or prompts than those of {candidates[0].checkpoint}; such scores cannot be "
                    f"compared"
                )
            grades[candidate.checkpoint, task.label] = [
                Grade(answer.question, answer.score == 1) for answer in found
            ]

    def compare(first: str, second: str, set_: str) -> Paired:
        return pair(grades[first, set_], grades[second, set_])

    return compare, []


def _answers(
    results: Mapping[str, TaskResult], task: ScoredTask
) -> tuple[list[Answer] | None, str]:
    """Every answer to a task's or group's questions; None with the reason."""
    found: list[Answer] = []
    leaves = _leaves(results, task.label)
    for name in leaves:
        path = results[name].samples
        if path is None:
            return None, f"there are no samples of {name} (--log_samples)"
        read = read_samples([path], Choice(*task.key))
        answers = [each for some in read.tasks.values() for each in some]
        expected = results[name].conditions.get("number of documents", str(len(answers)))
        if str(len(answers)) != expected:
            raise InputError(
                f"{path} holds {len(answers)} samples, but {expected} documents were scored; it is "
                f"cut off or belongs to another evaluation"
            )
        found += [replace(answer, question=f"{name}/{answer.question}") for answer in answers]
    if any(answer.score not in (0, 1) for answer in found):
        return None, f"{task.key[0]} of {task.label} is not 0 or 1 for every question"
    mean = sum(answer.score for answer in found) / len(found)
    if leaves == [task.label] and abs(mean - results[task.label].scores[task.key]) > _ALIKE:
        return None, f"{','.join(task.key)} of {task.label} is not the mean of its samples"
    return found, ""


def _doubts(harness: Harness, tasks: Sequence[ScoredTask]) -> list[str]:
    """What makes these scores less than a validation that was held out."""
    first = next(iter(harness.by_step.values()))
    on_test = [t.label for t in tasks if any(first[n].on_test for n in _leaves(first, t.label))]
    doubts = []
    if on_test:
        doubts.append(
            f"scored on the test split of {', '.join(on_test)}: what the chosen checkpoint scores "
            f"there is too high to be reported"
        )
    if harness.limited:
        doubts.append("lm-eval was given a --limit, so that only part of the questions was asked")
    if harness.left_out:
        doubts.append(f"results of other models, left out: {', '.join(harness.left_out)}")
    return doubts


def _source(harness: Harness, logs: HarnessLogs, tasks: Sequence[ScoredTask]) -> str:
    named = "; ".join(f"{task.label} ({', '.join(task.key)})" for task in tasks)
    version = f" {harness.version}" if harness.version else ""
    return f"by the results of lm-evaluation-harness{version} in {logs.folder}: {named}"
