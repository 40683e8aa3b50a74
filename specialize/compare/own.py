"""Our own predictions: a run's selected checkpoint, or any one folder of a run's predictions.

RUN                            the checkpoint of selection.json, else the only one there is
RUN/predictions/step-000400    this one
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.artifacts.predictions import (
    Prediction,
    PredictionFile,
    Settings,
    prediction_files,
    read_questions,
)
from specialize.artifacts.selection import read_selection
from specialize.compare.answers import Answer, Choice, System, checked, cluster_of, digest
from specialize.errors import ConfigurationError
from specialize.records import Example


def find_predictions(path: Path) -> list[PredictionFile]:
    """The files of one model's predictions in a run or in one folder of its predictions.

    Raises:
        ConfigurationError: a run with several models and no selection.
    """
    if path.parent.name == "predictions":
        return [file for file in prediction_files(path.parent.parent) if file.path.parent == path]
    files = prediction_files(path)
    models = sorted({file.path.parent.name for file in files})
    if len(models) < 2:
        return files
    selection = read_selection(path)
    if selection is None or selection.checkpoint not in models:
        raise ConfigurationError(
            f"{path} has predictions of {', '.join(models)} and no selection; name one of them, "
            f"such as {path / 'predictions' / models[-1]}"
        )
    return [file for file in files if file.path.parent.name == selection.checkpoint]


def read_predictions(files: Sequence[PredictionFile], choice: Choice) -> System:
    """The answers of one model; a set that was asked in several formats is a task a format.

    Of a set with both splits the test split counts, as in a report.
    """
    settings = [(file, each) for file in files if (each := file.settings()) is not None]
    tested = {each.set for _, each in settings if each.split == "test"}
    kept = [(file, each) for file, each in settings
            if each.split == "test" or each.set not in tested]  # fmt: skip
    asked = Counter(each.set for _, each in kept)
    tasks: dict[str, tuple[Answer, ...]] = {}
    for file, each in kept:
        name = f"{each.set} ({each.format})" if asked[each.set] > 1 else each.set
        tasks[name] = _answers(file, each, name, choice)
    return System(tasks)


def _answers(
    file: PredictionFile, settings: Settings, task: str, choice: Choice
) -> tuple[Answer, ...]:
    questions = read_questions(file.path.parent.parent.parent, settings.set, settings.split)
    answers = tuple(_answer(each, questions, task, choice) for each in file.read())
    return checked(answers, str(file.path))


def _answer(
    prediction: Prediction, questions: Mapping[str, Example], task: str, choice: Choice
) -> Answer:
    asked = questions.get(prediction.id)
    fields = {"task": prediction.task} if prediction.task else {}
    return Answer(
        question=prediction.id,
        sample=1,
        score=float(prediction.correct),
        document=digest([asked.question if asked else "", prediction.gold]),
        prompt=prediction.prompt,
        cluster=cluster_of(fields, choice, task, prediction.id),
    )
