"""DistillKit's parquet (arcee-ai/DistillKit, 2026-03) -> a store of responses.

A row of T tokens and its T - 1 distributions, of which number i is that of token i + 1::

    input_ids [T]   compressed_logprobs [T - 1][bytes]   bytepacked_indices [T - 1][bytes]

``compression_config.yaml`` beside the data says how to read the bytes: the first ``exact_k`` values
as they are, the rest as a fitted polynomial and quantized residuals, ids in ceil(log2 d) bits each,
most significant first (distillkit/compression/config.py and monotonic_logprobs.py). A row has no
question and no example of its own: the whole text is one response, or what stands behind a given
marker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import yaml
from numpy.typing import NDArray

from specialize.answers import Kind
from specialize.errors import InputError
from specialize.imports.finish import finish_of
from specialize.imports.own_tokens import own_logprob
from specialize.imports.replies import Import, Kept, write_kept
from specialize.records import Example
from specialize.store.sealed import Json
from specialize.teacher.served.wire import Entries, Reply
from specialize.tokens import Tokenizer, load_tokenizer

CONFIG = "compression_config.yaml"
_COLUMNS = ["input_ids", "compressed_logprobs", "bytepacked_indices"]
_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_ROUNDING = 0.02  # mass above 1 that bf16 and a polynomial may leave


def import_distillkit(
    source: Path,
    out: Path,
    *,
    tokenizer: str,
    teacher: str,
    top_k: int = 5,
    behind: str | None = None,
    temperature: float | None = None,
    examples: Sequence[Example] = (),
    kind: Kind = "number",
    restart: bool = False,
) -> dict[str, Json]:
    """Write every row of ``data_*.parquet`` in ``source`` into the store ``out``.

    Args:
        tokenizer: the teacher's, a directory or hub id.
        top_k: entries a position, of those that were kept.
        behind: the response is what stands behind this text; None: all but the first token.
        temperature, examples: as in ``vllm_json.import_json``.

    Raises:
        InputError: no such files, or a configuration that can not be read.
        NothingPassedError: no row is left.
    """
    codec = read_codec(source / CONFIG)
    files = sorted(source.glob("*.parquet"), key=lambda path: (len(path.name), path.name))
    if not files:
        raise InputError(f"{source} holds no parquet file; name DistillKit's output directory")
    loaded = load_tokenizer(tokenizer)
    width = max(codec.d, loaded.size)
    made = Import(teacher, loaded, min(top_k, codec.k), width, examples, kind, temperature)

    def read() -> Iterator[Kept]:
        for file in files:
            for number, row in enumerate(_rows(file)):
                yield _kept(f"{file.stem}/{number:06d}", row, codec, loaded, behind)

    settings = {"format": "distillkit", "behind": behind}
    return write_kept(
        out, [source / CONFIG, *files], read, made, settings=settings, restart=restart
    )


@dataclass(frozen=True, slots=True)
class Codec:
    """How the bytes of a distribution read: ``DistributionQuantizationConfig`` of DistillKit."""

    d: int
    k: int
    exact_k: int
    exact_dtype: str
    term_dtype: str
    terms: tuple[int | str, ...]
    bins: tuple[tuple[str, int, int], ...]  # dtype of the scale, bits, elements
    delta: bool
    normalized: bool

    @property
    def bits(self) -> int:
        """Of an id."""
        return math.ceil(np.log2(np.float32(self.d)))

    def ids(self, packed: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(R, k) from (R, bytes)."""
        return _unpacked(packed, self.bits, self.k)

    def logprobs(self, content: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(R, k) from (R, bytes), falling."""
        reader = _Reader(content)
        exact = reader.numbers(self.exact_dtype, self.exact_k)
        rest = self.k - self.exact_k
        fitted = np.zeros((len(content), rest))
        if self.terms:
            fitted += reader.numbers(self.term_dtype, len(self.terms)) @ self._powers(rest).T
        at = 0
        for dtype, bits, elements in self.bins:
            scale = reader.numbers(dtype, 1)
            whole = _unpacked(reader.take((elements * bits + 7) // 8), bits, elements)
            signed = whole * 2.0 - 1 if bits == 1 else whole - 2.0 ** (bits - 1)
            fitted[:, at : at + elements] += signed * scale
            at += elements
        joined = np.concatenate([exact, fitted], axis=1)
        return np.cumsum(joined, axis=1) if self.delta else joined

    def _powers(self, count: int) -> NDArray[np.float64]:
        points = np.linspace(0, 1, count) if self.normalized else np.arange(count, dtype=float)
        named = {"sqrt": np.sqrt, "exp": np.exp}
        columns = [named[t](points) if isinstance(t, str) else points**t for t in self.terms]
        return np.stack(columns, axis=1)


class _Reader:
    def __init__(self, content: NDArray[np.uint8]) -> None:
        self._content, self._at = content, 0

    def take(self, count: int) -> NDArray[np.uint8]:
        self._at += count
        if self._at > self._content.shape[1]:
            raise ValueError("fewer bytes than the configuration says")
        return np.ascontiguousarray(self._content[:, self._at - count : self._at])

    def numbers(self, dtype: str, count: int) -> NDArray[np.float64]:
        content = self.take(_BYTES[dtype] * count)
        if dtype == "bfloat16":
            return (content.view("<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
        return content.view(f"<f{_BYTES[dtype]}").astype(np.float64)


def _unpacked(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.int64]:
    if packed.shape[1] != (bits * count + 7) // 8:
        raise ValueError("not as many bytes as the configuration says")
    each = np.unpackbits(packed, axis=1)[:, : bits * count].reshape(len(packed), count, bits)
    return each.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1, dtype=np.int64))


def read_codec(path: Path) -> Codec:
    """The configuration in a file of DistillKit, or in its ``logprob_compressor`` part.

    Raises:
        InputError: missing, or not such a configuration.
    """
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        told = told.get("logprob_compressor", told)
        codec = Codec(
            d=int(told["d"]),
            k=int(told["k"]),
            exact_k=int(told["exact_k"]),
            exact_dtype=told.get("exact_dtype", "float32"),
            term_dtype=told.get("term_dtype", "float32"),
            terms=tuple(told.get("polynomial_terms") or ()),
            bins=tuple(
                (b["scale_dtype"], int(b["element_bits"]), int(b["num_elements"]))
                for b in told.get("residual_bins") or ()
            ),
            delta=bool(told.get("delta_encoding", True)),
            normalized=bool(told.get("normalize_t", False)),
        )
        if {codec.exact_dtype, codec.term_dtype, *(b[0] for b in codec.bins)} - _BYTES.keys():
            raise ValueError("an unknown type of numbers")
    except FileNotFoundError:
        raise InputError(f"no {path}; DistillKit writes it beside the data") from None
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no compression configuration of DistillKit: {error}") from None
    return codec


def _rows(path: Path) -> Iterator[Mapping[str, list[list[int]]]]:
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no parquet file: {error}") from None
    missing = [column for column in _COLUMNS if column not in file.schema_arrow.names]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r} but {', '.join(file.schema_arrow.names)}; only "
            f"DistillKit's present format is read, not its legacy one"
        )
    for batch in file.iter_batches(256, columns=_COLUMNS):
        yield from batch.to_pylist()


def _kept(
    name: str,
    row: Mapping[str, list[list[int]]],
    codec: Codec,
    tokenizer: Tokenizer,
    behind: str | None,
) -> Kept:
    tokens = [int(token) for token in row["input_ids"]]
    try:
        ids = codec.ids(_bytes(row["bytepacked_indices"]))
        logprobs = codec.logprobs(_bytes(row["compressed_logprobs"]))
    except ValueError as error:
        return Kept(name, "", str(error))
    if len(ids) != len(tokens) - 1 or len(logprobs) != len(ids):
        return Kept(name, "", "entries are not those of the tokens")
    first = 1 if behind is None else _first_behind(tokens, behind, tokenizer)
    if isinstance(first, str):
        return Kept(name, "", first)
    rows = [_entries(*pair) for pair in zip(ids[first - 1 :], logprobs[first - 1 :], strict=True)]
    own = [own_logprob(token, r) for token, r in zip(tokens[first:], rows, strict=True)]
    written = tuple(tokens[first:])
    reply = Reply(written, tuple(own), tuple(rows), None, finish_of(None, written, tokenizer.ends))
    return Kept(name, tokenizer.decode(tokens[:first]), reply)


def _bytes(rows: list[list[int]]) -> NDArray[np.uint8]:
    return np.array(rows, np.uint8).reshape(len(rows), -1)


def _entries(ids: NDArray[np.int64], logprobs: NDArray[np.float64]) -> Entries:
    """What is in use; a mass that rounding lifted above 1 is brought back to 1."""
    used = np.isfinite(logprobs)
    values = logprobs[used]
    mass = np.exp(values).sum()
    if 1 < mass < 1 + _ROUNDING:
        values = values - math.log(mass)
    return tuple(zip(ids[used].tolist(), values.tolist(), strict=True))


def _first_behind(tokens: Sequence[int], marker: str, tokenizer: Tokenizer) -> int | str:
    """The first token behind ``marker``, or why there is none."""
    pieces = tokenizer.pieces([token for token in tokens if token < tokenizer.size])
    place = b"".join(pieces).find(marker.encode())
    if place < 0 or len(pieces) < len(tokens):
        return "the marker does not stand in the text"
    ends = np.cumsum([len(piece) for piece in pieces])
    end = place + len(marker.encode())
    first = int(np.searchsorted(ends, end)) + 1
    if ends[first - 1] != end:
        return "the marker ends inside a token"
    return first if first < len(tokens) else "nothing stands behind the marker"
