"""``summary.json``: written last, it makes a store finished and covers every other file.

{"body":{"counts":{"dropped":3},"manifest":{"bytes":812,"xxh3_128":"…"},"positions":76321,
 "samples":200,"shards":4,"store":{…},"summary":{"accuracy":0.62},"vocabulary":{…}},
 "crc32":"9a1b2c3d"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypedDict, cast

from specialize.errors import StoreError
from specialize.store.layout import FileMark, MarkBody, ShardRecord
from specialize.store.sealed import Json, seal, unseal


class _Body(TypedDict):
    """What the file should hold; ``Summary`` and ``FileMark`` refuse what does not."""

    store: MarkBody
    manifest: MarkBody
    vocabulary: MarkBody | None
    shards: int
    samples: int
    positions: int
    counts: dict[str, int]
    summary: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Summary:
    """Marks of the other files, totals, and what the writer had to say."""

    store: FileMark
    manifest: FileMark
    vocabulary: FileMark | None
    shards: int
    samples: int
    positions: int
    counts: Mapping[str, int]
    summary: Mapping[str, Json]

    def __post_init__(self) -> None:
        numbers = [self.shards, self.samples, self.positions]
        if not isinstance(self.counts, Mapping) or not isinstance(self.summary, Mapping):
            raise ValueError("counts and summary must be objects")
        if any(type(number) is not int for number in [*numbers, *self.counts.values()]):
            raise ValueError(f"shards, samples, positions and counts must be numbers: {numbers}")

    def content(self) -> bytes:
        vocabulary = None if self.vocabulary is None else self.vocabulary.as_json()
        return seal(
            {
                "store": self.store.as_json(),
                "manifest": self.manifest.as_json(),
                "vocabulary": vocabulary,
                "shards": self.shards,
                "samples": self.samples,
                "positions": self.positions,
                "counts": dict(self.counts),
                "summary": dict(self.summary),
            }
        )


def parse_summary(content: bytes, where: str) -> Summary:
    """The summary in a ``summary.json``.

    Raises:
        StoreError: damaged.
    """
    try:
        body = cast("_Body", unseal(content))
        if body.keys() != {entry.name for entry in fields(Summary)}:
            raise ValueError(f"it has the keys {sorted(body)}")
        vocabulary = body["vocabulary"]
        return Summary(
            store=FileMark(**body["store"]),
            manifest=FileMark(**body["manifest"]),
            vocabulary=None if vocabulary is None else FileMark(**vocabulary),
            shards=body["shards"],
            samples=body["samples"],
            positions=body["positions"],
            counts=body["counts"],
            summary=body["summary"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{where} is damaged: {error}") from error


def total_counts(records: Sequence[ShardRecord]) -> dict[str, int]:
    """The counts of all shards, added up by name."""
    total: dict[str, int] = {}
    for record in records:
        for name, count in record.counts.items():
            total[name] = total.get(name, 0) + count
    return total
