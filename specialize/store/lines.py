"""The responses of a shard as the lines of its file, decoded when one of them is asked for.

    shard.responses[3].text          decodes all lines, once
    StoreWriter.write(7, shard)      writes the lines as they are

The align stage reads every text in its first pass; in the second the lines go from the store of
responses to that of targets without being read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from specialize.records import Response
from specialize.store.text_lines import encode_texts


class Lines(Sequence[Response]):
    """Responses that nobody has changed since they were read.

    Args:
        texts: the file.
        text_ptr: (n + 1,) where each line begins, and where the last ends.
        keys: (n,) of the responses.
        decode: makes responses of the lines; raises StoreError where one is none.
    """

    def __init__(
        self,
        texts: bytes,
        text_ptr: NDArray[np.int64],
        keys: Sequence[tuple[str, int]],
        decode: Callable[[], Sequence[Response]],
    ) -> None:
        self.texts, self.text_ptr, self.keys, self._decode = texts, text_ptr, keys, decode
        self._decoded: Sequence[Response] | None = None

    def __len__(self) -> int:
        return len(self.text_ptr) - 1

    @overload
    def __getitem__(self, index: int) -> Response: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Response]: ...
    def __getitem__(self, index: int | slice) -> Response | Sequence[Response]:
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded[index]


def lines_of(responses: Sequence[Response]) -> tuple[bytes, NDArray[np.int64]]:
    """All lines, and (n + 1,) where each begins and the last ends.

    Raises:
        ValueError: half of a surrogate pair; says in which sample.
    """
    if isinstance(responses, Lines):
        return responses.texts, responses.text_ptr
    lines = encode_texts(responses)
    return b"".join(lines), np.cumsum([0, *map(len, lines)], dtype=np.int64)


def keys_of(responses: Sequence[Response]) -> Sequence[tuple[str, int]]:
    """(n,) their keys."""
    return responses.keys if isinstance(responses, Lines) else [each.key for each in responses]


def thinking_tokens(responses: Sequence[Response]) -> NDArray[np.int64]:
    """(n,) how many tokens of each are those of its thinking."""
    if isinstance(responses, Lines) and b'"thinking_tokens":' not in responses.texts:
        return np.zeros(len(responses), np.int64)
    return np.array([response.thinking_tokens for response in responses], np.int64)
