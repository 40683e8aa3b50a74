"""A bounded part of a disk for files that can be fetched again, the least recently used removed.

``$SPECIALIZE_CACHE_GB`` says how large (20). Several processes share it without a lock: a file that
one of them removes under another's hands is fetched once more.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from specialize.errors import ConfigurationError
from specialize.io.files import disk_full_named
from specialize.objects.address import cache_root

FOLDER = "shards"  # only files in a directory of this name are removed
DEFAULT_GB = 20.0  # a guess: some stores of the published size (docs/object_storage.md)
_STAY = 32  # files used last, which processes may be about to open
_STALE = 60.0  # seconds after which a use is noted; noting it more often would cost a hash each


class _Usage:
    """What this process knows of the cache's size; others add to it unseen."""

    def __init__(self) -> None:
        self.root = Path()
        self.bytes = self.since = 0  # at the last look, and added since


_usage = _Usage()


def limit() -> int:
    """The bytes that the cache may have.

    Raises:
        ConfigurationError: the variable is no positive number.
    """
    named = os.environ.get("SPECIALIZE_CACHE_GB")
    try:
        size = DEFAULT_GB if named is None else float(named)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise ConfigurationError(f"SPECIALIZE_CACHE_GB must be a positive number, not {named!r}")
    return int(size * 1e9)


def note_use(path: Path) -> None:
    """Say that ``path`` was used now."""
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime > _STALE:
            os.utime(path)


def keep(path: Path, content: bytes) -> None:
    """Write a file of the cache, and remove others that were not used for longest.

    It is whole or absent, but not synced: what a power loss makes of it is seen by its hash.

    Raises:
        DiskFullError: no room on the disk.
    """
    make_room(len(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        with disk_full_named(path, len(content)):
            temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _usage.since += len(content)


class _File(NamedTuple):
    used: float
    bytes: int
    path: str


def make_room(needed: int) -> None:
    """Remove files until ``needed`` bytes more are in the limit, but never those used last."""
    most, root = limit(), cache_root()
    known = _usage.root == root and _usage.since <= most // 16
    if known and _usage.bytes + _usage.since + needed <= most:
        return
    files = sorted(_files(root))
    total = sum(file.bytes for file in files)
    for file in files[:-_STAY]:
        if total + needed <= most:
            break
        with suppress(FileNotFoundError):
            os.unlink(file.path)
        total -= file.bytes
    _usage.root, _usage.bytes, _usage.since = root, total, 0


def _files(root: Path) -> list[_File]:
    """Every file that may be removed."""
    found = []
    for folder, folders, names in os.walk(root):
        if os.path.basename(folder) != FOLDER:
            continue
        folders.clear()
        for name in names:
            path = os.path.join(folder, name)
            with suppress(FileNotFoundError):
                about = os.stat(path, follow_symlinks=False)
                found.append(_File(about.st_mtime, about.st_size, path))
    return found
