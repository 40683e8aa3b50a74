"""What a store is: everything that must agree when a dump is continued.

One ``store.json``::

    {"body":{"codec":"f16","dataset":"sha256:…","k":5,"kind":"responses","teacher":"gpt2", …},
     "crc32":"9a1b2c3d"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, NotRequired, TypedDict, cast

import numpy as np

from specialize.errors import ConfigurationError, StoreError
from specialize.io.nested import flatten
from specialize.store.sealed import Json, canonical, seal, unseal

FORMAT_VERSION = 1
Kind = Literal["responses", "targets"]
Codec = Literal["f16", "f32"]
Layout = Literal["padded", "ragged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDescription:
    """The configuration that a store was written with.

    Attributes:
        kind: ``responses`` of a teacher, or ``targets`` in a student's vocabulary.
        teacher: model name or path, with its ``revision`` and ``dtype``.
        tokenizer: name of the tokenizer of the stored ids, with its ``fingerprint``.
        vocabulary_size: every stored id is below it; up to 65,536 ids take 2 bytes, else 4.
        k: entries kept a position; 0 for texts alone.
        temperature: of sampling; None where given texts were scored. The stored
            log-probabilities are at temperature 1 always.
        prompt: template name, or digest of what was prompted.
        dataset: digest of the examples.
        settings: anything else that must agree. ``{"tail": "complement"}`` says that the tail is
            1 - sum (a teacher known through an API); rows may then not add up to 1.
        codec: log-probabilities as float16 (error at most 2.5e-4 of a probability) or float32.
        tail_temperatures: extra temperatures whose tail is stored too.
        layout: ``padded`` gives every position k slots, ``ragged`` as many as it uses (at most
            k). Files name it only where it is ragged.
    """

    kind: Kind
    teacher: str
    tokenizer: str
    fingerprint: str
    vocabulary_size: int
    k: int
    revision: str = ""
    dtype: str = ""
    temperature: float | None = None
    prompt: str = ""
    dataset: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    codec: Codec = "f16"
    tail_temperatures: tuple[float, ...] = ()
    layout: Layout = "padded"

    def __post_init__(self) -> None:
        if self.kind not in ("responses", "targets"):
            raise ConfigurationError(f"a store is of responses or targets, not {self.kind!r}")
        if self.codec not in ("f16", "f32"):
            raise ConfigurationError(f"codec must be f16 or f32, not {self.codec!r}")
        if self.layout not in ("padded", "ragged"):
            raise ConfigurationError(f"layout must be padded or ragged, not {self.layout!r}")
        texts = (self.teacher, self.tokenizer, self.fingerprint, self.revision, self.dtype)
        if any(not isinstance(text, str) for text in (*texts, self.prompt, self.dataset)):
            raise ConfigurationError(f"names and digests of a store must be text: {texts}")
        numbers = (self.k, self.vocabulary_size)
        if any(type(number) is not int for number in numbers):
            raise ConfigurationError(f"k and vocabulary_size must be whole numbers: {numbers}")
        if not isinstance(self.temperature, int | float | None):
            raise ConfigurationError(f"temperature must be a number: {self.temperature!r}")
        if not 0 <= self.k <= 65_535 or not 0 <= self.vocabulary_size < 2**31:
            raise ConfigurationError(
                f"k = {self.k} entries of {self.vocabulary_size} ids cannot be stored"
            )
        self._check_settings()

    def _check_settings(self) -> None:
        if not isinstance(self.settings, Mapping):
            raise ConfigurationError(f"settings must be an object: {self.settings!r}")
        temperatures = self.tail_temperatures
        if any(not isinstance(t, int | float) for t in temperatures):
            raise ConfigurationError(f"tail temperatures must be numbers: {temperatures}")
        if any(not t > 0 or t == 1 for t in temperatures) or len({*temperatures}) < len(
            temperatures
        ):
            raise ConfigurationError(
                f"tail temperatures must be positive, distinct and other than 1: {temperatures}"
            )
        canonical(self.settings)

    @property
    def id_type(self) -> np.dtype[np.unsignedinteger]:
        return np.dtype(np.uint16 if self.vocabulary_size <= 65_536 else np.uint32)

    @property
    def logprob_type(self) -> np.dtype[np.floating]:
        return np.dtype(np.float16 if self.codec == "f16" else np.float32)

    @property
    def tail_is_complement(self) -> bool:
        return self.settings.get("tail") == "complement"

    @property
    def bytes_per_position(self) -> int:
        """Size of the per-position arrays: 26 at k = 5 with 2-byte ids and float16.

        Ragged ones take at most this; ``verify`` tells what they take.
        """
        ids, logprobs = self.id_type.itemsize, self.logprob_type.itemsize
        tails = (1 + len(self.tail_temperatures)) * logprobs
        return (1 + self.k) * (ids + logprobs) + tails + 2 * (self.layout == "ragged")

    def as_json(self) -> dict[str, Json]:
        values = {**asdict(self), "tail_temperatures": list(self.tail_temperatures)}
        if self.layout == "padded":
            del values["layout"]  # what stores had before there was another
        return values


class _Body(TypedDict):
    """What ``store.json`` should hold beside its numbers of version, shards and tails;
    ``StoreDescription`` refuses what does not."""

    kind: Kind
    teacher: str
    tokenizer: str
    fingerprint: str
    vocabulary_size: int
    k: int
    revision: str
    dtype: str
    temperature: float | None
    prompt: str
    dataset: str
    settings: dict[str, Json]
    codec: Codec
    layout: NotRequired[Layout]


def differences(
    stored: Mapping[str, Json],
    asked: Mapping[str, Json],
    *,
    names: tuple[str, str] = ("in the store", "now"),
) -> list[str]:
    """``key: stored value in the store, other value now`` for every key that differs."""
    before, now = (flatten(json.loads(canonical(side))) for side in (stored, asked))
    return [
        f"{key}: {before.get(key)!r} {names[0]}, {now.get(key)!r} {names[1]}"
        for key in sorted(before.keys() | now.keys())
        if repr(before.get(key)) != repr(now.get(key))  # 1 is not True
    ]


def description_file(description: StoreDescription, shard_samples: int) -> bytes:
    """The content of ``store.json``."""
    plan: dict[str, Json] = {"format_version": FORMAT_VERSION, "shard_samples": shard_samples}
    return seal({**description.as_json(), **plan})


def read_description(content: bytes, where: str) -> tuple[StoreDescription, int]:
    """The description in a ``store.json``, and how many samples were planned for a shard.

    Raises:
        StoreError: damaged, or written by a newer version.
    """
    try:
        body = unseal(content)
    except ValueError as error:
        raise StoreError(f"{where} is damaged: {error}") from error
    version = body.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise StoreError(
            f"{where} has format version {version}, but only {FORMAT_VERSION} can be read here; "
            f"use the version of this program that wrote it"
        )
    shard_samples = body.pop("shard_samples", None)
    layout = {"layout"} - ({"layout"} & body.keys())
    if body.keys() | layout != {entry.name for entry in fields(StoreDescription)}:
        raise StoreError(f"{where} has the keys {sorted(body)}, which are not those of a store")
    try:
        temperatures = tuple(cast("list[float]", body.pop("tail_temperatures")))
        described = StoreDescription(**cast("_Body", body), tail_temperatures=temperatures)
        if not isinstance(shard_samples, int | float | str):
            raise TypeError(f"shard_samples is {shard_samples!r}")
        return described, int(shard_samples)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{where} does not describe a store: {error}") from error
