"""What a disk may hold after the power fails: a record of file operations, replayed to any moment.

An operation that was not synced may have happened or not. Of a file's bytes only those before its
last fsync are sure; what was written since may be missing, cut, zeros or garbage. Of a directory's
names only those before its last fsync are sure; each later one may be there or not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

Fill = Callable[[bytes], bytes]
FILLS: dict[str, Fill] = {
    "as written": lambda lost: lost,
    "missing": lambda lost: b"",
    "half": lambda lost: lost[: len(lost) // 2],
    "garbage": lambda lost: b"\xa5" * len(lost),
    "zeros": lambda lost: bytes(len(lost)),
}


@dataclass(frozen=True)
class Operation:
    """``mkdir``, ``write``, ``truncate``, ``sync``, ``replace``, ``unlink`` or ``mark``."""

    name: str
    path: str
    content: bytes = b""
    target: str = ""
    size: int = 0


@contextmanager
def recorded(root: Path) -> Iterator[list[Operation]]:
    """Every file operation below ``root``, in order; what is yielded can be marked."""
    log: list[Operation] = []

    def below(path: object) -> str | None:
        text = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
        inside = text == str(root) or text.startswith(f"{root}/")
        return os.path.relpath(text, root) if inside and not text.endswith(".lock") else None

    def wrapped(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def recording(path: object, *rest: object, **options: object) -> object:
            where = below(path)
            if where is None:
                return call(path, *rest, **options)
            done = call(path, *rest, **options)
            if name == "write":
                log.append(Operation(name, where, content=bytes(rest[0])[:done]))
            elif name == "replace":
                log.append(Operation(name, where, target=below(rest[0]) or ""))
            else:
                log.append(Operation(name, where, size=rest[0] if name == "truncate" else 0))
            return done

        return recording

    calls = {
        "write": "write", "fsync": "sync", "replace": "replace", "unlink": "unlink",
        "ftruncate": "truncate", "mkdir": "mkdir",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for call, name in calls.items():
            patch.setattr(os, call, wrapped(name, vars(os)[call]))
        yield log


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    sure: int = 0  # leading bytes that were synced


@dataclass
class _Change:
    """A change of names in one directory that is not sure yet."""

    folder: str
    gone: str = ""
    there: str = ""
    file: _File | None = None  # None: a directory


Names = dict[str, _File | None]


class Disk:
    """The disk after a number of operations."""

    def __init__(self) -> None:
        self._names: Names = {".": None}  # as the system shows them
        self._sure: Names = {".": None}
        self._changes: list[_Change] = []

    def apply(self, operation: Operation) -> None:
        path, folder = operation.path, os.path.dirname(operation.path) or "."
        if operation.name == "mkdir":
            self._change(_Change("." if path == "." else folder, there=path))
        elif operation.name == "write":
            if path not in self._names:
                self._change(_Change(folder, there=path, file=_File()))
            self._file(path).content += operation.content
        elif operation.name == "truncate":
            file = self._file(path)
            del file.content[operation.size :]
            file.sure = min(file.sure, operation.size)
        elif operation.name == "replace":
            self._change(_Change(folder, gone=path, there=operation.target, file=self._names[path]))
        elif operation.name == "unlink":
            self._change(_Change(folder, gone=path))
        elif operation.name == "sync":
            self._sync(path)

    def _file(self, path: str) -> _File:
        file = self._names[path]
        assert file is not None
        return file

    def _change(self, change: _Change) -> None:
        self._changes.append(change)
        _alter(self._names, change)

    def _sync(self, path: str) -> None:
        file = self._names.get(path)
        if file is not None:
            file.sure = len(file.content)
            return
        for change in [one for one in self._changes if one.folder == path]:
            _alter(self._sure, change)
            self._changes.remove(change)

    def states(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """What may be left, each with a description: names in several ways, bytes in several."""
        count = len(self._changes)
        chosen = {tuple(range(count)), ()}
        chosen |= {(i,) for i in range(count)}
        chosen |= {tuple(j for j in range(count) if j != i) for i in range(count)}
        for kept in sorted(chosen):
            names = dict(self._sure)
            for i in kept:
                _alter(names, self._changes[i])
            for fill, harm in FILLS.items():
                yield f"{len(kept)} of {count} changes, {fill}", _contents(names, harm)


def _alter(names: Names, change: _Change) -> None:
    if change.gone:
        names.pop(change.gone, None)
    if change.there:
        names[change.there] = change.file


def _contents(names: Names, harm: Fill) -> dict[str, bytes]:
    """Files by name; one whose directory is gone is gone too."""
    found: dict[str, bytes] = {}
    for path, file in names.items():
        parents = [part.as_posix() for part in Path(path).parents]
        if file is not None and all(parent in names for parent in parents):
            sure, lost = file.content[: file.sure], file.content[file.sure :]
            found[path] = bytes(sure) + harm(bytes(lost))
    return found


def lay_out(root: Path, files: dict[str, bytes]) -> None:
    """Make ``files`` below ``root``."""
    root.mkdir(parents=True)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
