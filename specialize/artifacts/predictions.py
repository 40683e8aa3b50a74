"""Predictions: what a model wrote for every example of a set, one JSON line each.

    predictions/step-000200/gsm8k.validation.zero-shot-cot.jsonl    the predictions
    predictions/step-000200/gsm8k.validation.zero-shot-cot.json     the settings they hold under
    predictions/questions/gsm8k.validation.jsonl                    the questions, once per split

One worked line::

    {"answer": "72", "correct": true, "finished": true, "gold": "72", "id": "gsm8k/test/00007",
     "prompt": "9f86d081884c7d65", "task": "", "text": "... The answer is 72", "tokens": 31}

Lines are appended while a model answers, so that an interrupted evaluation goes on where it
stopped; a torn last line is dropped. A line holds for a model, a longest length (the settings)
and a prompt (its digest): all equal, and nothing is generated again.
"""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import xxhash

from specialize.answers import Kind
from specialize.errors import InputError
from specialize.io.files import write_atomically
from specialize.records import Example, Prompt, message_of

QUESTIONS = "questions"  # the folder beside the checkpoints'
_SHARD = ".shard-"
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Grade:
    """Whether one example was answered correctly."""

    id: str
    correct: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of one model, graded.

    ``finished``: the model ended by itself, not by the longest length. ``refused``: the prompt is
    longer than the model's context, so it was never asked; it counts as wrong.
    """

    id: str
    prompt: str  # digest of the prompt's text
    text: str
    answer: str | None
    gold: str
    correct: bool
    finished: bool
    tokens: int
    task: str = ""
    refused: bool = False
    samples: tuple[str, ...] = ()  # all drawn texts, where ``text`` is the majority's

    @property
    def grade(self) -> Grade:
        return Grade(self.id, self.correct)

    def to_line(self) -> str:
        values = {name: self.__getattribute__(name) for name in self.__slots__}
        if not self.samples:
            del values["samples"]
        return _ENCODER.encode(values) + "\n"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file of predictions holds under; kept beside it.

    ``model`` is the digest of the weights and the tokenizer. Only ``model``,
    ``max_new_tokens``, ``decoding`` and every line's prompt decide what may be reused; the rest
    says what it is.
    """

    checkpoint: str
    step: int
    model: str
    set: str
    split: str
    role: str
    format: str
    kind: Kind
    examples: int
    limited: bool
    max_new_tokens: int
    decoding: str = "greedy"
    # digest of what the grades in the complete file follow from; "": not graded to the end
    graded: str = ""

    def permits_reuse_of(self, other: Settings) -> bool:
        return (self.model, self.max_new_tokens, self.decoding) == (
            other.model, other.max_new_tokens, other.decoding
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredPredictions:
    """What a file holds: its whole lines, a digest of them, and how many bytes they take."""

    predictions: tuple[Prediction, ...] = ()
    digest: str = ""
    whole_bytes: int = 0
    torn: bool = False  # something without an end of line follows


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """The predictions of one model for one set, split and format."""

    path: Path

    @classmethod
    def of(cls, run: Path, checkpoint: str, set_: str, split: str, format_: str) -> PredictionFile:
        name = f"{_plain(set_)}.{split}.{_plain(format_)}.jsonl"
        return cls(run / "predictions" / _plain(checkpoint) / name)

    def of_shard(self, suffix: str) -> PredictionFile:
        """The file of one of several processes; ``suffix`` begins with ``.shard-``."""
        return PredictionFile(self.path.with_suffix(f"{suffix}.jsonl"))

    def shards(self) -> list[PredictionFile]:
        """The files that shards of this one wrote and nobody has taken over yet."""
        found = self.path.parent.glob(f"{glob.escape(self.path.stem)}{_SHARD}*.jsonl")
        return [PredictionFile(path) for path in sorted(found)]

    def remove(self) -> None:
        """Delete the file and its settings, where they are."""
        for path in (self.path, self.settings_path):
            path.unlink(missing_ok=True)

    @property
    def settings_path(self) -> Path:
        return self.path.with_suffix(".json")

    def settings(self) -> Settings | None:
        """What the file holds under; None where there is no such file yet."""
        try:
            values = json.loads(self.settings_path.read_text(encoding="utf-8"))
            values = {"decoding": "greedy", "graded": ""} | values
            return Settings(**{field.name: values[field.name] for field in fields(Settings)})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{self.settings_path} is no settings of predictions ({error!r}); remove it and "
                f"evaluate again"
            ) from None

    def write_settings(self, settings: Settings) -> None:
        values = json.dumps(asdict(settings), ensure_ascii=False, sort_keys=True, indent=1)
        write_atomically(self.settings_path, f"{values}\n".encode())

    def read(self) -> tuple[Prediction, ...]:
        """Every whole line, in the file's order; a torn last one is ignored.

        Raises:
            InputError: a line before the last is no prediction.
        """
        return self.read_stored().predictions

    def read_stored(self) -> StoredPredictions:
        """The same with a digest of the lines; nothing where there is no file."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return StoredPredictions()
        whole, end, torn = content.rpartition(b"\n")
        lines = whole.split(b"\n") if end else []
        return StoredPredictions(
            tuple(_parse(line, self.path, number) for number, line in enumerate(lines, 1)),
            content_digest(whole + end),
            len(whole + end),
            bool(torn),
        )

    def append(self, predictions: Iterable[Prediction]) -> None:
        with self.path.open("ab") as file:
            file.write(to_lines(predictions))

    def replace(self, predictions: Iterable[Prediction]) -> None:
        """Put exactly these lines into the file, whole or not at all."""
        self.replace_content(to_lines(predictions))

    def replace_content(self, content: bytes) -> None:
        """Put lines of ``to_lines`` into the file, whole or not at all."""
        write_atomically(self.path, content)

    def drop_torn_line(self, stored: StoredPredictions) -> None:
        """Cut the file after its last whole line, so that it can be appended to."""
        if stored.torn:
            with self.path.open("r+b") as file:
                file.truncate(stored.whole_bytes)


def to_lines(predictions: Iterable[Prediction]) -> bytes:
    """The content of a file of predictions."""
    return "".join(prediction.to_line() for prediction in predictions).encode()


def content_digest(content: bytes) -> str:
    """32 hex digits that change with the content."""
    return xxhash.xxh3_128_hexdigest(content)


def prediction_files(run: Path) -> list[PredictionFile]:
    """Every file of predictions in the run's directory, by checkpoint, then by name."""
    found = sorted((run / "predictions").glob("*/*.jsonl"))
    return [
        PredictionFile(path)
        for path in found
        if path.parent.name != QUESTIONS and _SHARD not in path.name
    ]


