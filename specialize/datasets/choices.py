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
from math import ceil
from pathlib import Path

import numpy as np

from specialize.answers import Kind
from specialize.datasets.hub import rows_of
from specialize.datasets.reading import Record, json_document, json_lines, json_objects, read_text
from specialize.datasets.spec import SetSpec
from specialize.errors import ConfigurationError
from specialize.records import Example

SPLITS = ("train", "validation", "test")
_IN_FILES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",), "validation": ("valid", "validation", "dev"), "test": ("test",)
}  # fmt: skip
_HELD_OUT = 0.1  # of train, where no validation split is published


@dataclass(frozen=True, slots=True)
class ChoiceFiles:
    """How a set's files are named and its records read, and where it is on the hub.

    Attributes:
        name: of the set.
        prefix: of its files, ``<prefix>_<split>.json``.
        record: one record into one example.
        hub_id: on the hub; None: it is not there.
        config: of the set on the hub.
        hub_splits: the hub's names of train, validation and test; None: not published there.
    """

    name: str
    prefix: str
    record: Callable[[Record, str, str], Example]
    hub_id: str | None = None
    config: str | None = None
    hub_splits: tuple[str | None, str | None, str | None] = SPLITS

    def spec(self, licence: str, source: str, *, kind: Kind = "choice") -> SetSpec:
        """The set that is read from these files."""
        return SetSpec(self.name, kind, self.read, licence, source, self.load)

    def read(self, path: Path, split: str | None) -> list[Example]:
        """The set from a file, or a split of it from a directory.

        Raises:
            ConfigurationError: a directory without a split, or an unknown one.
            InputError: no such file, or a record that is not of this set.
        """
        if not path.is_dir():
            found = _split_of(path)
            if split is not None and found in SPLITS and found != split:
                raise ConfigurationError(
                    f"{path} holds split {found!r} of {self.name}, not {split!r}"
                )
            return self._read_file(path, split or found)
        split = check_split(self.name, split)
        held_out = self._file(path, "validation")
        if split != "test" and not held_out.is_file():
            return split_train(self._read_file(self._file(path, "train"), "train"), split)
        return self._read_file(self._file(path, split), split)

    def load(self, split: str | None) -> list[Example]:
        """A split from the hub; validation is a tenth of train where none is published."""
        split = check_split(self.name, split)
        published = dict(zip(SPLITS, self.hub_splits, strict=True))
        held_out = split == "validation" and published[split] is None
        own = "train" if held_out else split
        part = published[own]
        if self.hub_id is None or part is None:
            raise ConfigurationError(
                f"split {split!r} of set {self.name!r} is not on the hub with its answers; give "
                f"its file as path"
            )
        found = [
            self.record(row.record, f"{self.name}/{own}/{row.at:05d}", row.where)
            for row in rows_of(self.hub_id, self.config, part)
        ]
        splits = published["validation"] is None and own == "train"
        return split_train(found, split) if splits else found

    def _file(self, folder: Path, split: str) -> Path:
        """The file of a split, by the first of its names that is there."""
        found = [folder / f"{self.prefix}_{alias}.json" for alias in _IN_FILES[split]]
        return next((path for path in found if path.is_file()), found[0])

    def _read_file(self, path: Path, split: str) -> list[Example]:
        expected = f"{self.name} as JSON lines or as one JSON list"
        if read_text(path, expected).lstrip()[:1] == "[":
            records = list(json_objects(json_document(path, expected), path, expected))
        else:
            records = list(json_lines(path, expected))
        return [
            self.record(record, f"{self.name}/{split}/{at:05d}", where)
            for at, (where, record) in enumerate(records)
        ]


def check_split(name: str, split: str | None) -> str:
    """``split`` itself, if it is one of ``SPLITS``.

    Raises:
        ConfigurationError: it is not, or no split was named.
    """
    if split not in SPLITS:
        problem = "no split was named" if split is None else f"there is no split {split!r}"
        raise ConfigurationError(f"{name} has the splits {', '.join(SPLITS)}; {problem}")
    return split


def split_train(train: list[Example], split: str) -> list[Example]:
    """Train without the held-out tenth, or that tenth ("validation"), both in published order.

    The draw is that of ``datasets.Dataset.train_test_split(0.1, seed=0)``, which the published code
    calls.
    """
    order = np.random.default_rng(0).permutation(len(train))
    held_out = set(order[: ceil(_HELD_OUT * len(train))].tolist())
    wanted = split == "validation"
    return [example for at, example in enumerate(train) if (at in held_out) == wanted]


def _split_of(path: Path) -> str:
    suffix = path.stem.rpartition("_")[2]
    return next((split for split, names in _IN_FILES.items() if suffix in names), suffix)
