"""Token ids of many sequences, one after another: in memory, or in a file that is read in parts.

    append([27, 10, 1]) -> 0,  append([27, 9, 9, 1]) -> 3          read(3, 4) -> [27, 9, 9, 1]

The file is four bytes an id, little endian. It is read by offset, not mapped, so that what was read
does not stay in memory.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.errors import StoreError
from specialize.io.files import disk_full_named

_TYPE = np.dtype("<i4")
_MOST = 1 << 20  # ids that wait to be written


class Ids:
    """Sequences of ids that are written once, from the first to the last, and then read.

    Args:
        path: the file that holds them; None: memory does.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._parts: list[NDArray[np.int32]] = []  # in memory, or not yet written
        self._waiting = self._count = 0
        self._hash = hashlib.sha256()

    def append(self, ids: NDArray[np.int32]) -> int:
        """Where the sequence begins, to be given to ``read``.

        Raises:
            DiskFullError: no room.
        """
        start, content = self._count, np.ascontiguousarray(ids, _TYPE)
        self._hash.update(content.data)
        self._parts.append(content)
        self._count += len(content)
        self._waiting += len(content)
        if self._path is not None and self._waiting >= _MOST:
            self._write(self._path)
        return start

    def finish(self) -> None:
        """Nothing more is appended; what was is on the disk."""
        if self._path is not None:
            self._write(self._path)
        self._parts = [np.concatenate([np.zeros(0, _TYPE), *self._parts])]

    def _write(self, path: Path) -> None:
        content = np.concatenate([np.zeros(0, _TYPE), *self._parts])
        begun = self._waiting < self._count
        with disk_full_named(path, content.nbytes), path.open("ab" if begun else "wb") as file:
            file.write(content.data)
            file.flush()
            os.fsync(file.fileno())
        self._parts.clear()
        self._waiting = 0

    def read(self, start: int, count: int) -> NDArray[np.int32]:
        """(count,) int32, from ``start`` on.

        Raises:
            StoreError: the file is shorter than what was written.
        """
        if self._path is None:
            return self._parts[0][start : start + count]
        file = os.open(self._path, os.O_RDONLY)
        try:
            found = os.pread(file, count * _TYPE.itemsize, start * _TYPE.itemsize)
        finally:
            os.close(file)
        if len(found) != count * _TYPE.itemsize:
            raise StoreError(f"{self._path} is too short; remove it, and it is made again")
        return np.frombuffer(found, _TYPE).astype(np.int32, copy=False)

    @property
    def digest(self) -> str:
        """sha256 of all ids."""
        return self._hash.hexdigest()

    @classmethod
    def reopened(cls, path: Path, digest: str) -> Ids | None:
        """The ids in ``path``, to be read; None where they are not those of ``digest``.

        Raises:
            OSError: the file cannot be read.
        """
        ids = cls(path)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                ids._hash.update(block)
        return ids if ids.digest == digest else None
