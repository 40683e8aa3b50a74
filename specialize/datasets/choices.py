"""Sets of choices, of sentence pairs and of equations, from the files in which they are published.

    load("obqa", "data/tinyllm/obqa", split="test")    500 examples, obqa/test/00000 ...
    load("cqa", "data/step_by_step/cqa", split="train")    8,766; split "validation" 975

A directory holds one file per split, ``<set>_<split>.json``, JSON lines or one JSON list; ids are
positions in that file. Where there is no file for validation, a tenth of train is held out as
Hsieh et al. 2023 (arXiv:2305.02301, code) did: CQA 8,766 + 975, SVAMP 720 + 80. A file that is
named itself is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path

import numpy as np

from specialize.answers import Kind
from specialize.datasets.choice_records import choice_question, nli, svamp_equation
from specialize.datasets.reading import Record, json_document, json_lines, json_objects, read_text
from specialize.errors import ConfigurationError
from specialize.records import Example

SPLITS = ("train", "validation", "test")
_IN_FILES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",), "validation": ("valid", "validation", "dev"), "test": ("test",)
}  # fmt: skip
_HELD_OUT = 0.1  # of train, where no validation split is published


@dataclass(frozen=True, slots=True)
class ChoiceSet:
    """How a set's files are named, how its records are read and its answers compared.

    ``id``, ``config`` and ``hub_splits`` (train, validation, test; None: not published) say where
    it is on the hub.
    """

    prefix: str
    read: Callable[[Record, str, str], Example]
    kind: Kind = "choice"
    id: str | None = None
    config: str | None = None
    hub_splits: tuple[str | None, str | None, str | None] = SPLITS


_abstract = partial(choice_question, has_context=True)
CHOICE_SETS: Mapping[str, ChoiceSet] = {
    "cqa": ChoiceSet("cqa", choice_question, id="Salesforce/cos_e", config="v1.11",
                     hub_splits=("train", None, "validation")),
    "svamp-equation": ChoiceSet("svamp", svamp_equation, "equation", id="ChilleD/SVAMP",
                                hub_splits=("train", None, "test")),
    "anli-r1": ChoiceSet("anli1", nli, id="facebook/anli", config="plain_text",
                         hub_splits=("train_r1", "dev_r1", "test_r1")),
    "esnli": ChoiceSet("esnli", nli, id="esnli/esnli", config="plain_text"),
    "obqa": ChoiceSet("obqa", choice_question, id="allenai/openbookqa", config="main"),
    "arc": ChoiceSet("arc", choice_question, id="allenai/ai2_arc", config="ARC-Challenge"),
    "piqa": ChoiceSet("piqa", choice_question, id="ybisk/piqa",
                      hub_splits=("train", "validation", None)),
    "riddlesense": ChoiceSet("riddle", choice_question, id="INK-USC/riddle_sense",
                             hub_splits=("train", "validation", None)),
    "pubmedqa": ChoiceSet("pubmedqa", _abstract, id="qiaojin/PubMedQA", config="pqa_labeled",
                          hub_splits=("train", None, None)),
    "bioasq": ChoiceSet("bioasq", _abstract),
}  # fmt: skip


def read_choices(name: str, path: Path, split: str | None) -> list[Example]:
    """One of ``CHOICE_SETS`` from a file, or a split of it from a directory.

    Raises:
        ConfigurationError: a directory without a split, or an unknown one.
        InputError: no such file, or a record that is not of this set.
    """
    about = CHOICE_SETS[name]
    if not path.is_dir():
        said = _split_of(path)
        if split is not None and said in SPLITS and said != split:
            raise ConfigurationError(f"{path} holds split {said!r} of {name}, not {split!r}")
        return _read_file(name, about, path, split or said)
    split = check_split(name, split)
    held_out = _file(about, path, "validation")
    if split != "test" and not held_out.is_file():
        train = _read_file(name, about, _file(about, path, "train"), "train")
        return part_train(train, split)
    return _read_file(name, about, _file(about, path, split), split)


def check_split(name: str, split: str | None) -> str:
    """``split`` itself, if it is one of ``SPLITS``."""
    if split not in SPLITS:
        said = "no split was named" if split is None else f"there is no split {split!r}"
        raise ConfigurationError(f"{name} has the splits {', '.join(SPLITS)}; {said}")
    return split


def part_train(train: list[Example], split: str) -> list[Example]:
    """Train without the held-out tenth, or that tenth ("validation"), both in published order.

    The draw is that of ``datasets.Dataset.train_test_split(0.1, seed=0)``, which the published code
    calls.
    """
    order = np.random.default_rng(0).permutation(len(train))
    held_out = set(order[: ceil(_HELD_OUT * len(train))].tolist())
    wanted = split == "validation"
    return [example for at, example in enumerate(train) if (at in held_out) == wanted]


def _file(about: ChoiceSet, folder: Path, split: str) -> Path:
    """The file of a split, by the first of its names that is there."""
    named = [folder / f"{about.prefix}_{alias}.json" for alias in _IN_FILES[split]]
    return next((path for path in named if path.is_file()), named[0])


def _split_of(path: Path) -> str:
    said = path.stem.rpartition("_")[2]
    return next((split for split, names in _IN_FILES.items() if said in names), said)


def _read_file(name: str, about: ChoiceSet, path: Path, split: str) -> list[Example]:
    expected = f"{name} as JSON lines or as one JSON list"
    if read_text(path, expected).lstrip()[:1] == "[":
        records = list(json_objects(json_document(path, expected), path, expected))
    else:
        records = list(json_lines(path, expected))
    return [
        about.read(record, f"{name}/{split}/{at:05d}", where)
        for at, (where, record) in enumerate(records)
    ]
