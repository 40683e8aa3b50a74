"""Published sets from the Hugging Face hub, read into the same examples as the files.

    HubSource("ChilleD/SVAMP", ("train", "test"), _row).load(None)    svamp/chal-1 ...

The library ``datasets`` (not this package) takes seconds to import, so it is imported where a set
is really fetched.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from specialize.datasets.reading import Record
from specialize.errors import ConfigurationError, InputError, first_line
from specialize.records import Example

_PATIENCE = 10.0  # seconds in which a hub that can be reached has answered


class Row(NamedTuple):
    """One row of the hub, and where it is: ``total`` rows are in its part."""

    record: Record
    at: int
    total: int
    config: str
    split: str
    where: str


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where a set is on the hub; ``splits`` in the order in which they are read."""

    id: str
    splits: tuple[str, ...]
    example: Callable[[Row], Example]
    configs: tuple[str | None, ...] = (None,)
    choose_split: bool = False  # a split must be named; else all are read as one set
    order: Callable[[Example], int] | None = None

    def load(self, split: str | None) -> list[Example]:
        """The named split, or everything where none is needed.

        Raises:
            ConfigurationError: the split is not one of the set's own.
            InputError: the hub cannot be reached, or its rows lack a field.
        """
        if split is None and self.choose_split:
            raise ConfigurationError(
                f"{self.id} has the splits {', '.join(self.splits)}; name one "
                f"(split: {self.splits[0]})"
            )
        if split is not None and split not in self.splits:
            raise ConfigurationError(
                f"{self.id} has no split {split!r}; its splits: {', '.join(self.splits)}"
            )
        examples = [
            self.example(row)
            for config in self.configs
            for part in ((split,) if split else self.splits)
            for row in rows_of(self.id, config, part)
        ]
        return examples if self.order is None else sorted(examples, key=self.order)


def rows_of(hub_id: str, config: str | None, split: str) -> list[Row]:
    """The rows of one split, each with its place."""
    rows = _fetch(hub_id, config, split)
    where = f"{hub_id}{'/' + config if config else ''}, split {split}, row "
    return [
        Row(row, at, len(rows), config or "", split, f"{where}{at}") for at, row in enumerate(rows)
    ]


def _fetch(hub_id: str, config: str | None, split: str) -> list[Record]:
    import datasets as hub

    there = not hub.config.HF_HUB_OFFLINE and _answers(hub.config.HF_ENDPOINT)
    hub.config.HF_HUB_OFFLINE = not there  # then what is in its cache is read, or nothing
    try:
        return list(hub.load_dataset(hub_id, config, split=split))
    except (OSError, ValueError, RuntimeError) as error:
        why = f"{type(error).__name__}: {first_line(error)}"
        if not there:
            why = f"no connection to {hub.config.HF_ENDPOINT}, and the set is not in the cache"
        raise InputError(
            f"{hub_id} cannot be read from the hub ({why}); give the published file as path instead"
        ) from error


@lru_cache
def _answers(endpoint: str) -> bool:
    """Whether the hub can be reached; where it cannot, its library tries for over a minute."""
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=_PATIENCE).close()
    except HTTPError:
        return True  # an answer, if not a welcoming one
    except URLError as error:
        # the library may know the certificate that this request does not
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
    return True
