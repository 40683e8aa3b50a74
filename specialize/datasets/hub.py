"""Published sets from the Hugging Face hub, read into the same examples as the files.

    load_hub("svamp", None)  reads ChilleD/SVAMP, both of its splits, into svamp/chal-1 ...

The library ``datasets`` (not this package) takes seconds to import, so it is imported where a set
is really fetched. MultiArith carries no published id on the hub and is in two splits there, so
its ids differ from the file's: multiarith/train/00000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from specialize.datasets import records
from specialize.datasets.choices import CHOICE_SETS, SPLITS, check_split, part_train
from specialize.datasets.local import BBH_TASKS
from specialize.datasets.reading import Record, number_field, text_field
from specialize.errors import ConfigurationError, InputError
from specialize.records import Example

ASDIV_PROBLEMS = 2305


@dataclass(frozen=True, slots=True)
class HubSet:
    """Where a set is on the hub; ``splits`` in the order in which they are read."""

    id: str
    configs: tuple[str | None, ...]
    splits: tuple[str, ...]
    choose_split: bool  # a split must be named; else all are read as one set


HUB: Mapping[str, HubSet] = {
    "gsm8k": HubSet("openai/gsm8k", ("main",), ("train", "test"), True),
    "svamp": HubSet("ChilleD/SVAMP", (None,), ("train", "test"), False),
    "asdiv": HubSet("EleutherAI/asdiv", (None,), ("validation",), False),
    "multiarith": HubSet("ChilleD/MultiArith", (None,), ("train", "test"), False),
    "bbh": HubSet("lukaemon/bbh", BBH_TASKS, ("test",), False),
}


def load_hub(name: str, split: str | None) -> list[Example]:
    """The set ``name`` from the hub: the named split, or everything where none is needed.

    Raises:
        ConfigurationError: the set is not on the hub, or the split is not one of its own.
        InputError: the hub can not be reached, or its rows lack a field.
    """
    if name in CHOICE_SETS:
        return _load_choices(name, check_split(name, split))
    if name not in HUB:
        raise ConfigurationError(f"set {name!r} is not on the hub; give its file as path")
    source = HUB[name]
    if split is None and source.choose_split:
        raise ConfigurationError(
            f"{source.id} has the splits {', '.join(source.splits)}; name one "
            f"(split: {source.splits[0]})"
        )
    if split is not None and split not in source.splits:
        raise ConfigurationError(
            f"{source.id} has no split {split!r}; its splits: {', '.join(source.splits)}"
        )
    examples = []
    for config in source.configs:
        for part in (split,) if split else source.splits:
            rows = _fetch(source.id, config, part)
            where = f"{source.id}{'/' + config if config else ''}, split {part}, row "
            examples += _READERS[name](rows, config or "", part, where)
    if name == "svamp":
        examples.sort(key=lambda example: int(example.id.rpartition("-")[2]))
    return examples


def _load_choices(name: str, split: str) -> list[Example]:
    """A split of a set of choices; validation is a tenth of train where none is published."""
    about = CHOICE_SETS[name]
    published = dict(zip(SPLITS, about.hub_splits, strict=True))
    held_out = split == "validation" and published[split] is None
    part = published["train" if held_out else split]
    if about.id is None or part is None:
        raise ConfigurationError(
            f"split {split!r} of set {name!r} is not on the hub with its answers; give its file as "
            f"path"
        )
    where = f"{about.id}{'/' + about.config if about.config else ''}, split {part}, row "
    rows = _fetch(about.id, about.config, part)
    own = "train" if held_out else split
    found = [
        about.read(row, f"{name}/{own}/{at:05d}", f"{where}{at}") for at, row in enumerate(rows)
    ]
    parted = published["validation"] is None and own == "train"
    return part_train(found, split) if parted else found


def _fetch(hub_id: str, config: str | None, split: str) -> list[Record]:
    import datasets as hub

    try:
        return list(hub.load_dataset(hub_id, config, split=split))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{hub_id} can not be read from the hub ({type(error).__name__}: {reason}); give the "
            f"published file as path instead"
        ) from error


def _gsm8k(rows: list[Record], _: str, split: str, where: str) -> Iterator[Example]:
    for at, row in enumerate(rows):
        yield records.gsm8k(row, f"gsm8k/{split}/{at:05d}", f"{where}{at}")


def _svamp(rows: list[Record], _: str, split: str, where: str) -> Iterator[Example]:
    for at, row in enumerate(rows):
        published = text_field(row, "ID", f"{where}{at}")
        if not published.rpartition("-")[2].isdecimal():
            raise InputError(f"{where}{at}: ID {published!r} is not of the form chal-1")
        yield records.svamp(row, f"svamp/{published}", f"{where}{at}")


def _asdiv(rows: list[Record], _: str, split: str, where: str) -> Iterator[Example]:
    """The hub dropped the published ids, but kept the order: problem n is nluds-n."""
    complete = len(rows) == ASDIV_PROBLEMS
    for at, row in enumerate(rows):
        body, question, answer = (
            text_field(row, key, f"{where}{at}") for key in ("body", "question", "answer")
        )
        id_ = f"asdiv/nluds-{at + 1:04d}" if complete else f"asdiv/{split}/{at:05d}"
        yield records.asdiv(body, question, answer, id_, f"{where}{at}")


def _multiarith(rows: list[Record], _: str, split: str, where: str) -> Iterator[Example]:
    for at, row in enumerate(rows):
        known = {
            "sQuestion": text_field(row, "question", f"{where}{at}"),
            "lSolutions": [number_field(row, "final_ans", f"{where}{at}")],
        }
        yield records.multiarith(known, f"multiarith/{split}/{at:05d}", f"{where}{at}")


def _bbh(rows: list[Record], task: str, split: str, where: str) -> Iterator[Example]:
    for at, row in enumerate(rows):
        yield records.bbh(row, f"bbh/{task}/{at:05d}", f"{where}{at}", task)


_READERS: Mapping[str, Callable[[list[Record], str, str, str], Iterator[Example]]] = {
    "gsm8k": _gsm8k,
    "svamp": _svamp,
    "asdiv": _asdiv,
    "multiarith": _multiarith,
    "bbh": _bbh,
}
