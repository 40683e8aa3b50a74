"""What was made of the texts, kept between learning from them and projecting them.

In a file without a name beside the targets, which is gone with the process however it ends: 21
bytes a position. Processes that are forked can read it side by side.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from align import Ragged
from align.blocks import Blocks
from specialize.io.files import disk_full_named
from specialize.targets.projecting import Prepared

Scalar = TypeVar("Scalar", bound=np.generic)


class _Place(NamedTuple):
    """Where a shard begins, and how many samples, tokens and blocks it has."""

    start: int
    samples: int
    tokens: int
    blocks: int


class Spool:
    """Prepared shards in the order in which they came; use it in a ``with`` block.

    Args:
        folder: where the file is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = TemporaryFile("w+b", dir=str(folder))  # noqa: SIM115
        self._places: dict[int, _Place] = {}
        self._end = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def append(self, number: int, prepared: Prepared) -> None:
        """Keep ``prepared``, which has blocks, as what was made of shard ``number``.

        Raises:
            DiskFullError: no room for the file.
        """
        tokens, blocks = prepared.tokens, prepared.blocks
        if blocks is None:
            raise ValueError("a shard without blocks is not kept: it is made again as fast")
        arrays: list[NDArray[np.generic]] = [
            tokens.indptr,
            blocks.indptr,
            tokens.ids,
            blocks.groups,
            blocks.kind,
        ]
        place = _Place(self._end, len(tokens), len(tokens.ids), len(blocks.kind))
        size = sum(array.nbytes for array in arrays)
        with disk_full_named(self._folder / "aligned texts", size):
            self._file.seek(self._end)
            for array in arrays:
                self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
        self._places[number] = place
        self._end += size

    def read(self, number: int) -> Prepared:
        """The shard that was appended as ``number``."""
        place, samples, tokens, blocks = self._places[number]

        def following(dtype: type[Scalar], count: int) -> NDArray[Scalar]:
            nonlocal place
            # forked processes share where a file stands, so that is not asked
            content = os.pread(self.fileno(), count * np.dtype(dtype).itemsize, place)
            place += len(content)
            return np.frombuffer(bytearray(content), dtype)

        token_ptr, block_ptr = (following(np.int64, samples + 1) for _ in range(2))
        ids = following(np.int32, tokens)
        groups = following(np.int32, 4 * blocks).reshape(blocks, 4)
        kind = following(np.uint8, blocks)
        return Prepared(Ragged(token_ptr, ids), Blocks(block_ptr, groups, kind))
