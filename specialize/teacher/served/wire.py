"""What goes to a server and what comes back, in the same words for all kinds of servers.

One answer of three tokens, of which each has its own log-probability and K listed entries::

    Reply(tokens=(464, 3280, 318), logprobs=(-0.1, -0.0, -0.2),
          entries=(((464, -0.1), (1114, -3.2)), ...), text="The answer is", finish="length")

Nothing in a reply is believed yet; ``proof`` decides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from specialize.store.sealed import Json, canonical
from specialize.teacher.protocol import Finish

Entries = tuple[tuple[int, float], ...]


class BadReplyError(ValueError):
    """An answer that can not be believed; the message is the reason by which it is counted."""


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
    """A request for the rows of ``tokens`` behind ``head``: a given text, or a piece of it."""

    request: Request
    head: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as text and as the ids that the model reads."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One text as a server tells it. Tokens without ``logprobs`` are still to be scored."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    entries: tuple[Entries, ...]
    text: str | None
    finish: Finish

    @property
    def unscored(self) -> bool:
        return bool(self.tokens) and not self.logprobs


def parse_body(raw: bytes) -> Json:
    """The JSON of a raw answer.

    Raises:
        BadReplyError: no JSON, a key that stands twice, or nested too deeply for Python.
    """
    try:
        return json.loads(raw, object_pairs_hook=_unique)
    except BadReplyError:
        raise
    except (ValueError, RecursionError):
        raise BadReplyError("not JSON") from None


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadReplyError("a key stands twice")
    return found
