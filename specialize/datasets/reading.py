"""Text and JSON from files, with every fault named by file and line.

One worked record: a third line that reads ``{"question": "How`` is the error
``train.jsonl, line 3, is not JSON (Unterminated string ...): '{"question": "How'``.

A byte-order mark and Windows line ends are accepted. NUL characters and lone surrogates, which no
tokenizer takes, are refused with the line.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path

from specialize.errors import InputError

Record = Mapping[str, object]
MAX_UNPACKED = 1 << 31  # bytes of a file that is packed
_MANY_TIMES = 200  # text is packed to a tenth, and what is longer than this is a trap
_BELIEVED = 1 << 25  # bytes that a file may unpack to, however small it is
_PIECE = 1 << 20
SHOWN = 60  # characters of a faulty line in an error


def _unpacked(content: bytes, path: Path) -> bytes:
    """What a gzip file holds, read as long as it is in proportion to what was read for it."""
    pieces, size = [], 0
    source = io.BytesIO(content)
    with gzip.GzipFile(fileobj=source) as packed:
        while piece := packed.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > min(MAX_UNPACKED, max(_BELIEVED, _MANY_TIMES * source.tell())):
                raise InputError(
                    f"{path} unpacks to more than {size - 1:,} bytes; unpack it yourself if it is "
                    f"no trap"
                )
    return b"".join(pieces)


def read_text(path: Path, expected: str) -> str:
    """The text of a UTF-8 file, with ``\\n`` line ends and without byte-order mark.

    Args:
        path: the file.
        expected: what the file should be, for the error ("GSM8K train as JSON lines").

    Raises:
        InputError: no such file, a directory, a damaged or too large archive, or not UTF-8.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = _unpacked(content, path)
    except FileNotFoundError:
        raise InputError(f"no file {path}; expected there: {expected}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory; expected a file: {expected}") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: {reason}; expected there: {expected}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}, is not UTF-8 (byte {error.start}); expected: {expected}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def json_lines(
    path: Path, expected: str, faults: list[str] | None = None
) -> Iterator[tuple[str, Record]]:
    """Every JSON object of a file of JSON lines, with its place; empty lines are passed over.

    Args:
        path: the file.
        expected: what the file should be, for the error.
        faults: takes what is wrong with a line, which is then passed over; None: it is an error.

    Raises:
        InputError: a line that is no JSON object, or an empty file.
    """
    found = False
    for number, line in enumerate(read_text(path, expected).split("\n"), 1):
        if not line.strip():
            continue
        found = True
        where = f"{path}, line {number}"
        try:
            record = _parse_object(line, where)
        except InputError as error:
            if faults is None:
                raise InputError(f"{error}; expected: {expected}") from None
            faults.append(str(error))
        else:
            yield where, record
    if not found:
        raise InputError(f"{path} is empty; expected: {expected}")


def json_document(path: Path, expected: str) -> object:
    """The one JSON value of a file.

    Raises:
        InputError: the file is not JSON, with the line.
    """
    text = read_text(path, expected)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.split("\n")
        line = lines[error.lineno - 1]
        raise InputError(
            f"{path}, line {error.lineno}, is not JSON ({error.msg}): {_start(line)}; "
            f"expected: {expected}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path} is not JSON that can be read ({error})") from None


def json_objects(values: object, path: Path, expected: str) -> Iterator[tuple[str, Record]]:
    """The objects of a JSON list, each with its place (counted from 0).

    Raises:
        InputError: no list, an empty one, or a value in it that is no object.
    """
    if not isinstance(values, list):
        raise InputError(f"{path} holds no JSON list; expected: {expected}")
    if not values:
        raise InputError(f"{path} holds an empty list; expected: {expected}")
    for number, value in enumerate(values):
        where = f"{path}, record {number}"
        if not isinstance(value, dict):
            raise InputError(f"{where}, is {type(value).__name__}, not an object")
        yield where, value


def text_field(record: Record, key: str, where: str) -> str:
    """The text under ``key``, checked to be text that can be tokenized.

    Raises:
        InputError: no such field, not text, or text that cannot be tokenized.
    """
    value = _field(record, key, where)
    if not isinstance(value, str):
        raise InputError(f"{where}: {key!r} must be text, got {value!r:.60}")
    return clean_text(value, where)


def number_field(record: Record, key: str, where: str) -> str:
    """The number under ``key`` as text: 51.0 gives "51", 2.5 gives "2.5".

    Raises:
        InputError: no such field, or no finite number.
    """
    value = _field(record, key, where)
    if isinstance(value, str):
        return clean_text(value, where).strip().removesuffix(".0")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{where}: {key!r} must be a number, got {value!r:.60}")
    if not isfinite(value):
        raise InputError(f"{where}: {key!r} must be a finite number, got {value!r}")
    return str(int(value)) if value == int(value) else repr(value)


def clean_text(text: str, where: str) -> str:
    """``text`` itself, if it holds neither NUL nor a lone surrogate.

    Raises:
        InputError: it holds one of them, with the place.
    """
    if "\0" in text:
        raise InputError(f"{where}: NUL character in {_start(text)}; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: lone surrogate {text[error.start]!a} in {_start(text)}; repair the file"
        ) from None
    return text


def _parse_object(line: str, where: str) -> Record:
    try:
        value = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, is not JSON ({error.msg}): {_start(line)}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{where}, is not JSON that can be read ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}, is not a JSON object: {_start(line)}")
    return value


def _unique(pairs: list[tuple[str, object]]) -> Record:
    """A JSON object in which no key is repeated: the last would silently hide the others."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} appears twice")
    return record


def _field(record: Record, key: str, where: str) -> object:
    if key not in record:
        known = ", ".join(sorted(map(str, record))) or "none"
        raise InputError(f"{where}: no field {key!r}; fields there: {known}")
    return record[key]


def _start(text: str) -> str:
    return ascii(text[:SHOWN] + ("..." if len(text) > SHOWN else ""))
