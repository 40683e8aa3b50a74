"""The answers of OpenAI's interfaces and of those that took over their form, vLLM's among them.

    {"model": "m", "usage": {"completion_tokens": 2}, "choices": [{
        "index": 0, "finish_reason": "stop", "text": " is 72",            completions
        "message": {"content": " is 72", "reasoning": "3 times 24."},     chat
        "logprobs": {
            "tokens": [" is", " 72"], "token_logprobs": [-0.1, -0.4],     completions
            "top_logprobs": [{" is": -0.1, " in": -3.2}, ...],
            "content": [{"token": " is", "bytes": [32, 105, 115], "id": 318, "logprob": -0.1,
                         "top_logprobs": [...]}, ...]}}]}                 chat

What a server sends beyond these fields is ignored; a field of another type is an error that names
its place. Entries name their tokens by id (``id``, ``token_id``, or the text ``token_id:318``), or
else by their bytes or text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from specialize.store.sealed import Json
from specialize.teacher.served.dialects.dialect import Speaker
from specialize.teacher.served.wire import BadReplyError, Entries, Reply
from specialize.tokens.spellings import SpellingError, Spellings

_ID = re.compile(r"(?:token_id:)?(-?\d{1,18})")


class Shape(BaseModel):
    """Part of an answer: exact types, further fields ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Entry(Shape):
    """One token with its log-probability."""

    logprob: float
    token: str = ""
    spelled: list[Annotated[int, Field(ge=0, le=255)]] | None = Field(default=None, alias="bytes")
    id: int | None = None
    token_id: int | None = None


class Row(Entry):
    """A token that was written, and the likeliest in its place."""

    top_logprobs: list[Entry] = Field(default_factory=list)


class Logprobs(Shape):
    """Rows in the form of completions, or of a chat (``content``)."""

    tokens: list[str] | None = None
    token_logprobs: list[float] = Field(default_factory=list)
    top_logprobs: list[dict[str, float]] = Field(default_factory=list)
    content: list[Row] | None = None


class Message(Shape):
    """The message of a chat; servers differ in their name for the thinking before it."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    @property
    def thinking(self) -> str:
        return self.reasoning_content or self.reasoning or ""


PromptRow = dict[str, Entry] | list[Entry] | None


class Choice(Shape):
    """One text of an answer."""

    index: int
    finish_reason: str | None = None
    stop_reason: int | str | None = None  # vLLM: the id or text that ended it
    text: str | None = None
    message: Message | None = None
    token_ids: list[int] | None = None
    logprobs: Logprobs | None = None
    prompt_logprobs: list[PromptRow] | None = None


class Details(Shape):
    """Of the tokens that were counted, those of hidden reasoning."""

    reasoning_tokens: int | None = None


class Usage(Shape):
    """What the server counted."""

    completion_tokens: int | None = None
    completion_tokens_details: Details | None = None


class Answer(Shape):
    """A whole answer."""

    choices: list[Choice]
    model: str | None = None
    usage: Usage | None = None
    prompt_logprobs: list[PromptRow] | None = None
    prompt_token_id_logprobs: str | None = None

    def ordered(self, count: int) -> list[Choice]:
        """The choices by their index.

        Raises:
            BadReplyError: not exactly ``count`` with the indices 0 to count - 1.
        """
        if len(self.choices) != count:
            raise BadReplyError("another number of texts than asked for")
        ordered = sorted(self.choices, key=lambda choice: choice.index)
        if [choice.index for choice in ordered] != list(range(count)):
            raise BadReplyError("texts with wrong indices")
        return ordered


Form = TypeVar("Form", bound=Shape)


def shaped(form: type[Form], body: Json) -> Form:
    """``body`` in the shape of ``form``.

    Raises:
        BadReplyError: it is not; with the first place that is wrong.
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "".join("[]" if isinstance(p, int) else f".{p}" for p in first["loc"])
        where = f"{place.lstrip('.')}: {first['msg']}" if place else first["msg"]
        raise BadReplyError("not in the form of this kind of server", where) from None


