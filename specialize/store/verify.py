"""Reading every byte of a store and naming whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.errors import StoreError
from specialize.io.lock import LOCK
from specialize.store.arrays import POSITION_ARRAYS, row_problems
from specialize.store.description import StoreDescription
from specialize.store.layout import (
    MANIFEST,
    SHARDS,
    VOCABULARY,
    Manifest,
    ShardRecord,
    arrays_path,
    parse_manifest,
    read_plain,
    texts_path,
)
from specialize.store.reader import read_store_file, read_summary, read_vocabulary
from specialize.store.remote import afresh, here, listed
from specialize.store.sealed import Json
from specialize.store.shard_file import ShardFile
from specialize.store.summary import Summary, total_counts


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
    walk = _Walk(root, description)
    with afresh(root):
        for record in manifest.records:
            problems += walk.shard(record)
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


class _Walk:
    """What is collected while shards are read one after another."""

    def __init__(self, root: Path, description: StoreDescription) -> None:
        self.rows = self.positions = self._position_bytes = 0
        self._root, self._description = root, description
        self._keys: dict[tuple[str, int], tuple[int, int]] = {}
        self._used = np.zeros(max(description.vocabulary_size, 1), np.bool_)
        self._known: set[Path] = set()
        there = listed(root)
        self._files = _files_below(root) if there is None else there

    @property
    def bytes_per_position(self) -> float:
        return self._position_bytes / self.positions if self.positions else 0.0

    def shard(self, record: ShardRecord) -> Iterator[str]:
        """Every problem of one shard."""
        root, shard = self._root, record.shard
        self._known |= {arrays_path(root, shard), texts_path(root, shard)}
        try:
            file = ShardFile(root, record, self._description)
            keys = file.keys()
            file.checked_texts()
            responses = [response.key for response in file.responses()]
        except (StoreError, OSError) as error:
            yield str(error)
            return
        self.rows += record.samples
        self.positions += record.positions
        sizes = [array.nbytes for name, array in file.arrays.items() if name in POSITION_ARRAYS]
        self._position_bytes += sum(sizes)
        rows = file.rows(0, record.positions)
        for position, problem in row_problems(rows, self._description):
            yield f"{arrays_path(root, shard)}: at position {position} {problem}"
        for row, (key, own) in enumerate(zip(keys, responses, strict=True)):
            if key != own:
                yield f"{texts_path(root, shard)}: line {row + 1} is of {own}, not of {key}"
            first = self._keys.setdefault(key, (shard, row))
            if first != (shard, row):
                yield f"{arrays_path(root, shard)}: {key} is in shard {first[0]} already"
        for ids in file.stored_ids():
            self._used[ids[ids < len(self._used)]] = True

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
        missing = set(np.flatnonzero(self._used).tolist()) - set(ids)
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


def _files_below(root: Path) -> dict[str, int]:
    """The names of all files of a local store, relative to it, and their bytes."""
    files = [path for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {path.relative_to(root).as_posix(): path.lstat().st_size for path in files}
