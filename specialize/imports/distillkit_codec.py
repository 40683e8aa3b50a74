"""How the bytes of DistillKit's distributions read (arcee-ai/DistillKit, 2026-03).

    compressed_logprobs  8 exact values, 3 coefficients, residuals    ->  (R, k) nats, falling
    bytepacked_indices   k ids of ceil(log2 d) bits, the most significant first

``compression_config.yaml`` says it: the first ``exact_k`` values as they are, the rest as a fitted
polynomial and quantized residuals (distillkit/compression/config.py, monotonic_logprobs.py). The
legacy form (compression/legacy.py) has logits, centred on their mean over the vocabulary: their
softmax over the k stored is taken, and nothing is left for a tail; its ids are packed into 64-bit
words, as many as fit, the least significant first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import yaml
from numpy.typing import NDArray

from specialize.errors import InputError

CONFIG = "compression_config.yaml"
_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_MOST_BITS = 57  # of an element: with the 7 before it in its first byte it fits into 8 bytes
Arrays = Mapping[str, NDArray[np.generic]]
Rows = tuple[NDArray[np.int64], NDArray[np.float64]]


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
    columns: ClassVar[tuple[str, str]] = ("bytepacked_indices", "compressed_logprobs")

    def rows(self, row: Arrays) -> Rows:
        """Ids and nats, (R, k), of a record.

        Raises:
            ValueError: not as many bytes as the configuration says.
        """
        packed, content = (_as_bytes(row[column]) for column in self.columns)
        return self.ids(packed), self.logprobs(content)

    @property
    def bits(self) -> int:
        """Of an id."""
        return id_bits(self.d)

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
    """(R, count) whole numbers of ``bits`` bits each, at most 57, the most significant first."""
    if packed.shape[1] != (bits * count + 7) // 8:
        raise ValueError("not as many bytes as the configuration says")
    start = np.arange(count) * bits
    width = (bits + 14) // 8  # bytes that an element may lie in
    padded = np.pad(packed, ((0, 0), (0, width)))
    found = np.zeros((len(packed), count), np.uint64)
    for byte in range(width):
        found = found << np.uint64(8) | padded[:, (start >> 3) + byte]
    found >>= (8 * width - bits - (start & 7)).astype(np.uint64)
    return (found & np.uint64((1 << bits) - 1)).astype(np.int64)


def _as_bytes(content: NDArray[np.generic]) -> NDArray[np.uint8]:
    return content.astype(np.uint8).reshape(len(content), -1)


def id_bits(d: int) -> int:
    """Bits of an id of ``d``, as single precision counts them."""
    bits: int = math.ceil(np.log2(np.float32(d)))
    return bits


@dataclass(frozen=True, slots=True)
class LegacyCodec:
    """``LegacyLogitCompressionConfig`` of DistillKit."""

    d: int
    k: int
    exact_k: int
    degree: int
    with_sqrt: bool
    inverted: bool
    columns: ClassVar[tuple[str, ...]] = ("packed_indices", "exact_values", "coeffs")

    def rows(self, row: Arrays) -> Rows:
        """Ids and nats, (R, k), of a record.

        Raises:
            ValueError: not as many words or values as the configuration says.
        """
        packed, exact, coefficients = (np.asarray(row[column]) for column in self.columns)
        count = self.k - self.exact_k
        points = np.arange(1, count + 1, dtype=float)
        powers = [points ** (-i if self.inverted else i) for i in range(self.degree + 1)]
        terms = np.stack([*powers, *([np.sqrt(points)] if self.with_sqrt else [])], axis=1)
        if exact.shape != (len(packed), self.exact_k):
            raise ValueError("not as many values as the configuration says")
        logits = exact.astype(np.float64)
        if count:
            if coefficients.shape != (len(packed), terms.shape[1]):
                raise ValueError("not as many coefficients as the configuration says")
            logits = np.concatenate([logits, coefficients.astype(np.float64) @ terms.T], axis=1)
        total = np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return self._ids(packed.astype(np.int64)), logits - total

    def _ids(self, packed: NDArray[np.int64]) -> NDArray[np.int64]:
        bits = id_bits(self.d)
        inside = 64 // bits
        if packed.ndim != 2 or packed.shape[1] != -(-self.k // inside):
            raise ValueError("not as many words as the configuration says")
        shifts = np.arange(inside, dtype=np.uint64) * np.uint64(bits)
        each = packed.view(np.uint64)[:, :, None] >> shifts & np.uint64((1 << bits) - 1)
        return each.reshape(len(packed), -1)[:, : self.k].astype(np.int64)


def read_codec(config: Path | str) -> Codec | LegacyCodec:
    """The configuration in a file of DistillKit, in its ``logprob_compressor`` part, or as text.

    Args:
        config: a file, or the YAML itself, as in ``{d: 151936, k: 128, exact_k: 32}``.

    Raises:
        InputError: missing, or not such a configuration.
    """
    typed = isinstance(config, str) and config.lstrip().startswith("{")
    try:
        content = config if typed else Path(config).read_text(encoding="utf-8")
        values = yaml.safe_load(str(content))
        for part in ("logprob_compressor", "legacy_logit_compression"):
            values = values.get(part) or values
        return _legacy(values) if "vocab_size" in values else _present(values)
    except FileNotFoundError:
        raise InputError(
            f"no {config}; DistillKit writes it beside the data, and sets on the hub have it in "
            f"their description: give it with --config"
        ) from None
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{config} is no compression configuration of DistillKit: {error}"
        ) from None


def _present(values: Mapping[str, object]) -> Codec:
    bins = values.get("residual_bins")
    codec = Codec(
        d=_whole(values["d"]),
        k=_whole(values["k"]),
        exact_k=_whole(values["exact_k"]),
        exact_dtype=str(values.get("exact_dtype", "float32")),
        term_dtype=str(values.get("term_dtype", "float32")),
        terms=tuple(_terms(values.get("polynomial_terms"))),
        bins=tuple(
            (str(b["scale_dtype"]), _whole(b["element_bits"]), _whole(b["num_elements"]))
            for b in (bins if isinstance(bins, list) else [])
        ),
        delta=bool(values.get("delta_encoding", True)),
        normalized=bool(values.get("normalize_t", False)),
    )
    if {codec.exact_dtype, codec.term_dtype, *(b[0] for b in codec.bins)} - _BYTES.keys():
        raise ValueError("an unknown type of numbers")
    if not all(0 < size <= _MOST_BITS for _, size, _ in codec.bins) or not 0 < codec.k <= codec.d:
        raise ValueError(f"elements have 1 to {_MOST_BITS} bits, and d is at least k")
    return codec


def _legacy(values: Mapping[str, object]) -> LegacyCodec:
    return LegacyCodec(
        d=_whole(values["vocab_size"]),
        k=_whole(values["k"]),
        exact_k=_whole(values["exact_k"]),
        degree=_whole(values["polynomial_degree"]),
        with_sqrt=bool(values.get("with_sqrt_term", False)),
        inverted=bool(values.get("invert_polynomial", True)),
    )


def _terms(values: object) -> list[int | str]:
    listed = values if isinstance(values, list) else []
    return [term if isinstance(term, str) else _whole(term) for term in listed]


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value
