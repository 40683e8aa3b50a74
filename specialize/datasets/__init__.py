"""The published sets as examples: from a file, a directory or the hub.

One worked record::

    load("gsm8k", "data/gsm8k/test.jsonl")[0]
    Example(id="gsm8k/test/00000", question="Janet's ducks lay 16 eggs ...", answer="18",
            rationale="Janet sells 16 - 3 - 4 = 9 duck eggs a day.\\nShe makes 9 * 2 = $18 ...")

``records`` and ``choice_records`` turn one record into an example, ``local``, ``choices`` and
``hub`` find the records, ``splits`` parts a set into validation and test, ``guard`` keeps these
out of training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from specialize.answers import Kind
from specialize.config.user_files import is_own_file, load_file
from specialize.datasets.choices import CHOICE_SETS, read_choices
from specialize.datasets.guard import Overlap, check_disjoint, check_disjoint_ids, drop_overlaps
from specialize.datasets.hub import HUB, load_hub
from specialize.datasets.local import (
    BBH_TASKS,
    read_asdiv,
    read_bbh,
    read_gsm8k,
    read_jsonl,
    read_multiarith,
    read_svamp,
    write_jsonl,
)
from specialize.datasets.splits import code_split, ids_digest, paper_split, split_note
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example, check_unique

__all__ = [
    "BBH_TASKS",
    "HUB",
    "KIND",
    "NAMES",
    "Overlap",
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

_READERS: Mapping[str, Callable[[Path, str | None], list[Example]]] = {
    "gsm8k": read_gsm8k,
    "svamp": read_svamp,
    "asdiv": read_asdiv,
    "multiarith": read_multiarith,
    "bbh": read_bbh,
    "jsonl": read_jsonl,
    **{name: partial(read_choices, name) for name in CHOICE_SETS},
}
NAMES = tuple(_READERS)
KIND: Mapping[str, Kind] = {
    **{name: "bbh" if name == "bbh" else "number" for name in NAMES},
    **{name: about.kind for name, about in CHOICE_SETS.items()},
}


def kind_of(name: str) -> Kind:
    """How answers of the set ``name`` are compared.

    Raises:
        ConfigurationError: no such set.
    """
    if is_own_file(name):
        return load_file(name, "read", "KIND").KIND
    if name not in KIND:
        raise ConfigurationError(f"unknown set {name!r}; known: {', '.join(NAMES)}")
    return KIND[name]


def load(
    name: str, path: Path | str | None = None, *, split: str | None = None, limit: int | None = None
) -> list[Example]:
    """The examples of a set, in the order in which it is published.

    Args:
        name: one of ``NAMES`` (``jsonl`` reads lines of our own ``Example``), or a Python file that
            defines ``read(path, split)`` and ``KIND``.
        path: the published file, or its directory; None: the Hugging Face hub.
        split: the published split, for a set that has some.
        limit: take the first so many only.

    Raises:
        ConfigurationError: no such set or split.
        InputError: the path is missing or holds something else; names file and line.
    """
    own = is_own_file(name)
    if name not in _READERS and not own:
        raise ConfigurationError(f"unknown set {name!r}; known: {', '.join(NAMES)}")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit of set {name!r} must be at least 1, got {limit}")
    if own:
        examples = load_file(name, "read", "KIND").read(Path(path or "."), split)
        where = f"{name} on {path or '.'}"
    elif path is None:
        examples, where = load_hub(name, split), f"set {name!r} of the hub"
    else:
        examples, where = _READERS[name](Path(path), split), str(path)
    try:
        check_unique(examples, where)
    except ValueError as error:
        raise InputError(str(error)) from None
    return examples[:limit]
