"""Counts how often the files below a directory are opened for reading, by an audit hook."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WATCHED: list[tuple[Path, Counter[Path]]] = []
_INSTALLED: list[bool] = []


@contextmanager
def counted_opens(folder: Path) -> Iterator[Counter[Path]]:
    """By path, how many times each file in ``folder`` is opened for reading inside the block."""
    if not _INSTALLED:  # an audit hook cannot be taken out again
        sys.addaudithook(_hear)
        _INSTALLED.append(True)
    entry = (folder.resolve(), Counter[Path]())
    _WATCHED.append(entry)
    try:
        yield entry[1]
    finally:
        _WATCHED.remove(entry)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _WATCHED:
        return
    path, _, flags = arguments
    if not isinstance(path, str | os.PathLike) or not isinstance(flags, int):
        return
    written = flags & (os.O_WRONLY | os.O_CREAT)
    for folder, counts in _WATCHED:
        resolved = Path(os.path.abspath(path))
        if not written and resolved.is_relative_to(folder) and not resolved.is_dir():
            counts[resolved] += 1
