"""One shard as two files: arrays as safetensors, texts as JSON lines beside them.

Reading maps the arrays into memory; nothing is copied before it is asked for. safetensors finds no
flipped bit, so every file is hashed before the first row of it is given out.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors.numpy import save

from align.ragged import Ragged
from align.sparse import SparseDistributions, from_padded
from specialize.errors import StoreError
from specialize.records import Response
from specialize.store import passes
from specialize.store.arrays import (
    KEY_ARRAYS,
    POSITION_ARRAYS,
    expected_shapes,
    shard_arrays,
)
from specialize.store.description import FORMAT_VERSION, StoreDescription
from specialize.store.half import are_nothing
from specialize.store.layout import (
    ShardRecord,
    arrays_path,
    mark,
    read_plain,
    texts_path,
)
from specialize.store.lines import Lines, keys_of, lines_of
from specialize.store.mapped import State, mapped, state_of
from specialize.store.ragged import Arrays, Number, first_entries, integers, padded
from specialize.store.sealed import canonical
from specialize.store.shard import Shard, Texts
from specialize.store.text_lines import (
    NO_RESPONSE,
    decode_text,
    decode_texts,
)

_METADATA = "specialize"  # one key: with several, safetensors writes them in random order
_TYPES = {
    "U8": "u1",
    "U16": "<u2",
    "U32": "<u4",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
}


class EncodedShard(NamedTuple):
    """The manifest's record of a shard, its two files, and the keys and ids (rising) in them."""

    record: ShardRecord
    arrays: bytes
    texts: bytes
    keys: Sequence[tuple[str, int]]
    ids: NDArray[np.integer]


def encode_shard(
    number: int,
    shard: Shard,
    description: StoreDescription,
    counts: Mapping[str, int],
) -> EncodedShard:
    """What is written of a shard.

    Raises:
        ValueError: a sample that breaks a rule of the store.
    """
    texts, text_ptr = lines_of(shard.responses)
    arrays = shard_arrays(shard, text_ptr, description)
    about = {"format_version": FORMAT_VERSION, "kind": description.kind, "shard": number}
    content = save(arrays, {_METADATA: canonical(about).decode()})
    record = ShardRecord(
        shard=number,
        samples=len(shard),
        positions=len(arrays["token_id"]),
        arrays=mark(content),
        texts=mark(texts),
        keys_xxh3_128=_key_hash(arrays),
        counts=dict(counts),
    )
    used = np.zeros(description.vocabulary_size, np.bool_)
    for ids in _stored_ids(arrays):
        used[ids] = True
    return EncodedShard(record, content, texts, keys_of(shard.responses), np.flatnonzero(used))