def prompt_digest(prompt: Prompt) -> str:
    """16 hex digits of the prompt's sha256; of a chat with the arguments of its template.

    The template itself is one of the files of the model that ``Settings.model`` is the digest of.
    """
    written = prompt if isinstance(prompt, str) else json.dumps(prompt.as_json(), sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def write_questions(run: Path, set_: str, split: str, examples: Sequence[Example]) -> None:
    """Keep the split's questions beside its predictions, so that these can be read alone."""
    lines = [
        json.dumps(asdict(example), ensure_ascii=False, sort_keys=True) + "\n"
        for example in examples
    ]
    path, content = _questions_path(run, set_, split), "".join(lines).encode()
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def read_questions(run: Path, set_: str, split: str) -> dict[str, Example]:
    """The kept questions of a split by id; empty where none were kept."""
    path = _questions_path(run, set_, split)
    if not path.exists():
        return {}
    examples: dict[str, Example] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            values = json.loads(line)
            earlier = tuple(map(message_of, values.get("earlier", ())))
            read = {"choices": tuple(values["choices"]), "earlier": earlier}
            example = Example(**values | read)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path}:{number} is no example ({error!r})") from None
        examples[example.id] = example
    return examples


def _questions_path(run: Path, set_: str, split: str) -> Path:
    return run / "predictions" / QUESTIONS / f"{_plain(set_)}.{split}.jsonl"


def _parse(line: bytes, path: Path, number: int) -> Prediction:
    try:
        values = json.loads(line)
        return Prediction(**values | {"samples": tuple(values.get("samples", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}:{number} is no prediction ({error!r}); remove the file and evaluate again"
        ) from None


def _plain(name: str) -> str:
    """A name that is safe as a part of a path; different names stay different."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return plain if plain == name else f"{plain[:80]}-{prompt_digest(name)[:8]}"
