"""Reading every byte of a store and naming whatever is wrong with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.errors import StoreError
from specialize.io.cores import usable_cores
from specialize.io.forked import can_fork, forked
from specialize.io.lock import LOCK
from specialize.store import passes
from specialize.store.arrays import POSITION_ARRAYS, row_problems
from specialize.store.description import StoreDescription
from specialize.store.layout import (
    MANIFEST,
    SHARDS,
    VOCABULARY,
    Manifest,
    ShardRecord,
    arrays_path,
    open_plain,
    parse_manifest,
    read_plain,
    texts_path,
)
from specialize.store.reader import read_store_file, read_summary, read_vocabulary
from specialize.store.remote import afresh, here, listed
from specialize.store.sealed import Json
from specialize.store.shard_file import ShardFile
from specialize.store.summary import Summary, total_counts

EACH = 32  # shards of a process at least


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found: totals over the sound shards, and every problem.

    ``bytes_per_position`` counts the per-position arrays; ``disk_bytes`` all files of the store.
    """

    rows: int
    positions: int
    bytes_per_position: float
    disk_bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Json]:
        return {
            "ok": self.ok,
            "rows": self.rows,
            "positions": self.positions,
            "bytes_per_position": self.bytes_per_position,
            "disk_bytes": self.disk_bytes,
            "problems": list(self.problems),
        }


def verify(path: str | Path) -> Verification:
    """Check all of the store at ``path``: sizes, hashes, shapes, keys, texts, distributions.

    Args:
        path: of the store, finished or not.

    Returns:
        Counts and problems, one line each; damage is never raised.
    """
    root = here(path)
    problems: list[str] = []
    try:
        description, _ = read_store_file(root)
    except (StoreError, OSError) as error:
        return Verification(0, 0, 0.0, 0, (str(error),))
    problems += _damage(lambda: read_summary(root))
    summary = None if problems else read_summary(root)
    manifest, found = _manifest(root, summary)
    problems += found
    if summary is None and not problems:
        problems.append(f"{root} is not finished: {len(manifest.records)} shards are committed")
    if sum(record.positions for record in manifest.records) >= passes.MANY:
        passes.load()
    walk = _Walk(root, description)
    with afresh(root):
        problems += walk.shards(manifest.records)
        problems += walk.repeated_keys()
    problems += walk.unknown_files()
    if summary is not None:
        problems += _total_problems(root, summary, manifest)
        problems += walk.vocabulary(summary)
    return Verification(
        walk.rows, walk.positions, walk.bytes_per_position, walk.disk_bytes(), tuple(problems)
    )


def _damage(read: Callable[[], object]) -> list[str]:
    """The problem that reading meets, if it meets one."""
    try:
        read()
    except (StoreError, OSError) as error:
        return [str(error)]
    return []


def _manifest(root: Path, summary: Summary | None) -> tuple[Manifest, list[str]]:
    """What can be read of the manifest, and what is wrong with it."""
    path = root / MANIFEST
    try:
        content = read_plain(path) if summary is not None or path.exists() else b""
        manifest = parse_manifest(content, str(path))
    except (StoreError, OSError) as error:
        return Manifest((), 0, 0), [str(error)]
    problem = summary.manifest.problem(content) if summary is not None else None
    if problem is not None:
        return manifest, [f"{path} {problem}"]
    torn = f"{path} ends in a torn line of {manifest.torn} bytes; the writer will replace it"
    return manifest, [torn] if manifest.torn else []


def _total_problems(root: Path, summary: Summary, manifest: Manifest) -> list[str]:
    records = manifest.records
    counted = {
        "shards": (len(records), summary.shards),
        "samples": (sum(record.samples for record in records), summary.samples),
        "positions": (sum(record.positions for record in records), summary.positions),
        "counts": (total_counts(records), dict(summary.counts)),
    }
    return [
        f"{root / MANIFEST} has {found} {name}, the summary {stated}"
        for name, (found, stated) in counted.items()
        if found != stated
    ]


@dataclass(frozen=True, slots=True)
class _Shard:
    """What was found in one shard, sent from the process that looked.

    ``hashes`` (samples,) are those of the keys, ``used`` the bits of the ids; none of a shard that
    cannot be read.
    """

    problems: tuple[str, ...]
    position_bytes: int = 0
    hashes: NDArray[np.int64] | None = None
    used: NDArray[np.uint8] | None = None


