"""A file mapped into memory, and what tells whether it is still the one that was hashed.

A shard that was read once is closed when many others have been read since. Opened again it is not
hashed again, as long as the file system says that nobody has written to it: the same file, as
large, changed last at the same nanosecond.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import NamedTuple

from specialize.errors import StoreError
from specialize.store.layout import FileMark, open_plain
from specialize.store.remote import bring


class State(NamedTuple):
    """Which file it was, and when it changed last."""

    path: str
    device: int
    inode: int
    size: int
    changed_ns: int


def state_of(path: Path, mark: FileMark) -> State:
    """The state of a regular file, fetched first where it should be here and is not.

    Raises:
        StoreError: it is missing, or no regular file.
    """
    bring(path, mark)
    handle = open_plain(path)
    try:
        return _state(path, handle)
    finally:
        os.close(handle)


def mapped(path: Path, mark: FileMark) -> tuple[mmap.mmap, State]:
    """The file's content and its state; fetched first where it should be here and is not.

    Raises:
        StoreError: it is missing, no regular file, or has not the size of ``mark``.
    """
    bring(path, mark)
    handle, size = open_plain(path), mark.bytes
    try:
        state = _state(path, handle)
        if state.size != size or size == 0:
            raise StoreError(f"{path} has {state.size:,} bytes instead of {size:,}; dump it again")
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ), state
    finally:
        os.close(handle)


def _state(path: Path, handle: int) -> State:
    found = os.fstat(handle)
    return State(str(path), found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
