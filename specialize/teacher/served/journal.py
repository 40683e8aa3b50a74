"""Every raw answer of a server, on disk before it is looked at: nothing is paid for twice.

One line of ``journal.jsonl``, the raw bytes deflated::

    {"body":{"raw":"eJyrVkrOz0vO...","request":"5e884898da28..."},"crc32":"9a1b2c3d"}

A request may have several answers: those that failed their proof were asked again. A process that
is killed leaves at most a torn last line; that, like any damaged line, is as good as none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from specialize.io.files import append_line
from specialize.store.sealed import Json, seal, unseal
from specialize.teacher.served.wire import Request

MAX_RAW = 1 << 28  # bytes of one answer


class Journal:
    """The answers at ``path``; None keeps nothing. One process at a time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: defaultdict[str, list[tuple[int, int]]] | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._torn = False  # the last line has no newline yet
        self.repeated = 0  # answers that were given from here
        self.damaged = 0  # lines that could not be read

    def answers(self, request: Request) -> list[bytes]:
        """The raw answers to ``request`` so far, in order."""
        lines = self._index().get(request.key, ())
        if self._path is None or not lines:
            return []
        with self._path.open("rb") as file:
            answers = []
            for start, length in lines:
                file.seek(start)
                answers.append(_raw(unseal(file.read(length))))
        self.repeated += len(answers)
        return answers

    async def keep(self, request: Request, raw: bytes) -> None:
        """Return when ``raw`` is on the disk; answers that arrive together share one fsync.

        Raises:
            DiskFullError: no room; the journal is as it was.
        """
        if self._path is None:
            return
        packed = base64.b64encode(zlib.compress(raw, 1)).decode()
        body: dict[str, Json] = {"request": request.key, "raw": packed}
        line = seal(body)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._write)
        self._waiting.append((line, done))
        await done

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._index()
            if self._path is not None:
                torn, self._torn = b"\n" if self._torn else b"", False
                append_line(self._path, torn + b"".join(line for line, _ in waiting))
        except BaseException as error:
            for _, done in waiting:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in waiting:
            if not done.done():
                done.set_result(None)

    def _index(self) -> defaultdict[str, list[tuple[int, int]]]:
        """Start and length of every line that an earlier process left."""
        if self._lines is None:
            self._lines = defaultdict(list)
            if self._path is not None and self._path.exists():
                self._read(self._path, self._lines)
        return self._lines

    def _read(self, path: Path, lines: defaultdict[str, list[tuple[int, int]]]) -> None:
        start = 0
        with path.open("rb") as file:
            for line in file:
                self._torn = not line.endswith(b"\n")
                try:
                    body = unseal(line)
                    _raw(body)
                    lines[str(body["request"])].append((start, len(line)))
                except (ValueError, KeyError):
                    self.damaged += 1  # this answer is asked for again
                start += len(line)


def _raw(body: Mapping[str, Json]) -> bytes:
    try:
        unpack = zlib.decompressobj()
        return unpack.decompress(base64.b64decode(str(body["raw"])), MAX_RAW)
    except (binascii.Error, zlib.error, KeyError) as error:
        raise ValueError(f"not an answer: {error}") from error
