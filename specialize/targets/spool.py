"""What was made of the texts, kept between learning from them and projecting them.

In a file without a name beside the targets, which is gone with the process however it ends: 20
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
from align.prefix.shard_arrays import Offsets
from specialize.io.files import disk_full_named
from specialize.targets.projecting import Prepared

Scalar = TypeVar("Scalar", bound=np.generic)


class _Place(NamedTuple):
    """Where a shard begins, and how many samples and tokens of student and teacher it has."""

    start: int
    samples: int
    tokens: int
    source: int


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
        """Keep ``prepared``, which has offsets, as what was made of shard ``number``.

        Raises:
            DiskFullError: no room for the file.
        """
        tokens, offsets = prepared.tokens, prepared.offsets
        if offsets is None:
            raise ValueError("a shard without offsets is not kept: it is made again as fast")
        arrays: list[NDArray[np.generic]] = [
            tokens.indptr,
            tokens.ids,
            offsets.source,
            offsets.target,
        ]
        place = _Place(self._end, len(tokens), len(tokens.ids), len(offsets.source))
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
        place, samples, tokens, source = self._places[number]

        def following(dtype: type[Scalar], count: int) -> NDArray[Scalar]:
            nonlocal place
            # forked processes share where a file stands, so that is not asked
            content = os.pread(self.fileno(), count * np.dtype(dtype).itemsize, place)
            place += len(content)
            return np.frombuffer(bytearray(content), dtype)

        read = Ragged(following(np.int64, samples + 1), following(np.int32, tokens))
        of_source = following(np.int32, 2 * source).reshape(source, 2)
        of_target = following(np.int32, 2 * tokens).reshape(tokens, 2)
        return Prepared(read, offsets=Offsets(of_source, of_target))
