"""A tokenizer's definition: the content of a ``tokenizer.json``, and what is read from it.

Every published form is first turned into this one, so that spelling, fingerprint and encoding have
a single source. The fingerprint is that of behaviour (normalizer, pre-tokenizer, model, decoder,
added tokens), never of a repository's name: two names may stand for one tokenizer, and one name for
two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypedDict

from tokenizers import Tokenizer as Backend
from tokenizers.models import Unigram

from specialize.errors import InputError
from specialize.records import Json as Json

_BEHAVIOUR = ("normalizer", "pre_tokenizer", "model", "decoder", "added_tokens")


class UnigramModel(TypedDict):
    """Pieces with their log-probabilities, a piece's id being its place."""

    type: Literal["Unigram"]
    unk_id: int | None
    vocab: list[tuple[str, float]]
    byte_fallback: bool


class MergeModel(TypedDict):
    """Pieces that grow by merging neighbours, best merge first."""

    type: Literal["BPE"]
    unk_token: str | None
    byte_fallback: bool
    vocab: dict[str, int]
    merges: list[tuple[str, str]]


class WordPieceModel(TypedDict):
    """The longest piece first, within a word."""

    type: Literal["WordPiece"]
    unk_token: str
    continuing_subword_prefix: str
    vocab: dict[str, int]


class WordLevelModel(TypedDict):
    """A token a word."""

    type: Literal["WordLevel"]
    unk_token: str
    vocab: dict[str, int]


Model = UnigramModel | MergeModel | WordPieceModel | WordLevelModel


class AddedEntry(TypedDict):
    """An added token as the file writes it, as far as it is read."""

    id: int
    content: str
    special: bool
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool


class Content(TypedDict):
    """A ``tokenizer.json`` as far as it is read; the library writes all of these."""

    added_tokens: list[AddedEntry]
    normalizer: dict[str, Json] | None
    pre_tokenizer: dict[str, Json] | None
    post_processor: dict[str, Json] | None
    decoder: dict[str, Json] | None
    model: Model


@dataclass(frozen=True, slots=True)
class Added:
    """A token outside the model's vocabulary, or one that the file lifts out of it."""

    id: int
    content: str
    special: bool


@dataclass(frozen=True)
class Definition:
    """The parsed content of a ``tokenizer.json``, in the library's own canonical form."""

    content: Content
    backend: Backend = field(repr=False, compare=False)

    @property
    def model(self) -> Model:
        return self.content["model"]

    @property
    def added(self) -> list[Added]:
        """Added tokens by id."""
        return [Added(t["id"], t["content"], t["special"]) for t in self.content["added_tokens"]]

    @cached_property
    def pieces(self) -> dict[int, str]:
        """The model's own tokens as the file writes them, by id."""
        model = self.model
        if model["type"] == "Unigram":
            return {number: piece for number, (piece, _) in enumerate(model["vocab"])}
        return {number: piece for piece, number in model["vocab"].items()}

    @cached_property
    def written(self) -> dict[int, str]:
        """All tokens as the file writes them, by id."""
        return self.pieces | {token.id: token.content for token in self.added}

    @property
    def unknown(self) -> int | None:
        """The id that stands for text outside the vocabulary."""
        model = self.model
        if model["type"] == "Unigram":
            return model["unk_id"]
        token = model["unk_token"]
        return None if token is None else model["vocab"].get(token)

    @property
    def fingerprint(self) -> str:
        """sha256 of the parts that decide how text becomes ids and back."""
        parts = {part: self.content.get(part) for part in _BEHAVIOUR}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def unreachable(self) -> set[str]:
        """The names of tokens that no text may become: special ones, and that of the unknown."""
        names = {token.content for token in self.added if token.special}
        return names if self.unknown is None else names | {self.pieces[self.unknown]}

    def component_types(self, *parts: str) -> set[str]:
        """Names of all components in the named parts, at any depth of nesting."""
        return {name for part in parts for name in _types(self.content.get(part))}


def _types(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(name := part.get("type"), str):
            yield name
        for value in part.values():
            yield from _types(value)
    elif isinstance(part, list):
        for value in part:
            yield from _types(value)


def parse_definition(content: bytes, where: str) -> Definition:
    """The definition in the bytes of a ``tokenizer.json``.

    Raises:
        InputError: the library cannot read it.
    """
    try:
        backend = Backend.from_str(content.decode())
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{where} is not a tokenizer.json: {error}") from error
    backend.no_truncation()
    backend.no_padding()
    return Definition(json.loads(backend.to_str()), backend)


def encoder(definition: Definition) -> Backend:
    """The library's tokenizer, in which no text can become a special token.

    A question may hold ``</s>`` or ``<|endoftext|>`` as text. Splitting at special tokens is
    switched off, and special tokens that the model itself could produce from their characters are
    made unreachable: merges that spell one are left out, and in a Unigram lattice, which looks up
    any piece, their names get a space before them, which every such model has replaced by then.
    It is the definition's own ``backend``, where that does.
    """
    special, backend, model = definition.unreachable, definition.backend, definition.model
    if model["type"] == "Unigram":
        names = [(f" {piece}" if piece in special else piece, s) for piece, s in model["vocab"]]
        backend.model = Unigram(names, model["unk_id"], model["byte_fallback"])
    elif model["type"] == "BPE" and any("".join(pair) in special for pair in model["merges"]):
        merges = [pair for pair in model["merges"] if "".join(pair) not in special]
        changed = {**definition.content, "model": {**model, "merges": merges}}
        backend = Backend.from_str(json.dumps(changed))
    backend.post_processor = None  # it would add special tokens and trim offsets
    backend.encode_special_tokens = True
    return backend
