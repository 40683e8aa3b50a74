"""OpenAI's completions and chat, and what speaks them; texts are sampled, never scored.

Completions::  {"choices": [{"index": 0, "text": " is 72", "finish_reason": "stop", "logprobs": {
    "tokens": [" is", " 72"], "token_logprobs": [-0.1, -0.4],
    "top_logprobs": [{" is": -0.1, " in": -3.2}, ...]}}]}

Chat::  {"choices": [{"index": 0, "message": {"content": " is 72"}, "logprobs": {"content": [
    {"token": " is", "bytes": [32, 105, 115], "logprob": -0.1, "top_logprobs": [
        {"token": " in", "bytes": [32, 105, 110], "logprob": -3.2}, ...]}, ...]}}]}

Neither knows ids: an entry is the id of the tokenizer that spells its bytes; where several do, one
of them cannot be told from the others and the row is not believed. Part of a character is written
``bytes:\\xe2\\x80`` in completions. -9999 stands for what is not among the first 20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

from align.vocabulary import SPECIAL, UNKNOWN
from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import (
    Ids,
    Speaker,
    check_count,
    drawn,
    in_order,
    named_model,
    number,
)
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request
from specialize.tokens import Tokenizer

_BYTES = re.compile(r"\\x([0-9a-fA-F]{2})|([^\\])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Spellings:
    """Ids by the bytes that they spell; -1 where several ids spell the same."""

    ids: Mapping[bytes, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> _Spellings:
        vocabulary, found = tokenizer.vocabulary(), {}
        for token in range(tokenizer.size):
            if not vocabulary.flags[token] & (SPECIAL | UNKNOWN):
                piece = vocabulary.piece(token)
                found[piece] = -1 if piece in found else token
        for name, token in tokenizer.special_tokens().items():
            found.setdefault(name.encode(), token)
        return cls(found)

    def id_of(self, spelled: bytes) -> int:
        found = self.ids.get(spelled)
        if found is None:
            raise BadReplyError("a token that the tokenizer does not have")
        if found < 0:
            raise BadReplyError("a text that several tokens have")
        return found


@dataclass(frozen=True, slots=True)
class Completions:
    """``/v1/completions`` with prompts as text."""

    speaker: Speaker
    scores: ClassVar[bool] = False
    continues: ClassVar[bool] = True
    _spellings: _Spellings = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_spellings", _Spellings.of(self.speaker.tokenizer))

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        body: dict[str, Json] = {
            "model": self.speaker.model,
            "prompt": prompt.text,
            **drawn(settings, seed, count),
            "logprobs": settings.top_k,
        }
        return Request("/v1/completions", body, len(prompt.ids) + count * settings.max_new_tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        return _checked([self._reply(c) for c in in_order(body["choices"], count)], body)

    def _reply(self, choice: dict[str, Json]) -> Reply:
        told = choice["logprobs"]
        if told is None:
            raise BadReplyError("no log-probabilities")
        if "content" in told:  # some servers answer completions in the form of a chat
            return _chat_reply(self.speaker, self._spellings, told, choice["text"], choice)
        spelled = self._spellings
        tokens = tuple(spelled.id_of(_bytes_of(token)) for token in told["tokens"])
        return Reply(
            tokens,
            tuple(number(value) for value in told["token_logprobs"]),
            tuple(
                tuple((spelled.id_of(_bytes_of(t)), number(v)) for t, v in row.items())
                for row in told["top_logprobs"]
            ),
            choice["text"],
            self.speaker.finish(tokens, choice["finish_reason"]),
        )

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        _not_scored()

    def scores_of(self, body: Json, part: Part) -> Reply:
        _not_scored()

    def ask_tokens(self, text: str) -> Request | None:
        return None

    def model_name(self, body: Json) -> str | None:
        return named_model(body)


@dataclass(frozen=True, slots=True)
class Chat:
    """``/v1/chat/completions``; the prompt is one message of the user."""

    speaker: Speaker
    scores: ClassVar[bool] = False
    continues: ClassVar[bool] = False
    _spellings: _Spellings = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_spellings", _Spellings.of(self.speaker.tokenizer))

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        body: dict[str, Json] = {
            "model": self.speaker.model,
            **drawn(settings, seed, count),
            "messages": [{"role": "user", "content": prompt.text}],
            "logprobs": True,
            "top_logprobs": settings.top_k,
        }
        tokens = len(prompt.ids) + count * settings.max_new_tokens
        return Request("/v1/chat/completions", body, tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        found = []
        for choice in in_order(body["choices"], count):
            text = choice["message"]["content"]
            if choice.get("logprobs") is None:
                raise BadReplyError("no log-probabilities")
            found.append(
                _chat_reply(self.speaker, self._spellings, choice["logprobs"], text, choice)
            )
        return _checked(found, body)

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        _not_scored()

    def scores_of(self, body: Json, part: Part) -> Reply:
        _not_scored()

    def ask_tokens(self, text: str) -> Request | None:
        return None

    def model_name(self, body: Json) -> str | None:
        return named_model(body)


def _not_scored() -> NoReturn:
    """The dialect says that it scores nothing; whoever asks all the same has not looked."""
    raise ValueError("this interface scores no given texts")


def _chat_reply(
    speaker: Speaker, spelled: _Spellings, told: Json, text: str, choice: dict[str, Json]
) -> Reply:
    def entry(one: dict[str, Json]) -> tuple[int, float]:
        own = one.get("bytes")
        spelling = bytes(own) if isinstance(own, list) else _bytes_of(one["token"])
        return spelled.id_of(spelling), number(one["logprob"])

    rows = [entry(row) for row in told["content"]]
    entries: list[Entries] = [tuple(map(entry, row["top_logprobs"])) for row in told["content"]]
    tokens = tuple(token for token, _ in rows)
    return Reply(
        tokens,
        tuple(logprob for _, logprob in rows),
        tuple(entries),
        text,
        speaker.finish(tokens, choice["finish_reason"]),
    )


def _checked(replies: list[Reply], body: dict[str, Json]) -> list[Reply]:
    """``replies``, of which one that came to its end is counted by the server with the end."""
    ended = sum(reply.finish != "length" for reply in replies)
    written = sum(len(reply.tokens) for reply in replies)
    said = (body.get("usage") or {}).get("completion_tokens")
    if said is not None and not written <= said <= written + ended:
        check_count(body["usage"], written)
    return replies


def _bytes_of(token: str) -> bytes:
    """The bytes of a token's text, which may be the notation of bytes that are no text."""
    if not token.startswith("bytes:"):
        return token.encode()
    pairs = _BYTES.findall(token.removeprefix("bytes:"))
    return b"".join(bytes([int(code, 16)]) if code else letter.encode() for code, letter in pairs)