def token_id(name: str) -> int:
    """The id in a text such as ``token_id:464`` or ``464``.

    Raises:
        BadReplyError: there is none in it.
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise BadReplyError("a token id is no whole number")
    return int(found[1])


@dataclass(frozen=True, slots=True)
class Reader:
    """Choices as replies.

    Attributes:
        spellings: for tokens without an id; None where the server names every one by its id.
        shows_ends: an end of sequence is among the tokens that the server returns.
    """

    speaker: Speaker
    spellings: Spellings | None = None
    shows_ends: bool = True

    def replies(self, body: Json, count: int) -> list[Reply]:
        """The ``count`` texts of an answer.

        Raises:
            BadReplyError: it is malformed, or its parts disagree.
        """
        answer = shaped(Answer, body)
        replies = [self.reply(choice, answer.model) for choice in answer.ordered(count)]
        self._check_usage(answer.usage, replies)
        return replies

    def reply(self, choice: Choice, model: str | None) -> Reply:
        """The text of ``choice`` with its rows.

        Raises:
            BadReplyError: no rows, a token that cannot be identified, or an unknown end.
        """
        listed = choice.logprobs
        if listed is not None and listed.content is not None:
            if any(self._merged(row) for row in listed.content):
                raise BadReplyError("one row for several tokens")
            tokens = tuple(self._id(row) for row in listed.content)
            logprobs = tuple(row.logprob for row in listed.content)
            entries = tuple(self._entries(row.top_logprobs) for row in listed.content)
        elif listed is not None and listed.tokens is not None:
            tokens = tuple(self._named(name) for name in listed.tokens)
            logprobs = tuple(listed.token_logprobs)
            entries = tuple(
                tuple((self._named(name), value) for name, value in row.items())
                for row in listed.top_logprobs
            )
        else:
            raise BadReplyError("no log-probabilities")
        if choice.token_ids is not None and list(tokens) != choice.token_ids[: len(tokens)]:
            raise BadReplyError("entries are not those of the tokens")
        finish = self.speaker.finish(tokens, choice.finish_reason or "", choice.stop_reason)
        message = choice.message
        reply = Reply(tokens, logprobs, entries, choice.text, finish, model)
        if message is None:
            return reply
        return replace(reply, text=message.content or "", thinking=message.thinking)

    def _entries(self, listed: list[Entry]) -> Entries:
        return tuple((self._id(entry), entry.logprob) for entry in listed)

    def _id(self, entry: Entry) -> int:
        given = entry.id if entry.id is not None else entry.token_id
        return self._named(entry.token, entry.spelled) if given is None else given

    def _merged(self, row: Row) -> bool:
        """Whether llama.cpp left out the rows of tokens that end inside a character.

        The next row it sends has their bytes before its own.
        """
        if row.id is None or row.spelled is None or not 0 <= row.id < self.speaker.tokenizer.size:
            return False
        piece = self.speaker.tokenizer.pieces([row.id])[0]
        return bool(piece) and bytes(row.spelled).removesuffix(piece) not in (
            b"",
            bytes(row.spelled),
        )

    def _named(self, text: str, spelled: list[int] | None = None) -> int:
        if self.spellings is None or text.startswith("token_id:"):
            return token_id(text)
        try:
            return self.spellings.id_named(text, spelled)
        except SpellingError as error:
            raise BadReplyError(str(error)) from None

    def _check_usage(self, usage: Usage | None, replies: list[Reply]) -> None:
        """Hold the server's own count, where it gives one, against what it returned."""
        counted = usage.completion_tokens if usage else None
        if usage is None or counted is None:
            return
        details = usage.completion_tokens_details
        unseen = (details.reasoning_tokens or 0) if details else 0
        if not self.shows_ends:
            unseen += sum(reply.finish == "stop" for reply in replies)
        written = sum(len(reply.tokens) for reply in replies)
        if not written <= counted <= written + unseen:
            raise BadReplyError("the server counts other tokens than it returns")
