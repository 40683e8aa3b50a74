"""A tokenizer as a value: text to ids, ids to text, ids to the bytes that they spell.

    "She earns $12."  <->  [451, 9528, 7, 1514, 2122, 5]          (T5; with eos=True also a 1)
    pieces            ->   b" She" b" earn" b"s" b" $" b"12" b"."

No text ever becomes a special token: ``</s>`` in a question is five characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from align.pieces import METASPACE
from align.ragged import Ragged, pointers, ragged
from align.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from specialize.errors import ConfigurationError, InputError
from specialize.io.files import write_atomically
from specialize.records import Json, Message, Prompt
from specialize.tokens.chat_ids import ChatEncoder, chat_encoder
from specialize.tokens.chat_template import NO_ARGUMENTS, ChatTemplate
from specialize.tokens.definition import Definition, encoder
from specialize.tokens.front import with_front
from specialize.tokens.odd_words import OddWords
from specialize.tokens.spelling import spell
from specialize.tokens.unigram import plain_encoder

_FEW = 16  # texts for which the compiled search is not set up


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer that was read by ``load_tokenizer``.

    Attributes:
        name: where it came from, for people; no absolute path.
        fingerprint: sha256 of what decides its behaviour; equal for equal tokenizers.
        eos, pad, unk: ids, None where it has none.
        ends: every id that ends a text for the model that it came with, ``eos`` first (``ends``).
        front: the ids before every text that a model reads (``<s>``); none for T5 and GPT-2.
        chat: the template of its chats; None where there is none.
        turn_end: the end that the template writes after an assistant's turn; ``eos`` without one.
    """

    name: str
    fingerprint: str
    eos: int | None
    pad: int | None
    unk: int | None
    ends: tuple[int, ...]
    front: tuple[int, ...]
    chat: ChatTemplate | None
    turn_end: int | None
    _backend: Backend = field(repr=False, compare=False)
    _vocabulary: Vocabulary = field(repr=False, compare=False)
    _definition: Definition = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """The highest id + 1; a model's output may be padded beyond it."""
        return len(self._vocabulary)

    def encode(self, text: str, *, eos: bool = False) -> list[int]:
        """The ids of ``text``, followed by the end of sequence only if ``eos``.

        Raises:
            InputError: ``text`` holds half of a surrogate pair, which is not text.
        """
        return self.encode_batch([text], eos=eos)[0]

    def encode_batch(
        self, texts: Sequence[str], *, eos: bool = False, threads: int = 1
    ) -> list[list[int]]:
        """``encode`` of all ``texts``; ``eos`` and ``threads`` as of ``encode_ragged``."""
        if len(texts) < _FEW:
            end = self._end(eos)
            return [encoding.ids + end for encoding in self._encodings(texts)]
        tokens = self.encode_ragged(texts, eos=eos, threads=threads)
        ids = tokens.ids.tolist()
        return [ids[start:stop] for start, stop in pairwise(tokens.indptr.tolist())]

    def encode_ragged(self, texts: Sequence[str], *, eos: bool = False, threads: int = 1) -> Ragged:
        """``encode`` of every text, as arrays.

        Args:
            texts: one sample each.
            eos: the end of sequence follows each.
            threads: how many work on texts that the compiled search can encode (``unigram``); for
                the others the library decides. No result depends on it.
        """
        end = self._end(eos)
        search = _search_of(self)
        if search is None:
            return ragged([encoding.ids + end for encoding in self._encodings(texts)])
        try:
            found, plain = search.search.encode(texts, threads=threads)
        except UnicodeEncodeError:
            _refuse_surrogates(texts)
            raise
        others = np.flatnonzero(~plain).tolist()
        by_words = search.encode([texts[i] for i in others], threads=threads)
        ids = {i: each for i, each in zip(others, by_words, strict=True) if each is not None}
        whole = [i for i in others if i not in ids]
        encodings = self._encodings([texts[i] for i in whole])
        read = {i: e.ids for i, e in zip(whole, encodings, strict=True)}
        return _joined(found, {**ids, **read}, end)

    def _end(self, eos: bool) -> list[int]:
        if eos and self.eos is None:
            raise ConfigurationError(f"tokenizer {self.name} has no end of sequence to append")
        return [self.eos] if eos and self.eos is not None else []

    def encode_prompts(self, prompts: Sequence[Prompt], *, eos: bool = False) -> list[list[int]]:
        """What a model reads of all ``prompts``: ``front``, a text's ids and, if ``eos``, the end.

        Of a chat it reads what its template makes of the turns.

        The one way to encode what a student or a teacher is asked, in training, evaluation, dumps
        and scoring.
        """
        return [ids.tolist() for ids in self.prompt_ids(prompts, eos=eos)]

    def prompt_ids(
        self, prompts: Sequence[Prompt], *, eos: bool = False, threads: int = 1
    ) -> list[NDArray[np.int32]]:
        """``encode_prompts`` as arrays.

        Args:
            prompts: texts and chats.
            eos: the end of sequence follows each.
            threads: as of ``encode_ragged``.
        """
        texts = [prompt for prompt in prompts if isinstance(prompt, str)]
        few = len(texts) < _FEW
        found = (
            ragged(self.encode_batch(texts, eos=eos))
            if few
            else self.encode_ragged(texts, eos=eos, threads=threads)
        )
        front, plain = np.array(self.front, np.int32), map(found.sample, range(len(found)))
        read = []
        for prompt in prompts:
            if isinstance(prompt, str):
                read.append(np.concatenate([front, next(plain)]))
            else:
                turns = self.encode_chat(prompt.messages, arguments=prompt.arguments)
                read.append(np.array(turns + self._end(eos), np.int32))
        return read

    def encode_chat(
        self,
        messages: Sequence[Message],
        *,
        answer: bool = True,
        arguments: Mapping[str, Json] = NO_ARGUMENTS,
    ) -> list[int]:
        """What a model reads of a chat: the turns as its template writes them.

        Args:
            messages: the turns, in order.
            answer: whether the beginning of the assistant's answer follows them.
            arguments: further variables of the template.

        Raises:
            ConfigurationError: the tokenizer has no chat template.
            InputError: the template refuses the messages, or cannot be rendered.
        """
        template = self.chat
        if template is None:
            raise ConfigurationError(
                f"tokenizer {self.name} has no chat template, so it cannot be asked in a chat; use "
                f"a format without chat, such as zero-shot-cot, or a model that has a template"
            )
        return _chat_encoder(self, template).encode(
            messages,
            lambda turns: template.render(turns, answer=answer, arguments=arguments),
        )

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        _refuse_surrogates(texts)
        return self._backend.encode_batch_fast(list(texts), add_special_tokens=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; special and unknown tokens, and what is no id, are skipped."""
        flags = self._vocabulary.flags
        shown = [int(i) for i in ids if 0 <= i < len(flags) and not flags[i] & (SPECIAL | UNKNOWN)]
        return self._backend.decode(shown, skip_special_tokens=False)

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes that each of ``ids`` spells in a text; none for special and unknown ones."""
        return self._vocabulary.pieces(ids)

    def vocabulary(self) -> Vocabulary:
        """The bytes and flags of every id."""
        return self._vocabulary

    def special_tokens(self) -> dict[str, int]:
        """The ids that spell nothing, by the names under which they are written."""
        flags = self._vocabulary.flags
        return {w: i for i, w in self._definition.written.items() if flags[i] & SPECIAL}

    def written(self, token: int) -> str:
        """How its own files write ``token``: ``</s>``, ``▁the``; ``id 7`` where it has no name."""
        return self._definition.written.get(token, f"id {token}")

    def named_control(self) -> list[int]:
        """The ids that are not special but that its chat template names: Qwen3's ``<think>``."""
        if self.chat is None:
            return []
        names = _chat_encoder(self, self.chat)
        special = set(self.special_tokens().values())
        plain = [name for name in names.names if name not in names.special]
        ids = {name: i for i, name in self._definition.written.items()}
        return sorted(ids[name] for name in plain if name in ids and ids[name] not in special)

    def spans(self, text: str) -> tuple[list[int], NDArray[np.int64]]:
        """The ids of ``text`` and the bytes ``start:end`` of it that each one covers, (T, 2).

        Where the pieces spell the text itself, spans are the sums of their lengths, so that a
        character split over several byte tokens is cut where it was cut. Otherwise they are what
        the library says, in whole characters, and may overlap or leave gaps: control characters,
        compositions and folded whitespace shift them.
        """
        _refuse_surrogates([text])
        encoding = self._backend.encode(text, add_special_tokens=False)
        spelled = self.pieces(encoding.ids)
        plain, written = text.encode(), b"".join(spelled)
        virtual = 1 if written == b" " + plain else 0  # the space that a marker puts first
        if virtual or written == plain:
            ends = np.cumsum([0] + [len(piece) for piece in spelled]) - virtual
            return encoding.ids, np.maximum(np.stack([ends[:-1], ends[1:]], axis=1), 0)
        characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        sizes = 1 + (characters > 0x7F) + (characters > 0x7FF) + (characters > 0xFFFF)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
        return encoding.ids, starts[offsets]

    def normalize(self, text: bytes) -> bytes:
        """What the normalizer makes of ``text``, a part of one, with markers as spaces; bytes that
        are no whole characters stay as they are."""
        normalizer = self._backend.normalizer
        try:
            readable = text.decode()
        except UnicodeDecodeError:
            return text
        if normalizer is None:
            return text
        return normalizer.normalize_str(readable).replace(METASPACE, " ").encode()

    def unknown_share(self, ids: Sequence[int]) -> float:
        """The share of ``ids`` that stand for text outside the vocabulary; 0 for none."""
        return sum(token == self.unk for token in ids) / len(ids) if len(ids) else 0.0

    def save(self, directory: Path) -> None:
        """Write ``tokenizer.json``, ``tokenizer_config.json`` and the chat template, if any.

        ``load_tokenizer`` reads the same tokenizer from ``directory``: with the same fingerprint,
        the same ids before a text, and chats that are rendered alike.
        """
        written = self._definition.written
        named = {"eos_token": self.eos, "pad_token": self.pad, "unk_token": self.unk}
        config = {"tokenizer_class": "PreTrainedTokenizerFast"}
        config |= self.chat.tokens if self.chat is not None else {}
        config |= {role: written[token] for role, token in named.items() if token is not None}
        directory.mkdir(parents=True, exist_ok=True)
        content = json.dumps(with_front(self._definition.content, self.front), ensure_ascii=False)
        write_atomically(directory / "tokenizer.json", content.encode())
        write_atomically(
            directory / "tokenizer_config.json", json.dumps(config, sort_keys=True).encode()
        )
        if self.chat is not None:
            write_atomically(directory / "chat_template.jinja", self.chat.source.encode())


def build_tokenizer(
    definition: Definition,
    name: str,
    special: Mapping[str, int],
    *,
    ends: tuple[int, ...] = (),
    front: tuple[int, ...] = (),
    chat: ChatTemplate | None = None,
    turn_end: int | None = None,
) -> Tokenizer:
    """The tokenizer of a definition.

    Args:
        definition: what a ``tokenizer.json`` holds.
        name: for people.
        special: the ids of ``eos`` and ``pad``, where there are any.
        ends: every id that ends a text, ``eos`` among them; none: ``eos`` alone.
        front: the ids before every text.
        chat: its chat template.
        turn_end: what ends an assistant's turn; None: ``eos``.
    """
    backend = encoder(definition)
    folds = _ids(backend, "a  b") == _ids(backend, "a b") != []
    eos = special.get("eos")
    return Tokenizer(
        name=name,
        fingerprint=definition.fingerprint,
        eos=eos,
        pad=special.get("pad"),
        unk=definition.unknown,
        ends=ends or (() if eos is None else (eos,)),
        front=front,
        chat=chat,
        turn_end=eos if turn_end is None else turn_end,
        _backend=backend,
        _vocabulary=spell(definition, eos=eos, folds=folds),
        _definition=definition,
    )


@lru_cache(maxsize=8)
def _chat_encoder(tokenizer: Tokenizer, template: ChatTemplate) -> ChatEncoder:
    """What encodes the chats of ``tokenizer``, made once."""
    return chat_encoder(tokenizer._definition, tokenizer.special_tokens(), template)


def _ids(backend: Backend, text: str) -> list[int]:
    return backend.encode(text, add_special_tokens=False).ids


@lru_cache(maxsize=8)
def _search_of(tokenizer: Tokenizer) -> OddWords | None:
    """The compiled search for ``tokenizer``, made once."""
    search = plain_encoder(tokenizer._backend, tokenizer._definition)
    if search is None:
        return None
    return OddWords(search, lambda texts: [each.ids for each in tokenizer._encodings(texts)])


def _joined(
    found: Ragged, others: Mapping[int, Sequence[int] | NDArray[np.int32]], end: Sequence[int]
) -> Ragged:
    """``found`` with the ids of ``others`` where those texts have none, and ``end`` after each."""
    if not others and not end:
        return found
    lengths = found.lengths
    for text, ids in others.items():
        lengths[text] = len(ids)
    indptr = pointers(lengths + len(end))
    joined = np.empty(indptr[-1], np.int32)
    shift = np.repeat(indptr[:-1] - found.indptr[:-1], found.lengths)
    joined[np.arange(len(found.ids)) + shift] = found.ids
    for text, ids in others.items():
        joined[indptr[text] : indptr[text] + len(ids)] = ids
    if end:
        joined[indptr[1:] - 1] = end[0]
    return Ragged(indptr, joined)


def _refuse_surrogates(texts: Sequence[str]) -> None:
    """Half of a surrogate pair is a code unit, not text: no encoding can write it."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        for number, text in enumerate(texts):
            _refuse_surrogate(text, number if len(texts) > 1 else None)


def _refuse_surrogate(text: str, number: int | None) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        which = "" if number is None else f" of text {number}"
        raise InputError(
            f"character {error.start}{which} is U+{ord(text[error.start]):04X}, half of a "
            f"surrogate pair, which is not text; repair the data or leave the example out"
        ) from error