def _look_at(root: Path, record: ShardRecord, description: StoreDescription) -> _Shard:
    """Read all of one shard."""
    arrays, texts = arrays_path(root, record.shard), texts_path(root, record.shard)
    try:
        file = ShardFile(root, record, description)
        keys, foreign = file.keys(), file.foreign_lines()
    except (StoreError, OSError) as error:
        return _Shard((str(error),))
    used = passes.ids_of_sound_rows(file.arrays, description)
    rules = row_problems(file.rows(0, record.positions), description) if used is None else []
    problems = [f"{arrays}: at position {position} {problem}" for position, problem in rules]
    problems += [
        f"{texts}: line {row + 1} is of {other}, not of {keys[row]}" for row, other in foreign
    ]
    if used is None:
        used = np.zeros(max(description.vocabulary_size, 1), np.bool_)
        for ids in file.stored_ids():
            used[ids[ids < len(used)]] = True
    sizes = [array.nbytes for name, array in file.arrays.items() if name in POSITION_ARRAYS]
    hashes = np.fromiter(map(hash, keys), np.int64, len(keys))
    return _Shard(tuple(problems), sum(sizes), hashes, np.packbits(used))


class _Walk:
    """What is collected while shards are read one after another."""

    def __init__(self, root: Path, description: StoreDescription) -> None:
        self.rows = self.positions = self._position_bytes = 0
        self._root, self._description = root, description
        self._readable: list[tuple[ShardRecord, NDArray[np.int64]]] = []
        self._used = np.zeros(-(-max(description.vocabulary_size, 1) // 8), np.uint8)
        self._known: set[Path] = set()
        there = listed(root)
        self._is_local = there is None
        self._files = _files_below(root) if there is None else there

    @property
    def bytes_per_position(self) -> float:
        return self._position_bytes / self.positions if self.positions else 0.0

    def shards(self, records: Sequence[ShardRecord]) -> Iterator[str]:
        """Every problem of the shards; several processes look where there are many."""

        numbers = range(len(records))
        # a client of a bucket does not survive that its process is forked
        count = min(usable_cores(), len(records) // EACH) if can_fork() and self._is_local else 1

        def look(number: int) -> _Shard:
            for later in records[number + count : number + count + 1]:
                _read_ahead(self._root, later.shard)
            return _look_at(self._root, records[number], self._description)

        if count < 2:
            for number in numbers:
                yield from self._add(records[number], look(number))
            return
        # looked at here, so that what is compiled for it is compiled once
        yield from self._add(records[0], look(0))
        with closing(forked(look, numbers[1:], count)) as looked:
            for number, shard in looked:
                yield from self._add(records[number], shard)

    def _add(self, record: ShardRecord, shard: _Shard) -> Iterator[str]:
        arrays = arrays_path(self._root, record.shard)
        self._known |= {arrays, texts_path(self._root, record.shard)}
        yield from shard.problems
        if shard.hashes is None or shard.used is None:
            return
        self.rows += record.samples
        self.positions += record.positions
        self._position_bytes += shard.position_bytes
        self._used |= shard.used
        self._readable.append((record, shard.hashes))

    def repeated_keys(self) -> Iterator[str]:
        """Keys that an earlier sample has; read again where their hashes are not all different."""
        hashes = np.concatenate([np.zeros(0, np.int64), *(each for _, each in self._readable)])
        hashes.sort()
        if (np.diff(hashes) != 0).all():
            return
        shard_of: dict[tuple[str, int], int] = {}
        for record, _ in self._readable:
            keys = ShardFile(self._root, record, self._description).keys()
            for key in keys:
                if key in shard_of:
                    arrays = arrays_path(self._root, record.shard)
                    yield f"{arrays}: {key} is in shard {shard_of[key]} already"
                shard_of.setdefault(key, record.shard)

    def vocabulary(self, summary: Summary) -> Iterator[str]:
        """Every id in use has its piece."""
        path, size = self._root / VOCABULARY, self._description.vocabulary_size
        if summary.vocabulary is None:
            if path.exists():
                yield f"{path} is there, but the summary knows of none"
            return
        try:
            _, ids = read_vocabulary(self._root, summary, size)
        except (StoreError, OSError) as error:
            yield str(error)
            return
        missing = set(np.flatnonzero(np.unpackbits(self._used)).tolist()) - set(ids)
        if missing:
            yield f"{path} lacks {len(missing)} ids in use, the first is {min(missing)}"

    def unknown_files(self) -> Iterator[str]:
        """Files among the shards that no line of the manifest commits."""
        for name in sorted(self._files):
            path = self._root / name
            if name.startswith(f"{SHARDS}/") and path not in self._known:
                yield f"{path} is not in the manifest"

    def disk_bytes(self) -> int:
        """Of all files, also those of parts."""
        return sum(size for name, size in self._files.items() if not name.endswith(LOCK))


def _read_ahead(root: Path, shard: int) -> None:
    """Have the files of a shard read from the disk while another one is looked at."""
    if sys.platform != "linux":
        return
    for path in (arrays_path(root, shard), texts_path(root, shard)):
        with suppress(StoreError, OSError):  # what is wrong with it is said when its turn comes
            handle = open_plain(path)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


def _files_below(root: Path) -> dict[str, int]:
    """The names of all files of a local store, relative to it, and their bytes."""
    files = [path for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {path.relative_to(root).as_posix(): path.lstat().st_size for path in files}