def _stored_ids(
    arrays: Mapping[str, NDArray[Number]],
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    if "entry_id" in arrays:
        return integers(arrays, "token_id"), integers(arrays, "entry_id")
    tokens, entries = integers(arrays, "token_id"), integers(arrays, "topk_id")
    unused = are_nothing(arrays["topk_logprob"])
    return tokens, entries[~unused] if unused.any() else entries.ravel()


def _key_hash(arrays: Mapping[str, NDArray[Number]]) -> str:
    joined = xxhash.xxh3_128()
    for name in KEY_ARRAYS:
        joined.update(np.ascontiguousarray(arrays[name]).data)
    return joined.hexdigest()


class ShardFile:
    """A committed shard, mapped into memory.

    The size is checked here, the hash when the first row is read.

    Args:
        root: the store's directory.
        record: of the shard, from the manifest.
        description: of the store.
        hashed: files that need not be hashed again; those that pass here join them.

    Raises:
        StoreError: a file is missing, has another size, or does not hold a shard's arrays.
    """

    def __init__(
        self,
        root: Path,
        record: ShardRecord,
        description: StoreDescription,
        hashed: set[State] | None = None,
    ) -> None:
        self.record = record
        self._hashed = set() if hashed is None else hashed
        self._texts_path = texts_path(root, record.shard)
        self._path = arrays_path(root, record.shard)
        self._map, self._state = mapped(self._path, record.arrays)
        self.arrays = _parse(self._map, self._path, record, description)
        self._k = description.k
        self._firsts = first_entries(self.arrays["entries"]) if "entries" in self.arrays else None
        self._texts: bytes | None = None

    def keys(self) -> list[tuple[str, int]]:
        """The key of every sample, in order."""
        names = self.arrays["key_data"].tobytes()
        ends = self.arrays["key_ptr"].tolist()
        numbers = self.arrays["sample"].tolist()
        spans = zip(ends[:-1], ends[1:], numbers, strict=True)
        try:
            if _key_hash(self.arrays) != self.record.keys_xxh3_128:
                raise ValueError("they do not have the hash with which they were written")
            return [(names[start:end].decode(), number) for start, end, number in spans]
        except ValueError as error:
            raise StoreError(f"{self._path} has damaged keys: {error}") from error

    def checked_texts(self) -> bytes:
        """The texts file, after both files have passed their hashes."""
        if self._texts is None:
            before = state_of(self._texts_path, self.record.texts)
            texts = read_plain(self._texts_path)
            if not {self._state, before} <= self._hashed:
                with memoryview(self._map) as content:
                    self.record.arrays.check(self._path, content)
                self.record.texts.check(self._texts_path, texts)
                self._hashed.update((self._state, before))
            self._texts = texts
        return self._texts

    def stored_ids(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """The tokens' ids, and those of the entries in use."""
        return _stored_ids(self.arrays)

    def responses(self) -> list[Response]:
        """Texts and keys of all samples.

        Raises:
            StoreError: a line of the texts is no response; says which.
        """
        texts = self.checked_texts()
        try:
            return decode_texts(texts, self.arrays["text_ptr"])
        except NO_RESPONSE:
            # one by one, to name the line that is none
            return [self._response(row) for row in range(self.record.samples)]

    def foreign_lines(self) -> list[tuple[int, tuple[str, int]]]:
        """The rows whose line of the texts is of another key, and that key.

        Raises:
            StoreError: as ``responses``.
        """
        if passes.are_plain(self.checked_texts(), self.arrays):
            return []
        found = enumerate(response.key for response in self.responses())
        return [
            (row, key) for (row, key), own in zip(found, self.keys(), strict=True) if key != own
        ]

    def texts(self) -> Texts:
        """All samples without their rows."""
        tokens = self.arrays["token_id"].astype(np.int32)
        return Texts(self.responses(), Ragged(self.arrays["row_ptr"].astype(np.int64), tokens))

    def shard(self) -> Shard:
        """All samples."""
        return self.samples(0, self.record.samples)

    def samples(self, first: int, last: int) -> Shard:
        """Samples ``first:last``; what is read is copied, so that the file may be closed."""
        whole = last - first == self.record.samples
        responses = self._lines() if whole else [self._response(row) for row in range(first, last)]
        row_ptr = self.arrays["row_ptr"][first : last + 1].astype(np.int64)
        start, end = int(row_ptr[0]), int(row_ptr[-1])
        span = slice(start, end)
        tails = np.zeros((end - start, 0), np.float32)
        if "tempered_tails" in self.arrays:
            tails = self.arrays["tempered_tails"][span].astype(np.float32)
        return Shard(
            responses,
            Ragged(row_ptr - start, self.arrays["token_id"][span].astype(np.int32)),
            self.arrays["token_logprob"][span].astype(np.float32),
            self._distributions(span),
            tails,
        )

    def _distributions(self, span: slice) -> SparseDistributions:
        """The rows of the positions ``span``, without slots that are not in use."""
        tail = self.arrays["tail_logprob"][span].astype(np.float32)
        if self._firsts is None:
            ids = integers(self.arrays, "topk_id")[span]
            logprobs = self.arrays["topk_logprob"][span]
            return from_padded(ids, logprobs.astype(np.float32), tail)
        indptr = self._firsts[span.start : span.stop + 1]
        stored = slice(int(indptr[0]), int(indptr[-1]))
        return SparseDistributions(
            indptr - indptr[0],
            self.arrays["entry_id"][stored].astype(np.int32),
            self.arrays["entry_logprob"][stored].astype(np.float32),
            tail,
        )

    def rows(self, start: int, end: int) -> Arrays:
        """The arrays of positions ``start`` to ``end``, with k slots for entries each."""
        span = slice(start, end)
        if self._firsts is None:
            return {n: self.arrays[n][span] for n in POSITION_ARRAYS if n in self.arrays}
        plain = [n for n in POSITION_ARRAYS if n in self.arrays and not n.startswith("entr")]
        return {n: self.arrays[n][span] for n in plain} | padded(
            self.arrays, self._firsts, self._k, span
        )

    def _lines(self) -> Lines:
        text_ptr = self.arrays["text_ptr"].astype(np.int64)
        return Lines(self.checked_texts(), text_ptr, self.keys(), self.responses)

    def _response(self, row: int) -> Response:
        try:
            return decode_text(self.checked_texts(), self.arrays["text_ptr"], row)
        except NO_RESPONSE as error:
            raise StoreError(
                f"{self._texts_path}: line {row + 1} is no response: {error}"
            ) from error


def _parse(
    content: mmap.mmap, path: Path, record: ShardRecord, description: StoreDescription
) -> Arrays:
    """Views of the arrays in a safetensors file that must hold exactly those of ``record``."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > len(content) - 8:
            raise ValueError("the header is longer than the file")
        header = json.loads(content[8 : 8 + length])
        about = json.loads(header.pop("__metadata__")[_METADATA])
        if about["shard"] != record.shard or about["kind"] != description.kind:
            raise ValueError(f"it is {about['kind']} shard {about['shard']}")
        key_bytes = header["key_data"]["shape"][0]
        entries = header["entry_id"]["shape"][0] if description.layout == "ragged" else 0
        wanted = expected_shapes(description, record.samples, record.positions, key_bytes, entries)
        arrays, end = {}, 8 + length
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            kind, shape = wanted.pop(name)
            if np.dtype(_TYPES[entry["dtype"]]) != kind or tuple(entry["shape"]) != shape:
                raise ValueError(f"{name} is {entry['dtype']} {entry['shape']}, not {kind} {shape}")
            start, stop = (8 + length + offset for offset in entry["data_offsets"])
            count = int(np.prod(shape, dtype=np.int64))
            if start != end or stop - start != count * kind.itemsize:
                raise ValueError(f"{name} is not where it should be")
            arrays[name] = np.frombuffer(content, kind, count, start).reshape(shape)
            end = stop
        _check_pointers(arrays, record, description.k)
        if wanted or end != len(content):
            raise ValueError(f"{sorted(wanted)} are missing, or bytes are left over")
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        struct.error,
        RecursionError,
    ) as error:
        raise StoreError(f"{path} is not shard {record.shard} of this store: {error}") from error
    return arrays


def _check_pointers(arrays: Mapping[str, NDArray[Number]], record: ShardRecord, k: int) -> None:
    ends = {"key_ptr": len(arrays["key_data"]), "row_ptr": record.positions}
    for name, end in {**ends, "text_ptr": record.texts.bytes}.items():
        pointers = arrays[name]
        if pointers[0] != 0 or pointers[-1] != end or (np.diff(pointers) < 0).any():
            raise ValueError(f"{name} does not rise from 0 to {end}")
    if "entries" in arrays:
        counts = arrays["entries"]
        if counts.sum(dtype=np.int64) != len(arrays["entry_id"]) or (counts > k).any():
            raise ValueError(f"entries do not count up to {k} of {len(arrays['entry_id'])} each")
