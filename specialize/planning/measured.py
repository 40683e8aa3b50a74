"""A finished run in numbers: units and seconds of each stage, and how long texts came out.

measure(recipe, run) -> Measured(times={"dump tiny": Took(2.1, 3.0)}, units={"dump tiny": 9800})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.artifacts.predictions import PredictionFile
from specialize.config.recipe import Recipe
from specialize.datasets.recipe_sets import TrainingSet, training_examples
from specialize.evaluate.planning import TEACHER
from specialize.evaluate.subjects import teacher_models
from specialize.io.times import Took, read_times
from specialize.planning.figures import Answered, TeacherFigures
from specialize.store import Store
from specialize.students import checkpoints
from specialize.train.metrics import FILE as METRICS
from specialize.train.session import prepare_rows


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run did and what that took.

    Attributes:
        times: by stage; ``train`` without building rows and saving checkpoints.
        units: by stage, those that its rate is of. loads: models loaded or saved.
        teachers: lengths of responses and targets.
        rows: by objective, of each question, or response of its teacher. row_tokens: mean.
        questions: that teachers were asked.
        checkpoint_bytes: of the last.
        answers: mean tokens by SET/FORMAT.
        processes: that the run's stages were divided among.
    """

    times: Mapping[str, Took]
    units: Mapping[str, float]
    loads: Mapping[str, int]
    teachers: Mapping[str, TeacherFigures]
    rows: Mapping[str, float]
    row_tokens: float
    questions: int
    checkpoint_bytes: float
    answers: Mapping[str, Answered]
    processes: int = 1


def measure(recipe: Recipe, run: Path, *, processes: int = 1) -> Measured:
    """Read what a finished run of ``recipe`` left in ``run``.

    Raises:
        StoreError: a store is damaged or missing.
    """
    times = read_times(run)
    times["train"] = (times["train"] - times.get("rows", Took()) - times["save"]).at_least(0.0)
    training = training_examples(recipe)
    units: dict[str, float] = {}
    teachers = {}
    for name in recipe.teachers:
        figures, positions = _teacher(run, name)
        teachers[name] = figures
        units |= {f"dump {name}": positions, f"align {name}": positions}
    counts = prepare_rows(recipe, run).counts()
    steps = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    saved = checkpoints.complete(run)
    answers, tokens, count = _answers(recipe, run)
    rows = {name: float(each["rows"]) for name, each in counts.items()}
    units |= {"rows": sum(rows.values()), "train": len(steps), "report": count} | tokens
    students = len(checkpoints.candidates(run))
    return Measured(
        times=times,
        units=units,
        loads={
            "save": len(saved),
            "evaluate": students,
            "test": min(students, 2) + len(teacher_models(recipe)),
        },
        teachers=teachers,
        rows=_rows_each(recipe, run, rows, training),
        row_tokens=_row_tokens(counts),
        questions=len(training.questions),
        checkpoint_bytes=sum(p.stat().st_size for p in saved[-1].path.iterdir()),
        answers=answers,
        processes=processes,
    )


def _teacher(run: Path, name: str) -> tuple[TeacherFigures, int]:
    """Lengths of what one teacher wrote, and of its targets, where these were made."""
    store = Store.open(run / "responses" / name)
    positions = max(1, store.positions)
    values: dict[str, float] = {
        "response_tokens": positions / max(1, len(store)),
        "bytes_per_token": _bytes(store.path) / positions,
    }
    if (run / "targets" / name).is_dir():
        targets = Store.open(run / "targets" / name)
        values["target_tokens"] = max(1, targets.positions) / positions
        values["target_bytes_per_token"] = _bytes(targets.path) / max(1, targets.positions)
    return TeacherFigures.model_validate(values), positions


def _bytes(folder: Path) -> int:
    """Of shards alone: vocabulary and description are there once."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name[0].isdigit())


def _rows_each(
    recipe: Recipe, run: Path, rows: Mapping[str, float], training: TrainingSet
) -> dict[str, float]:
    """Of each response where a teacher is learned from, else of each question."""
    found = {}
    for objective in recipe.objectives:
        among = len(training.examples)
        if objective.teachers:
            among = len(Store.open(run / "responses" / objective.teachers[0]))
        found[objective.name] = rows[objective.name] / max(1, among)
    return found


def _row_tokens(counts: Mapping[str, Mapping[str, int]]) -> float:
    """Of prompt and target, mean over all rows."""
    tokens = sum(each["prompt_tokens"] + each["target_tokens"] for each in counts.values())
    return tokens / max(1, sum(each["rows"] for each in counts.values()))


def _answers(recipe: Recipe, run: Path) -> tuple[dict[str, Answered], dict[str, float], int]:
    """Mean lengths by set and format, tokens by stage, and the count of all answers."""
    lengths: dict[str, Answered] = {}
    tokens = {"evaluate": 0.0, "test": 0.0}
    count = 0
    first, last = (checkpoints.candidates(run)[i].name for i in (0, -1))
    for spec in recipe.evaluation.sets:
        for form in recipe.evaluation.formats:
            means: dict[str, float] = {}
            for folder in sorted((run / "predictions").iterdir()):
                for split, stage in (("validation", "evaluate"), ("test", "test")):
                    file = PredictionFile.of(run, folder.name, spec.label, split, form)
                    found = [each.tokens for each in file.read()] if file.path.exists() else []
                    tokens[stage] += sum(found)
                    count += len(found)
                    if found and (split == "validation" or folder.name.startswith(TEACHER)):
                        means[folder.name] = sum(found) / len(found) / recipe.evaluation.samples
            of_teachers = [means[name] for name in means if name.startswith(TEACHER)]
            lengths[f"{spec.label}/{form}"] = Answered(
                before=means.get(first, 0.0),
                after=means.get(last, 0.0),
                teacher=sum(of_teachers) / len(of_teachers) if of_teachers else None,
            )
    return lengths, tokens, count
