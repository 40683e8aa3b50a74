"""What an experiment costs, before anything starts: cells, tokens, disk, hours; no network.

    plan(cells, Scale())                                    on the bundled world
    plan(cells, scale_of("google/flan-t5-base", "gsm8k"))   the same grid for a real student

Counts come from the recipes, and differ from those of ``specialize plan``: cells share responses,
every checkpoint is scored on every split, and nothing has to be there yet. Tokens a question,
parameters and speed are assumed as in ``planning.assumed``, and printed with what follows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from specialize.errors import ConfigurationError
from specialize.experiments.cells import Cell, groups
from specialize.experiments.design import Scale
from specialize.planning.assumed import ACCELERATOR, MODELS, parameters_of
from specialize.planning.texts import BYTES_PER_TOKEN, PUBLISHED
from specialize.planning.work import PARAMETER_BYTES

_BYTES_ROW = 26 + 30  # of responses and targets together, k = 5 (docs/store.md, docs/alignment.md)


def scale_of(student: str, data: str) -> Scale:
    """The scale of a real student and set; its teacher is taken to be ten times as large.

    Raises:
        ConfigurationError: nothing is known of the student's size, or of the set.
    """
    parameters = parameters_of(student)
    if parameters is None:
        raise ConfigurationError(
            f"the size of {student!r} is not known without asking the network; known are "
            f"{', '.join(MODELS)} and names that tell it, such as SmolLM2-360M"
        )
    sizes = {name: size for name, size in PUBLISHED.items() if size.train}
    if data not in sizes:
        raise ConfigurationError(f"the size of {data!r} is not known; known: {', '.join(sizes)}")
    size = sizes[data]
    question, solution = (round(n / BYTES_PER_TOKEN) for n in (size.question, size.solution))
    return Scale(
        student, data, size.train, question, solution, parameters, 10 * parameters, ACCELERATOR
    )


def plan(cells: Sequence[Cell], scale: Scale) -> dict[str, object]:
    """Cells and what they cost, as the command prints it."""
    grouped = groups(cells)
    written = sum(_written(each[0], scale) for each in grouped)
    trained = [_trained(cell, scale) for cell in cells]
    answered = [_answered(cell, scale) for cell in cells]
    students = [scale.parameters * cell.arm.size for cell in cells]
    kept = max(size * _checkpoints(cell) for size, cell in zip(students, cells, strict=True))
    rows = written * max(1, len(cells) / len(grouped) / 2)  # half of a group aligns anew, at most
    operations = 2 * scale.teacher_parameters * written + sum(
        size * (6 * steps + 2 * answers)
        for size, steps, answers in zip(students, trained, answered, strict=True)
    )
    return {
        "cells": len(cells),
        "finished": sum(cell.finished for cell in cells),
        "dumps": len(grouped),
        "teacher_tokens": round(written),
        "training_tokens": round(sum(trained)),
        "answer_tokens": round(sum(answered)),
        "disk_bytes_at_most": round(rows * _BYTES_ROW + kept * PARAMETER_BYTES),
        "device_hours": operations / (scale.teraflops * 1e12 * 3600),
        "assumed": asdict(scale),
    }


def _questions(cell: Cell, scale: Scale) -> float:
    train_on = cell.recipe.train_on
    count = scale.questions or cell.experiment.questions
    return min(count, train_on.limit or count) * train_on.fraction


def _own_texts(cell: Cell, scale: Scale) -> float:
    """Texts that the student writes in its rounds."""
    rounds = cell.recipe.rounds
    return _questions(cell, scale) * rounds.count * rounds.samples if rounds is not None else 0


def _written(cell: Cell, scale: Scale) -> float:
    """Tokens that the cell's teachers write, or score in its rounds."""
    samples = sum(teacher.samples for teacher in cell.recipe.teachers.values())
    texts = _questions(cell, scale) * samples + _own_texts(cell, scale)
    return texts * scale.solution_tokens


def _trained(cell: Cell, scale: Scale) -> float:
    """Tokens of prompts and targets in all steps, those of rounds too."""
    schedule, rounds = cell.recipe.optimization, cell.recipe.rounds
    steps = schedule.steps + (rounds.count * rounds.steps if rounds is not None else 0)
    rows = steps * schedule.batch_rows * schedule.accumulation
    return rows * (scale.question_tokens + scale.solution_tokens)


def _answered(cell: Cell, scale: Scale) -> float:
    """Tokens read and written by every checkpoint on every set, in every format, and in rounds."""
    evaluation = cell.recipe.evaluation
    asked = len(evaluation.sets) * len(evaluation.formats) * cell.experiment.examples
    answers = asked * len(cell.experiment.splits) * _checkpoints(cell) + _own_texts(cell, scale)
    return answers * (scale.question_tokens + scale.solution_tokens)


def _checkpoints(cell: Cell) -> int:
    """The trained ones, of the last round alone, and the untrained student if it is scored."""
    recipe = cell.recipe
    last = recipe.optimization if recipe.rounds is None else recipe.rounds
    return recipe.training.saves(last.steps) - 1 + cell.experiment.before
