"""What every kind of server is asked for, and how parts of its answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from specialize.store.sealed import Json
from specialize.teacher.protocol import Finish, Sampling
from specialize.teacher.served.wire import BadReplyError, Part, Prompt, Reply, Request
from specialize.tokens import Tokenizer

Ids = tuple[int, ...]
SEED_BITS = 31  # what every server takes


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who is asked: the name that is served, and the tokenizer of its ids."""

    model: str
    tokenizer: Tokenizer

    def finish(self, tokens: Sequence[int], reason: str) -> Finish:
        """How a text ended, from what the server calls it and the last token."""
        if reason == "length":
            return "length"
        if reason not in ("stop", "eos"):
            raise BadReplyError("ended for an unknown reason")
        ended = bool(tokens) and tokens[-1] == self.tokenizer.eos
        return "eos" if ended or reason == "eos" else "stop"


class Dialect(Protocol):
    """One kind of server. Reading raises ``BadReplyError``, or what malformed JSON leads to."""

    scores: ClassVar[bool]  # whether given texts can be scored
    continues: ClassVar[bool]  # whether the text goes on behind the prompt

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        """The request for ``count`` texts behind ``prompt``."""

    def replies(self, body: Json, count: int) -> list[Reply]:
        """The texts of an answer to ``ask``."""

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        """The requests for the rows of ``tokens`` behind ``head``, in the order of the tokens."""

    def scores_of(self, body: Json, part: Part) -> Reply:
        """The rows of a part from its answer."""

    def ask_tokens(self, text: str) -> Request | None:
        """What the server makes of ``text`` is in ``tokens``; None where it can not tell."""

    def model_name(self, body: Json) -> str | None:
        """The model that an answer says it is of; None where it says none."""


def drawn(settings: Sampling, seed: int, count: int) -> dict[str, Json]:
    """How texts are drawn, in the words that OpenAI's interfaces and vLLM's share."""
    body: dict[str, Json] = {
        "n": count,
        "seed": short_seed(seed),
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
    }
    return body | ({"stop": list(settings.stop)} if settings.stop else {})


def named_model(body: Json) -> str | None:
    """The model that an answer of these interfaces names."""
    return body.get("model") if isinstance(body, dict) else None


def short_seed(seed: int) -> int:
    return seed % (1 << SEED_BITS)


def in_order(items: Json, count: int) -> list[dict[str, Json]]:
    """Choices by their index.

    Raises:
        BadReplyError: not exactly ``count`` with the indices 0 to count - 1.
    """
    if not isinstance(items, list) or len(items) != count:
        raise BadReplyError("another number of texts than asked for")
    ordered = sorted(items, key=lambda item: item["index"])
    if [item["index"] for item in ordered] != list(range(count)):
        raise BadReplyError("texts with wrong indices")
    return ordered


def number(value: Json) -> float:
    """A log-probability; JSON has no infinity, so that servers write it in words or as null."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReplyError("a log-probability is no number")
    return float(value)


def token_id(value: Json) -> int:
    """An id, given as a number or as vLLM's text ``token_id:464``."""
    if isinstance(value, str):
        value = int(value.removeprefix("token_id:"))
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadReplyError("a token id is no whole number")
    return value


def check_count(usage: Json, tokens: int) -> None:
    """The server's own count of what it wrote, where it gives one."""
    said = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if said is not None and said != tokens:
        raise BadReplyError("the server counts other tokens than it returns")
