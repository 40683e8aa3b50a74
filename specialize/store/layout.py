"""Names of a store's files, and the manifest that says which shards exist.

One line of ``manifest.jsonl`` for each committed shard::

    {"body":{"arrays":{"bytes":1376,"xxh3_128":"…"},"counts":{"dropped":3},"keys_xxh3_128":"…",
     "name":"00003","positions":38,"samples":4,"shard":3,"texts":{"bytes":912,"xxh3_128":"…"}},
     "crc32":"9a1b2c3d"}

A shard exists if and only if its line is whole and both files have the size and hash of the line.
File names follow from the shard's number; none is ever taken from the manifest.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, cast

import xxhash

from specialize.errors import StoreError
from specialize.io.lock import LOCK, OWNER
from specialize.store.sealed import Json, seal, unseal

STORE, MANIFEST, SUMMARY = "store.json", "manifest.jsonl", "summary.json"
VOCABULARY, SHARDS = "vocabulary.safetensors", "shards"
JOURNAL, QUARANTINE = "journal.jsonl", "quarantine.jsonl"  # of served teachers
PARTS = "parts"  # of jobs that write a part each
OWN_NAMES = {STORE, MANIFEST, SUMMARY, VOCABULARY, SHARDS, LOCK, OWNER, JOURNAL, QUARANTINE, PARTS}

Content = bytes | memoryview


class MarkBody(TypedDict):
    """A ``FileMark`` as JSON."""

    bytes: int
    xxh3_128: str


class _ShardBody(TypedDict):
    """What a line of the manifest should hold; ``ShardRecord`` refuses what does not."""

    shard: int
    samples: int
    positions: int
    arrays: MarkBody
    texts: MarkBody
    keys_xxh3_128: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class FileMark:
    """Size and hash by which a file is known."""

    bytes: int
    xxh3_128: str

    def __post_init__(self) -> None:
        if type(self.bytes) is not int or self.bytes < 0 or not isinstance(self.xxh3_128, str):
            raise ValueError(f"no size and hash: {self.bytes!r}, {self.xxh3_128!r}")

    def as_json(self) -> dict[str, Json]:
        return {"bytes": self.bytes, "xxh3_128": self.xxh3_128}

    def problem(self, content: Content) -> str | None:
        """What is wrong with the content of the file that has this mark."""
        if len(content) != self.bytes:
            return f"has {len(content):,} bytes instead of {self.bytes:,}"
        if xxhash.xxh3_128_hexdigest(content) != self.xxh3_128:
            return "does not have the hash with which it was written"
        return None

    def check(self, path: Path, content: Content) -> None:
        """Refuse content of a shard's file that is not what was written.

        Raises:
            StoreError: says what is wrong.
        """
        problem = self.problem(content)
        if problem is not None:
            raise StoreError(f"{path} {problem}; dump this shard again")


def mark(content: Content) -> FileMark:
    return FileMark(len(content), xxhash.xxh3_128_hexdigest(content))


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One committed shard: a line of the manifest."""

    shard: int
    samples: int
    positions: int
    arrays: FileMark
    texts: FileMark
    keys_xxh3_128: str  # of the key arrays, so that an index is built without reading the rest
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.shard, self.samples, self.positions)
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError(f"shard, samples and positions must be counts: {numbers}")
        if any(type(count) is not int for count in self.counts.values()):
            raise ValueError(f"shard {self.shard} has counts that are no numbers: {self.counts}")

    @property
    def name(self) -> str:
        return shard_name(self.shard)

    def line(self) -> bytes:
        return seal(
            {
                "name": self.name,
                "shard": self.shard,
                "samples": self.samples,
                "positions": self.positions,
                "arrays": self.arrays.as_json(),
                "texts": self.texts.as_json(),
                "keys_xxh3_128": self.keys_xxh3_128,
                "counts": dict(self.counts),
            }
        )


def shard_name(shard: int) -> str:
    return f"{shard:05d}"


def arrays_path(root: Path, shard: int) -> Path:
    return root / SHARDS / f"{shard_name(shard)}.safetensors"


def texts_path(root: Path, shard: int) -> Path:
    return root / SHARDS / f"{shard_name(shard)}.texts.jsonl"


def parse_line(line: bytes) -> ShardRecord:
    """The shard of a manifest line.

    Raises:
        ValueError: the line is not whole, or not a shard's.
    """
    body = cast("_ShardBody", unseal(line))
    try:
        record = ShardRecord(
            shard=body["shard"],
            samples=body["samples"],
            positions=body["positions"],
            arrays=FileMark(**body["arrays"]),
            texts=FileMark(**body["texts"]),
            keys_xxh3_128=body["keys_xxh3_128"],
            counts=body["counts"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a shard's line: {error}") from error
    if record.line() != line:
        raise ValueError(f"not a shard's line: {line[:60]!r}")
    return record


@dataclass(frozen=True, slots=True)
class Manifest:
    """The committed shards in the order of their lines, and how many bytes their lines take.

    ``torn`` is the number of bytes after them: a line that a crash left unfinished.
    """

    records: tuple[ShardRecord, ...]
    bytes: int
    torn: int


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The shards of a manifest's whole lines; what follows the last whole line is torn.

    Raises:
        StoreError: a damaged line with whole ones after it, or two lines for one shard.
    """
    records: list[ShardRecord] = []
    seen: dict[int, int] = {}
    bad: tuple[int, str] | None = None
    end = good = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        end += len(line)
        try:
            record = parse_line(line)
        except ValueError as error:
            bad = bad or (number, str(error))
            continue
        if bad is not None:
            raise StoreError(f"{where}: line {bad[0]} is damaged: {bad[1]}")
        if record.shard in seen:
            raise StoreError(
                f"{where}: line {number} commits shard {record.shard} again, "
                f"after line {seen[record.shard]}"
            )
        seen[record.shard] = number
        records.append(record)
        good = end
    return Manifest(tuple(records), good, len(content) - good)


def read_plain(path: Path) -> bytes:
    """The content of a regular file; a link or anything else is refused.

    Raises:
        StoreError: missing, a link, or not a file.
    """
    handle = open_plain(path)
    with os.fdopen(handle, "rb") as file:
        return file.read()


def open_plain(path: Path) -> int:
    """A descriptor for reading a regular file, links refused.

    Raises:
        StoreError: the file is missing, a link, or no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            raise
        what = (
            "is a link; a store holds plain files" if error.errno == errno.ELOOP else "is missing"
        )
        raise StoreError(f"{path} {what}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StoreError(f"{path} is not a plain file")
    return handle
