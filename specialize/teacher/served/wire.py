"""What goes to a server and what comes back, in the same terms for all kinds of servers.

A reply of three tokens, each with its own log-probability and K listed entries::

    Reply(tokens=(464, 3280, 318), logprobs=(-0.1, -0.0, -0.2),
          entries=(((464, -0.1), (1114, -3.2)), ...), text="The answer is", finish="length")
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from specialize import records
from specialize.store.sealed import Json, canonical
from specialize.teacher.protocol import Finish

Entries = tuple[tuple[int, float], ...]


class BadReplyError(ValueError):
    """An answer that cannot be believed; ``reason`` is what it is counted by.

    Attributes:
        place: where in the answer, as ``choices[].logprobs.tokens[]``; empty where it is all of it.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{reason}: {place}" if place else reason)
        self.reason = reason
        self.place = place


@dataclass(frozen=True, slots=True)
class Request:
    """One request: where to, with what, and the tokens it takes at most (for rate limits)."""

    path: str
    body: Mapping[str, Json]
    tokens: int

    @property
    def key(self) -> str:
        """sha256 of path and body: equal for equal requests, whichever address they go to."""
        return hashlib.sha256(canonical([self.path, dict(self.body)])).hexdigest()


@dataclass(frozen=True, slots=True)
class Part:
    """A request for the rows of ``tokens`` after ``head``: a given text, or a run of it.

    ``chosen``: the ids whose log-probabilities are asked for, a list a token; none: the likeliest.
    """

    request: Request
    head: tuple[int, ...]
    tokens: tuple[int, ...]
    chosen: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it is asked, and as the ids that the model reads."""

    asked: records.Prompt
    ids: tuple[int, ...]

    @property
    def chat(self) -> records.ChatPrompt:
        """What a server renders with its own template; a text is the one turn of the user."""
        if isinstance(self.asked, records.ChatPrompt):
            return self.asked
        return records.ChatPrompt((records.Message("user", self.asked),))


@dataclass(frozen=True, slots=True)
class Reply:
    """One text as a server returns it; nothing in it is believed yet.

    Attributes:
        tokens, logprobs, entries: tokens without ``logprobs`` are still to be scored.
        text: the text that the server shows beside the tokens; None where it shows none.
        finish: how it ended.
        model: the name that the answer gives the model; None where it gives none.
        thinking: reasoning that the server keeps apart from ``text``.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    entries: tuple[Entries, ...]
    text: str | None
    finish: Finish
    model: str | None = None
    thinking: str = ""

    @property
    def unscored(self) -> bool:
        return bool(self.tokens) and not self.logprobs


def parse_body(raw: bytes) -> Json:
    """The JSON of a raw answer.

    Raises:
        BadReplyError: no JSON, a repeated key, or nested too deeply for Python.
    """
    try:
        body: Json = json.loads(raw, object_pairs_hook=_unique)
        return body
    except BadReplyError:
        raise
    except (ValueError, RecursionError):
        raise BadReplyError("not JSON") from None


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise BadReplyError("a key is repeated")
    return unique
