"""Sealed JSON: a value, and the CRC of its bytes, on one line.

    {"body":{"k":5,"kind":"responses"},"crc32":"9a1b2c3d"}

The line is canonical (sorted keys, no spaces, UTF-8), and a line that is not canonical is refused,
so that every single bit of it is covered.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

from specialize.records import Json as Json


def canonical(value: Json | Mapping[str, Json]) -> bytes:
    """The one way to write ``value``: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        ValueError: NaN, infinity, half of a surrogate pair, or what JSON does not know.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except TypeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except UnicodeEncodeError as error:
        half, before = ord(text[error.start]), text[max(0, error.start - 20) : error.start]
        raise ValueError(
            f"U+{half:04X} after {before!r} is half of a surrogate pair, which is not text"
        ) from error


def seal(body: Mapping[str, Json]) -> bytes:
    """``body`` as one sealed line, newline included."""
    content = canonical(body)
    return b'{"body":%b,"crc32":"%08x"}\n' % (content, zlib.crc32(content))


def unseal(line: bytes) -> dict[str, Json]:
    """The body of a sealed line.

    Raises:
        ValueError: the line is not whole, not JSON, or not what was written.
    """
    try:
        value = json.loads(line)
        body: dict[str, Json] = value["body"]
        whole = isinstance(body, dict) and seal(body) == line
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a sealed line: {line[:60]!r}") from error
    if not whole:
        raise ValueError(f"the CRC does not fit the line: {line[:60]!r}")
    return body
