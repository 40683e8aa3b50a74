"""The front of a GGUF file: what its metadata says, and where its tensors lie.

    magic "GGUF" | version | tensors | entries       little-endian; counts of 8 bytes
    key, type, value                                 for every entry of the metadata
    name, dimensions, type, offset                   for every tensor
    padding to general.alignment, then the tensors

    read_gguf(Path("SmolLM2.gguf")).metadata["tokenizer.ggml.pre"]   ->  "smollm"

Nothing that the file says of itself is believed beyond the file's own size: a count that cannot fit
ends the reading at once, and a text that runs past the end is damage, never an empty text. The
layout is that of ggml's documentation, docs/gguf.md in ggml-org/ggml.
"""

from __future__ import annotations

import importlib.util
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import ConfigurationError, InputError

Value = int | float | bool | str | tuple["Value", ...]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_ALIGNMENT = 32  # of files that name none
_MOST_DIMENSIONS = 4
_SPLIT = "split.count"


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor's place: ``start`` bytes into the file, in blocks of the ggml type ``type``."""

    name: str
    dimensions: tuple[int, ...]  # the innermost first
    type: int
    start: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """All of a GGUF file but its tensors."""

    path: Path
    size: int
    metadata: Mapping[str, Value]
    tensors: tuple[GgufTensor, ...]

    def text(self, key: str) -> str | None:
        """The text under ``key``; None where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def whole(self, key: str) -> int | None:
        """The whole number under ``key``; None where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, key: str) -> bool | None:
        """The yes or no under ``key``; None where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, bool) else None

    def values(self, key: str) -> tuple[Value, ...]:
        """The array under ``key``; empty where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, tuple) else ()


def is_gguf(path_or_id: str | Path) -> bool:
    """Whether a name is that of a GGUF file, by its ending alone."""
    return str(path_or_id).lower().endswith(".gguf")


def check_gguf_package() -> None:
    """Refuse to go on where the package that reads the tensors is missing.

    Raises:
        ConfigurationError: with the line that installs it.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ConfigurationError(
            "a model in a GGUF file needs the package gguf; pip install 'specialize[gguf]'"
        )


def read_gguf(path: Path) -> GgufFile:
    """The metadata and the tensors' places.

    Raises:
        InputError: there is no such file, it is no GGUF file, one of several parts, or damaged.
    """
    if not path.is_file():
        raise InputError(f"no model at {path}: there is no such file")
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < len(_MAGIC) or file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{path} is no GGUF file: it does not begin with the letters GGUF")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _read(_Reader(content, path), path, size)


def _read(reader: _Reader, path: Path, size: int) -> GgufFile:
    version = reader.number("I")
    if version not in _VERSIONS:
        swapped = int(version).to_bytes(4, "little")
        which = "of big-endian machines" if swapped[:3] == b"\0\0\0" else f"of version {version}"
        raise InputError(
            f"{path} is a GGUF file {which}; versions {_VERSIONS[0]} and {_VERSIONS[1]} in "
            f"little-endian order are read: convert the model again"
        )
    tensors, entries = int(reader.number("Q")), int(reader.number("Q"))
    reader.expect(entries, 13, "entries")
    metadata: dict[str, Value] = {}
    for _ in range(entries):
        key = reader.text()
        metadata[key] = reader.value(int(reader.number("I")), key)
    parts = metadata.get(_SPLIT, 1)
    if isinstance(parts, int) and parts > 1:
        raise InputError(
            f"{path} is one of {parts} parts of a model; join them with llama-gguf-split --merge"
        )
    reader.expect(tensors, 24, "tensors")
    found = [reader.tensor() for _ in range(tensors)]
    step = metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(step, int) or step < 1:
        raise InputError(f"{path} is damaged: its general.alignment is {step!r}")
    data = -(-reader.at // step) * step
    placed = tuple(GgufTensor(n, d, kind, data + offset) for n, d, kind, offset in found)
    for tensor in placed:
        if tensor.start > size:
            raise InputError(
                f"{path} is damaged or cut short: tensor {tensor.name} begins at byte "
                f"{tensor.start:,} of {size:,}; get the file again"
            )
    return GgufFile(path, size, metadata, placed)


class _Reader:
    """Reads on from a place in the file, and refuses to run past its end."""

    def __init__(self, content: mmap.mmap, path: Path) -> None:
        self.content, self.path, self.at, self.size = content, path, len(_MAGIC), len(content)

    def number(self, form: str) -> int | float | bool:
        return self.numbers(form, 1)[0]

    def numbers(self, form: str, count: int) -> tuple[int | float | bool, ...]:
        start = self._take(struct.calcsize(f"<{form}") * count, "numbers")
        return struct.unpack_from(f"<{count}{form}", self.content, start)

    def text(self) -> str:
        length = int(self.number("Q"))
        start = self._take(length, "text")
        try:
            return self.content[start : start + length].decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path} is damaged: the text at byte {start:,} is not UTF-8 ({error.reason})"
            ) from error

    def value(self, kind: int, key: str) -> Value:
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            raise self._unknown(kind, key)
        inner, count = int(self.number("I")), int(self.number("Q"))
        if inner in _NUMBERS:
            return self.numbers(_NUMBERS[inner], count)
        if inner != _STRING:
            raise self._unknown(inner, key)
        self.expect(count, 8, f"texts of {key}")
        return tuple(self.text() for _ in range(count))

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name, count = self.text(), int(self.number("I"))
        if count > _MOST_DIMENSIONS:
            raise InputError(f"{self.path} is damaged: tensor {name} has {count} dimensions")
        dimensions = tuple(int(n) for n in self.numbers("Q", count))
        return name, dimensions, int(self.number("I")), int(self.number("Q"))

    def expect(self, count: int, each: int, what: str) -> None:
        """Refuse ``count`` things of at least ``each`` bytes that the rest of the file cannot hold.

        Before the first is read, so that a damaged count costs nothing.
        """
        if count * each > self.size - self.at:
            raise InputError(
                f"{self.path} is damaged or cut short: {count:,} {what} cannot follow byte "
                f"{self.at:,} of {self.size:,}; get the file again"
            )

    def _take(self, length: int, what: str) -> int:
        """The place of the next ``length`` bytes, after which reading goes on."""
        start = self.at
        if length > self.size - start:
            raise InputError(
                f"{self.path} is damaged or cut short: {length:,} bytes of {what} cannot follow "
                f"byte {start:,} of {self.size:,}; get the file again"
            )
        self.at = start + length
        return start

    def _unknown(self, kind: int, key: str) -> InputError:
        return InputError(f"{self.path} is damaged: {key!r} has a value of unknown type {kind}")
