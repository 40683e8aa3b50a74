"""Who is asked: checkpoints of a run, the student before it, a teacher; each with a digest.

    Subject(label="step-000200", step=200, model=".../checkpoints/step-000200", digest="9f86...")

The digest covers weights, configuration and tokenizer. Predictions are kept under it, so that a
model which was trained anew under an old name is asked again, and one that was not is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash
from huggingface_hub import snapshot_download

from specialize.config.recipe import Recipe
from specialize.config.user_files import is_own_file
from specialize.errors import ConfigurationError, InputError
from specialize.evaluate.planning import TEACHER
from specialize.io.gguf_file import is_gguf
from specialize.io.hub_calls import hub_call
from specialize.students import checkpoints
from specialize.students.checkpoints import Checkpoint

TEACHER_STEP = -1  # of models that are no step of the run
_WANTED = ("*.json", "*.jinja", "*.safetensors", "*.model", "*.txt", "*.tiktoken", "*.bpe")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to ask, the name of its predictions, and what its answers hold under."""

    label: str
    step: int
    model: Path
    digest: str


def run_subjects(
    recipe: Recipe, run: Path, chosen: Sequence[Checkpoint] | None = None
) -> list[Subject]:
    """The given checkpoints, or the student before training and every candidate, by step."""
    found = checkpoints.candidates(run) if chosen is None else list(chosen)
    subjects = [Subject(c.name, c.step, c.path, _checkpoint_digest(c)) for c in found]
    if chosen is None and not any(subject.step == 0 for subject in subjects):
        subjects.append(student_before(recipe))
    return sorted(subjects, key=lambda subject: subject.step)


def student_before(recipe: Recipe) -> Subject:
    """The recipe's student as it is before training: step 0."""
    return subject(recipe.student, checkpoints.name_of(0), 0)


def teachers(recipe: Recipe) -> list[Subject]:
    """The recipe's teachers that are models here; an imported, served or own one has none."""
    return [
        subject(model, f"{TEACHER}{name}", TEACHER_STEP)
        for name, model in teacher_models(recipe).items()
    ]


def teacher_models(recipe: Recipe) -> dict[str, str]:
    """By name the models that are asked; what two teachers ask in one kind of chat answers once, as
    the first of them."""
    names: dict[tuple[str, str], str] = {}
    for name, teacher in recipe.teachers.items():
        if teacher.model is not None and teacher.server is None and not is_own_file(teacher.model):
            names.setdefault((teacher.model, teacher.chat.model_dump_json()), name)
    return {name: model for (model, _), name in names.items()}


def subject(model: str | Path, label: str, step: int) -> Subject:
    """A model directory, GGUF file or hub id under a label.

    Raises:
        InputError: no such directory, or the hub cannot be reached.
        ConfigurationError: a label that names a checkpoint of another step.
    """
    if step != 0 and label.startswith("step-") and label != checkpoints.name_of(step):
        raise ConfigurationError(f"label {label!r} does not belong to step {step}")
    path = _local(model)
    return Subject(label, step, path, _directory_digest(path))


def _local(model: str | Path) -> Path:
    path = Path(model)
    if path.is_dir() or (is_gguf(model) and path.is_file()):
        return path
    if isinstance(model, Path) or model.startswith((".", "/")) or model.count("/") > 1:
        raise InputError(f"there is no model directory or GGUF file {model}")
    with hub_call(f"model {model!r} is no directory, and the hub says", InputError):
        return Path(snapshot_download(model, allow_patterns=list(_WANTED)))


def _checkpoint_digest(checkpoint: Checkpoint) -> str:
    """Of the hashes that the checkpoint was completed with."""
    return hashlib.sha256((checkpoint.path / checkpoints.COMPLETE).read_bytes()).hexdigest()


def _directory_digest(path: Path) -> str:
    """Of the contents of a GGUF file, or of every file at the top of a model's directory."""
    digest = xxhash.xxh3_128()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file() and not file.name.startswith("."):
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as content:
                while block := content.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()
