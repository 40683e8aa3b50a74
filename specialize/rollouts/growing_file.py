"""A file of JSON lines that grows by whole blocks, and has its name once it is finished.

rollouts.jsonl.settings     what the lines follow from
rollouts.jsonl.partial      the blocks that are there; a torn one is cut off
rollouts.jsonl              all of them
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from specialize.errors import ConfigurationError, InputError
from specialize.io.files import append_line, make_directory, remove, write_atomically
from specialize.io.lock import sole_holder
from specialize.store import differences
from specialize.store.sealed import Json


class GrowingFile:
    """Lines in blocks of ``block``, ``lines`` in all, that follow from ``settings``.

    Raises:
        ConfigurationError: the file is there already, of other settings or of somebody else.
    """

    def __init__(self, path: Path, settings: Mapping[str, Json], *, lines: int, block: int) -> None:
        self.path, self._lines, self._block = path, lines, block
        self._partial = path.with_name(f"{path.name}.partial")
        self._about, self._settings = path.with_name(f"{path.name}.settings"), settings
        self._check()

    def _check(self) -> None:
        if not self._about.is_file():
            if self.path.exists():
                raise ConfigurationError(
                    f"{self.path} is there and was not drawn by this command; name another file"
                )
            return
        begun = self._read_settings()
        if differing := differences(begun, self._settings):
            told = "; ".join(differing).replace("in the store", "there")
            raise ConfigurationError(
                f"{self.path} was drawn with other settings ({told}); name another file, or remove "
                f"it with what is beside it to draw anew"
            )

    def _read_settings(self) -> Mapping[str, Json]:
        try:
            begun = json.loads(self._about.read_bytes())
        except (ValueError, RecursionError):
            begun = None
        if not isinstance(begun, dict):
            raise InputError(f"{self._about} is damaged; remove it with {self.path} to draw anew")
        return begun

    @property
    def is_finished(self) -> bool:
        """Whether every line is there."""
        return self.path.is_file()

    @contextmanager
    def missing(self) -> Iterator[list[slice]]:
        """The blocks to be added, in order, while no other process adds any.

        Raises:
            LockedError: another process does.
        """
        make_directory(self.path.parent)
        lock = self.path.with_name(f".{self.path.name}.lock")
        refusal = f"another process draws {self.path}; wait for it, or name another file"
        with sole_holder(lock, lambda: refusal):
            write_atomically(self._about, json.dumps(dict(self._settings), sort_keys=True).encode())
            starts = range(self._whole_blocks() * self._block, self._lines, self._block)
            yield [slice(start, min(start + self._block, self._lines)) for start in starts]

    def _whole_blocks(self) -> int:
        """How many blocks are there; what follows them is cut off."""
        lines = self._partial.read_bytes().splitlines(True) if self._partial.is_file() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        blocks = len(whole) // self._block
        if lines != (kept := lines[: blocks * self._block]):
            write_atomically(self._partial, b"".join(kept))
        return blocks

    def add(self, records: Sequence[Mapping[str, Json]]) -> None:
        """Append one block in one write."""
        lines = (json.dumps(record, ensure_ascii=False, sort_keys=True) for record in records)
        append_line(self._partial, "".join(f"{line}\n" for line in lines).encode())

    def finish(self) -> None:
        """Give the lines their file's name."""
        write_atomically(self.path, self._partial.read_bytes())
        remove(self._partial)
