"""What an experiment costs, before anything starts: cells, tokens, disk, hours; no network.

    plan(cells, Scale())                                    on the bundled world
    plan(cells, scale_of("google/flan-t5-base", "gsm8k"))   the same grid for a real student

Counts come from the recipes. Tokens a question, parameters and speed are assumptions, and are
printed with what follows from them: a step costs 6 floating-point operations a parameter and token,
an answer 2 (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from specialize.errors import ConfigurationError
from specialize.experiments.cells import Cell, groups

_BYTES_ROW = 26 + 30  # of responses and targets together, k = 5 (docs/store.md, docs/alignment.md)
_BYTES_WEIGHT = 12  # weights and both moments of AdamW, in single precision
# parameters of models whose names do not tell, from their cards
_MODELS = {
    "google/flan-t5-small": 77e6,
    "google/flan-t5-base": 248e6,
    "google/flan-t5-large": 783e6,
    "google/t5-v1_1-base": 248e6,
    "openai-community/gpt2": 124e6,
}
_SETS = {  # questions of train, then tokens of a question and of a solution, about
    "gsm8k": (7473, 60, 130),
    "svamp": (700, 45, 60),
    "asdiv": (2305, 40, 60),
    "cqa": (9741, 40, 60),
    "obqa": (4957, 40, 60),
    "arc": (1119, 45, 60),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """What the counts are multiplied with.

    Attributes:
        questions: of the training set; None: as many as the experiment prepares.
        teraflops: sustained, in 1e12 operations a second.
    """

    student: str = "bundled"
    data: str = "bundled world"
    questions: int | None = None
    question_tokens: int = 60
    solution_tokens: int = 35
    parameters: float = 1.0e6
    teacher_parameters: float = 0.9e6
    teraflops: float = 0.05


def scale_of(student: str, data: str, *, teraflops: float = 100.0) -> Scale:
    """The scale of a real student and set; its teacher is taken to be ten times as large.

    Raises:
        ConfigurationError: nothing is known of the student's size, or of the set.
    """
    written = re.search(r"(\d+(?:\.\d+)?)([MB])\b", student)
    if student in _MODELS:
        parameters = _MODELS[student]
    elif written:
        parameters = float(written[1]) * {"M": 1e6, "B": 1e9}[written[2]]
    else:
        raise ConfigurationError(
            f"the size of {student!r} is not known without asking the network; known are "
            f"{', '.join(_MODELS)} and names that tell it, such as SmolLM2-360M"
        )
    if data not in _SETS:
        raise ConfigurationError(f"the size of {data!r} is not known; known: {', '.join(_SETS)}")
    questions, question, solution = _SETS[data]
    return Scale(
        student, data, questions, question, solution, parameters, 10 * parameters, teraflops
    )


def plan(cells: Sequence[Cell], scale: Scale) -> dict[str, object]:
    """Cells and what they cost, as the command prints it."""
    grouped = groups(cells)
    written = sum(_written(each[0], scale) for each in grouped)
    trained = sum(_trained(cell, scale) for cell in cells)
    answered = sum(_answered(cell, scale) for cell in cells)
    kept = max(_checkpoints(cell) for cell in cells)
    rows = written * max(1, len(cells) / len(grouped) / 2)  # half of a group aligns anew, at most
    operations = (
        2 * scale.teacher_parameters * written
        + 6 * scale.parameters * trained
        + 2 * scale.parameters * answered
    )
    return {
        "cells": len(cells),
        "finished": sum(cell.finished for cell in cells),
        "dumps": len(grouped),
        "teacher_tokens": round(written),
        "training_tokens": round(trained),
        "answer_tokens": round(answered),
        "disk_bytes_at_most": round(rows * _BYTES_ROW + kept * _BYTES_WEIGHT * scale.parameters),
        "device_hours": operations / (scale.teraflops * 1e12 * 3600),
        "assumed": asdict(scale),
    }


def _questions(cell: Cell, scale: Scale) -> float:
    train_on = cell.recipe.train_on
    count = scale.questions or cell.experiment.questions
    return min(count, train_on.limit or count) * train_on.fraction


def _written(cell: Cell, scale: Scale) -> float:
    """Tokens that the cell's teachers write."""
    samples = sum(teacher.samples for teacher in cell.recipe.teachers.values())
    return _questions(cell, scale) * samples * scale.solution_tokens


def _trained(cell: Cell, scale: Scale) -> float:
    """Tokens of prompts and targets in all steps."""
    schedule = cell.recipe.optimization
    rows = schedule.steps * schedule.batch_rows * schedule.accumulation
    return rows * (scale.question_tokens + scale.solution_tokens)


def _answered(cell: Cell, scale: Scale) -> float:
    """Tokens read and written by every checkpoint on every set, in every format."""
    evaluation = cell.recipe.evaluation
    asked = len(evaluation.sets) * len(evaluation.formats) * cell.experiment.examples
    each = asked * len(cell.experiment.splits) * (scale.question_tokens + scale.solution_tokens)
    return each * _checkpoints(cell)


def _checkpoints(cell: Cell) -> int:
    recipe = cell.recipe
    return -(-recipe.optimization.steps // recipe.training.checkpoint_every)
