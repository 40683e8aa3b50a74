"""A run's evaluation in the schema of Every Eval Ever: a JSON file a model, its answers beside it.

    data/COLLECTION/DEVELOPER/MODEL/UUID.json            scores by set: eval.schema.json
    data/COLLECTION/DEVELOPER/MODEL/UUID_samples.jsonl   answers: instance_level_eval.schema.json

Version 0.3.0 of both (every_eval_ever/schemas in evaleval/every_eval_ever; arXiv:2606.14516). The
UUID follows from what was evaluated, so that the same evaluation comes out under the same name;
an answer's row names its result, the one of its task where a set has tasks.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize import __version__
from specialize.artifacts.predictions import Prediction, PredictionFile, Settings
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import Accuracy, CheckpointScore
from specialize.artifacts.selection import read_selection
from specialize.config.recipe import Recipe
from specialize.errors import ConfigurationError, InputError
from specialize.io.files import write_atomically
from specialize.records import Example

VERSION = "0.3.0"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_UNPORTABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_TEACHER = "teacher-"

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who evaluated, and under which name.

    Attributes:
        organization: that made the evaluation.
        model: DEVELOPER/NAME of the selected checkpoint; None: local/ and the run's name.
        collection: the directory of all files; None: the recipe's name.
    """

    organization: str = "unknown"
    model: str | None = None
    collection: str | None = None

    def __post_init__(self) -> None:
        if self.model is not None and not _HUB_ID.fullmatch(self.model):
            raise ConfigurationError(f"a model is named DEVELOPER/NAME, got {self.model!r}")


@dataclass(frozen=True, slots=True)
class _Subject:
    """One evaluated model and what it scored."""

    label: str
    model: str  # its id, DEVELOPER/NAME
    evaluation: str  # id
    scores: tuple[CheckpointScore, ...]


def export_evaluation(
    recipe: Recipe, run: Path, out: Path, publisher: Publisher, *, split: str | None = None
) -> dict[str, object]:
    """Write every model that was scored on ``split`` into the directory ``out``.

    Args:
        recipe: of the run.
        run: its directory, with scores and predictions.
        out: receives ``data/``; a file of the same evaluation is replaced.
        publisher: who evaluated.
        split: None: test if anything was scored on it, as in a report; else validation.

    Returns:
        The models' ids, and how many files, results and answers were written.

    Raises:
        InputError: nothing was scored on the split, or predictions are missing.
    """
    results = RunResults(run)
    splits = {score.split for score in results.scores}
    wanted = split or ("test" if "test" in splits else "validation")
    known = [score for score in results.scores if score.split == wanted]
    if not known:
        raise InputError(f"{run} has no scores of the {wanted} split; evaluate first")
    written = [0, 0]
    subjects = _subjects(recipe, results, known, publisher, wanted)
    for subject in subjects:
        of_one = _write(subject, recipe, results, out, publisher)
        written = [before + more for before, more in zip(written, of_one, strict=True)]
    return {
        "models": [subject.model for subject in subjects],
        "split": wanted,
        "results": written[0],
        "answers": written[1],
        "out": str(out),
    }


def _subjects(
    recipe: Recipe, results: RunResults, scores: Sequence[CheckpointScore], publisher: Publisher,
    split: str,
) -> list[_Subject]:  # fmt: skip
    selection = read_selection(results.run)
    chosen = selection.checkpoint if selection else ""
    found = []
    for label in dict.fromkeys(score.checkpoint for score in scores):
        own = tuple(score for score in scores if score.checkpoint == label)
        model = _model_id(label, own[0].step, recipe, results.run, publisher, label == chosen)
        weights = {s.model for one in own if (s := _settings(results, one)) is not None}
        digest = hashlib.sha256(" ".join(sorted(weights)).encode()).hexdigest()[:16]
        found.append(_Subject(label, model, f"{recipe.name}/{model}/{split}-{digest}", own))
    return found


