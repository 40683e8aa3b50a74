"""What was found of a run's rows, beside the run: a resumed one begins with it at once.

run/rows/prompts.i32          ids of the prompts
run/rows/given.i32            ids of targets that are in no store: gold answers, a teacher's labels
run/rows/rows.safetensors     of every objective the columns of ``ObjectiveRows``
run/rows/rows.json            written last: what the rows depend on, and the hashes of the others

A folder about other rows, half written or damaged, is made anew; nothing else depends on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import load, save

from specialize.io.files import write_atomically
from specialize.rows.found import Found
from specialize.rows.ids import Ids
from specialize.rows.kept import ObjectiveRows
from specialize.rows.objectives import ObjectiveTargets

PROMPTS, GIVEN = "prompts.i32", "given.i32"
_COLUMNS, _ABOUT = "rows.safetensors", "rows.json"
_VERSION = 1  # of how rows are made: another number makes those of earlier versions anew
_SECTIONS = ("objectives", "chat", "training", "seed", "train_on")
_NAMES = ("example", "sample", "length", "learned", "unknown", "where")


@dataclass(frozen=True, slots=True, eq=False)
class FoundRows:
    """The rows of every objective in numbers.

    Attributes:
        parts: one for each objective.
        dropped: by objective, reason -> rows left out.
        prompts, given: the ids that the numbers are about.
    """

    parts: Sequence[ObjectiveRows]
    dropped: Mapping[str, Mapping[str, int]]
    prompts: Ids
    given: Ids


def key_of(targets: ObjectiveTargets) -> str:
    """sha256 of everything that decides which rows there are."""
    recipe, tokenizer = targets.recipe.model_dump(mode="json"), targets.tokenizer
    about = {
        "version": _VERSION,
        "recipe": {section: recipe[section] for section in _SECTIONS},
        "tokenizer": [tokenizer.fingerprint, tokenizer.front, tokenizer.eos, tokenizer.turn_end,
                      tokenizer.chat and [tokenizer.chat.source, dict(tokenizer.chat.tokens)]],
        "encoder_decoder": targets.encoder_decoder,
        "examples": [targets.labelled, targets.examples_digest],
        "stores": targets.digests(),
        "fresh": None if targets.fresh is None else sorted(targets.fresh),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Others that want the rows in ``folder`` wait until they are found."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def keep(found: FoundRows, folder: Path, key: str) -> None:
    """Write what was found beside its ids, which are in ``folder`` already.

    Raises:
        DiskFullError: no room.
    """
    columns: dict[str, NDArray[np.int64]] = {}
    for number, part in enumerate(found.parts):
        for name, values in _columns(part).items():
            columns[f"{number}.{name}"] = np.ascontiguousarray(values)
    content = save(columns)
    write_atomically(folder / _COLUMNS, content)
    about = {
        "key": key,
        "dropped": found.dropped,
        "prompts": found.prompts.digest,
        "given": found.given.digest,
        "columns": hashlib.sha256(content).hexdigest(),
    }
    write_atomically(folder / _ABOUT, json.dumps(about, indent=1).encode())


def reopened_rows(folder: Path, key: str) -> FoundRows | None:
    """What ``keep`` wrote of the rows of ``key``; None for other rows, or where a file is damaged.

    Whatever the answer, the next call of ``keep`` may write: no mark of old rows is left then.
    """
    about = folder / _ABOUT
    try:
        known = json.loads(about.read_bytes())
        content = (folder / _COLUMNS).read_bytes()
        if known["key"] == key and known["columns"] == hashlib.sha256(content).hexdigest():
            prompts = Ids.reopened(folder / PROMPTS, known["prompts"])
            given = Ids.reopened(folder / GIVEN, known["given"])
            if prompts is not None and given is not None:
                return FoundRows(_parts(load(content)), known["dropped"], prompts, given)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    about.unlink(missing_ok=True)
    return None


def _columns(part: ObjectiveRows) -> dict[str, NDArray[np.int64]]:
    found = part.found
    return {
        "example": found.example, "sample": found.sample, "length": found.length,
        "learned": found.learned, "unknown": found.unknown, "where": found.where,
        "prompt_start": part.prompt_start, "prompt_length": part.prompt_length,
    }  # fmt: skip


def _parts(columns: Mapping[str, NDArray[np.int64]]) -> list[ObjectiveRows]:
    count = len({name.partition(".")[0] for name in columns})
    return [
        ObjectiveRows(
            Found(*(columns[f"{number}.{name}"] for name in _NAMES)),
            columns[f"{number}.prompt_start"],
            columns[f"{number}.prompt_length"],
        )
        for number in range(count)
    ]
