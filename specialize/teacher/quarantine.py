"""Responses that could not be believed: listed beside the shards, counted, never trained on.

One line of ``quarantine.jsonl``; what the server answered is in the journal::

    {"body":{"example":"gsm8k/train/00017","reason":"a mass above 1","sample":3},"crc32":"9a1b2c3d"}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from specialize.errors import TeacherError
from specialize.io.files import append_line, write_atomically
from specialize.store.layout import QUARANTINE
from specialize.store.sealed import seal, unseal
from specialize.teacher.asks import Ask

PREFIX = "quarantined: "  # of the reason, in a store's counts
MOST = 0.01  # share of the requested responses that may be rejected before the dump stops
ALWAYS = 5  # this many may be, however few were requested


class Quarantine:
    """The list in a store's directory; the store's lock guards it.

    Args:
        committed: what the finished shards hold or lost. Lines about anything else are of a shard
            that was never finished and is requested again; they are removed.
    """

    def __init__(self, store: Path, committed: Iterable[Ask]) -> None:
        self._path = store / QUARANTINE
        kept = {(ask.example.id, ask.sample) for ask in committed}
        there = self._path.is_file() and not self._path.is_symlink()
        before = self._path.read_bytes().splitlines(keepends=True) if there else []
        self._lines = [line for line in before if _key(line) in kept]
        if self._lines != before:
            write_atomically(self._path, b"".join(self._lines))

    def add(self, rejected: Sequence[tuple[Ask, str]]) -> None:
        """List the rejected responses of a shard, before it is committed."""
        lines = [
            seal({"example": ask.example.id, "sample": ask.sample, "reason": reason})
            for ask, reason in rejected
        ]
        if lines:
            append_line(self._path, b"".join(lines))
            self._lines += lines

    def check(self, requested: int) -> None:
        """Stop before a server that cannot be believed is paid any further.

        Raises:
            TeacherError: more than ``MOST`` of ``requested`` responses are listed.
        """
        if len(self._lines) > max(ALWAYS, MOST * requested):
            last = unseal(self._lines[-1])
            raise TeacherError(
                f"{len(self._lines)} of {requested} responses could not be believed, the last "
                f"({last['example']}, sample {last['sample']}) for this: {last['reason']}; "
                f"{self._path} lists them. Mend the server, or leave these questions out"
            )


def _key(line: bytes) -> tuple[object, object] | None:
    """Which response a line is about; None for a torn line."""
    try:
        body = unseal(line)
        return body["example"], body["sample"]
    except (ValueError, KeyError):
        return None
