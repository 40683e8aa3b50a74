"""The published sets as examples: from a file, a directory or the hub.

One worked record::

    load("gsm8k", "data/gsm8k/test.jsonl")[0]
    Example(id="gsm8k/test/00000", question="Janet's ducks lay 16 eggs ...", answer="18",
            rationale="Janet sells 16 - 3 - 4 = 9 duck eggs a day.\\nShe makes 9 * 2 = $18 ...")

``sets`` has a file for every set: how its records are read, its answers compared, where it is on
the hub. ``splits`` divides a set into validation and test, ``guard`` keeps these out of training,
``check`` says what a file of the user's own holds.
"""

from __future__ import annotations

from pathlib import Path

from specialize.answers import Kind
from specialize.config.user_files import is_own_file, load_file
from specialize.datasets.guard import Overlap, check_disjoint, check_disjoint_ids, drop_overlaps
from specialize.datasets.sets import SETS
from specialize.datasets.sets.bbh import BBH_TASKS
from specialize.datasets.sets.jsonl import write_jsonl
from specialize.datasets.spec import SetSpec
from specialize.datasets.splits import code_split, ids_digest, paper_split, split_note
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example, check_unique

__all__ = [
    "BBH_TASKS",
    "NAMES",
    "SETS",
    "Overlap",
    "SetSpec",
    "check_disjoint",
    "check_disjoint_ids",
    "code_split",
    "drop_overlaps",
    "ids_digest",
    "kind_of",
    "load",
    "paper_split",
    "split_note",
    "write_jsonl",
]

NAMES = tuple(SETS)


def kind_of(name: str) -> Kind:
    """How answers of the set ``name`` are compared.

    Raises:
        ConfigurationError: no such set.
    """
    if is_own_file(name):
        kind: Kind = load_file(name, "read", "KIND").KIND
        return kind
    return _spec(name).kind


def load(
    name: str, path: Path | str | None = None, *, split: str | None = None, limit: int | None = None
) -> list[Example]:
    """The examples of a set, in the order in which it is published.

    Args:
        name: one of ``NAMES`` (``jsonl`` reads a file of the user's own), or a Python file that
            defines ``read(path, split)`` and ``KIND``.
        path: the published file, or its directory; None: the Hugging Face hub.
        split: the published split, for a set that has some.
        limit: take only this many, from the start.

    Returns:
        Examples with different ids.

    Raises:
        ConfigurationError: no such set or split.
        InputError: the path is missing or holds something else; names file and line.
    """
    spec = None if is_own_file(name) else _spec(name)
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit of set {name!r} must be at least 1, got {limit}")
    examples: list[Example]
    if spec is None:
        examples = load_file(name, "read", "KIND").read(Path(path or "."), split)
        where = f"{name} on {path or '.'}"
    elif path is not None:
        examples, where = spec.read(Path(path), split), str(path)
    elif spec.from_hub is not None:
        examples, where = spec.from_hub(split), f"set {name!r} of the hub"
    else:
        raise ConfigurationError(f"set {name!r} is not on the hub; give its file as path")
    try:
        check_unique(examples, where)
    except ValueError as error:
        raise InputError(str(error)) from None
    return examples[:limit]


def _spec(name: str) -> SetSpec:
    if name not in SETS:
        raise ConfigurationError(f"unknown set {name!r}; known: {', '.join(NAMES)}")
    return SETS[name]