def _model_id(
    label: str, step: int, recipe: Recipe, run: Path, publisher: Publisher, chosen: bool
) -> str:
    """DEVELOPER/NAME: of the hub where it is from there, else local/ and a name."""
    if step > 0:
        given = publisher.model or f"local/{run.resolve().name}"
        return given if chosen and publisher.model else f"{given}-{label}"
    teacher = recipe.teachers.get(label.removeprefix(_TEACHER))
    asked = step == 0 or label == Path(recipe.student).name  # the latter: a model without a run
    source = recipe.student if asked else (teacher.model if teacher else None) or label
    from_hub = _HUB_ID.fullmatch(source) and not Path(source).exists()
    return source if from_hub else f"local/{Path(source).name}"


def _settings(results: RunResults, score: CheckpointScore) -> Settings | None:
    return results.settings(score.checkpoint, score.set, score.split, score.format)


def _write(
    subject: _Subject, recipe: Recipe, results: RunResults, out: Path, publisher: Publisher
) -> tuple[int, int]:
    """Both files of one model; returns the numbers of results and answers."""
    rows = [row for score in subject.scores for row in _rows(subject, score, results)]
    content = b"".join(rows)
    name = uuid.UUID(bytes=hashlib.sha256(subject.evaluation.encode()).digest()[:16], version=4)
    developer, _, model = subject.model.partition("/")
    parts = map(_portable, (publisher.collection or recipe.name, developer, model))
    folder = "/".join(("data", *parts))
    log = _log(subject, recipe, results, publisher) | {
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": f"{folder}/{name}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(content).hexdigest(),
            "total_rows": len(rows),
        }
    }
    (out / folder).mkdir(parents=True, exist_ok=True)
    write_atomically(out / folder / f"{name}_samples.jsonl", content)
    text = json.dumps(log, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(out / folder / f"{name}.json", f"{text}\n".encode())
    return sum(1 + len(score.by_task) for score in subject.scores), len(rows)


def _portable(name: str) -> str:
    """A part of a path that every system takes, and that the datastore does not reserve."""
    plain = _UNPORTABLE.sub("_", name).rstrip(". ") or "_"
    return f"_{plain}" if plain == "data" else plain


def _log(subject: _Subject, recipe: Recipe, results: RunResults, publisher: Publisher) -> Fields:
    files = [
        PredictionFile.of(results.run, s.checkpoint, s.set, s.split, s.format).path
        for s in subject.scores
    ]
    newest = max((path.stat().st_mtime for path in files if path.exists()), default=time.time())
    own = subject.scores[0].step > 0
    return {
        "schema_version": VERSION,
        "evaluation_id": subject.evaluation,
        "evaluation_timestamp": str(int(newest)),
        "retrieved_timestamp": str(int(time.time())),
        "source_metadata": {
            "source_name": "specialize",
            "source_type": "evaluation_run",
            "source_organization_name": publisher.organization,
            "evaluator_relationship": "first_party" if own else "third_party",
        },
        "eval_library": {"name": "specialize", "version": __version__},
        "model_info": {
            "name": subject.model.partition("/")[2],
            "id": subject.model,
            "developer": subject.model.partition("/")[0],
            "additional_details": {
                "deployment_type": "self_deployed" if subject.scores[0].step >= 0 else "unknown",
                "model_availability": "unknown",
                "evaluated_as": subject.label,
                "recipe_digest": recipe.digest,
            },
        },
        "evaluation_results": [
            result for score in subject.scores for result in _results(score, recipe, results)
        ],
    }


def _result_id(score: CheckpointScore, task: str = "") -> str:
    return "/".join(filter(None, (score.set, score.split, score.format, task)))


def _results(score: CheckpointScore, recipe: Recipe, results: RunResults) -> Iterator[Fields]:
    """The set's result, and one for each of its tasks."""
    shared = _shared(score, recipe, _settings(results, score))
    whole = None if score.by_task else score.accuracy
    number = score.accuracy.total
    yield _result(score, "", score.macro_average, whole, number) | shared
    for task, accuracy in score.by_task.items():
        yield _result(score, task, accuracy.value, accuracy, accuracy.total) | shared


def _result(
    score: CheckpointScore, task: str, value: float, accuracy: Accuracy | None, number: int
) -> Fields:
    uncertainty: Fields = {"num_samples": number}
    if accuracy is not None:
        low, high = accuracy.interval()
        uncertainty["confidence_interval"] = {
            "lower": low, "upper": high, "confidence_level": 0.95, "method": "Wilson",
        }  # fmt: skip
    average = {"metric_parameters": {"average": "macro"}} if accuracy is None else {}
    return {
        "evaluation_result_id": _result_id(score, task),
        "evaluation_name": ".".join(filter(None, (score.set, task))),
        "metric_config": {
            "metric_id": "accuracy", "metric_name": "accuracy", "metric_kind": "accuracy",
            "metric_unit": "proportion", "lower_is_better": False, "score_type": "continuous",
            "min_score": 0.0, "max_score": 1.0,
        } | average,
        "score_details": {"score": value, "uncertainty": uncertainty},
    }  # fmt: skip


def _shared(score: CheckpointScore, recipe: Recipe, settings: Settings | None) -> Fields:
    """What holds for a set and all of its tasks."""
    spec = next((spec for spec in recipe.evaluation.sets if spec.label == score.set), None)
    data = {"split": score.split, "role": score.role}
    data |= {"set": Path(spec.set).name, "protocol": spec.protocol} if spec else {}
    args: Fields = {"reasoning": score.format.endswith("-cot")}
    how = {"prompt_format": score.format}
    if settings is not None:
        args |= {"max_tokens": settings.max_new_tokens}
        args |= {"temperature": 0.0} if settings.decoding == "greedy" else {}
        how |= {"decoding": settings.decoding, "limited": str(settings.limited).lower()}
    return {
        "source_data": {
            "dataset_name": score.set, "source_type": "other", "additional_details": data,
        },
        "generation_config": {"generation_args": args, "additional_details": how},
    }  # fmt: skip


def _rows(subject: _Subject, score: CheckpointScore, results: RunResults) -> Iterator[bytes]:
    """One line an answer."""
    predictions = results.predictions(score.checkpoint, score.set, score.split, score.format)
    if not predictions:
        raise InputError(
            f"{results.run} has a score of {score.checkpoint} on {score.set} ({score.split}), but "
            f"no predictions; evaluate again"
        )
    questions = results.questions(score.set, score.split)
    for prediction in predictions:
        row = {
            "schema_version": VERSION,
            "evaluation_id": subject.evaluation,
            "model_id": subject.model,
            "evaluation_name": ".".join(filter(None, (score.set, prediction.task))),
            "evaluation_result_id": _result_id(score, prediction.task if score.by_task else ""),
        } | _answer(prediction, questions.get(prediction.id))
        yield (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _answer(prediction: Prediction, example: Example | None) -> Fields:
    asked = {"raw": example.text if example else "", "reference": [prediction.gold]}
    written = list(prediction.samples or (prediction.text,))
    scored = {"score": float(prediction.correct), "is_correct": prediction.correct}
    row: Fields = {
        "sample_id": prediction.id,
        "sample_hash": _sample_hash(asked),
        "interaction_type": "single_turn",
        "input": asked
        | ({"choices": list(example.choices)} if example and example.choices else {}),
        "output": {"raw": written},
        "answer_attribution": [],
        "evaluation": scored,
        "metadata": {
            "prompt_digest": prediction.prompt,
            "output_tokens": str(prediction.tokens),
            "finished": str(prediction.finished).lower(),
            "refused": str(prediction.refused).lower(),
        },
    }
    if example and example.earlier:
        turns = [(turn.role, turn.content) for turn in example.earlier]
        turns += [("user", example.text), ("assistant", prediction.text)]
        row |= {
            "interaction_type": "multi_turn",
            "output": None,
            "messages": [
                {"turn_idx": number, "role": role, "content": content}
                for number, (role, content) in enumerate(turns)
            ],
            "evaluation": {**scored, "num_turns": len(turns)},
        }
    if prediction.answer is not None:
        last = len(example.earlier) + 1 if example and example.earlier else 0
        row["answer_attribution"] = [
            {
                "turn_idx": last,
                "source": f"messages[{last}].content" if last else "output.raw",
                "extracted_value": prediction.answer,
                "extraction_method": "majority" if prediction.samples else "flexible reading",
                "is_terminal": True,
            }
        ]
    return row


def _sample_hash(asked: Mapping[str, object]) -> str:
    """Of question and gold answer, as the datastore's own converters make it."""
    written = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()
