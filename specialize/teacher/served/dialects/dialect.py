"""What every kind of server is asked for, and how it says that a text ended."""

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

    def finish(
        self, tokens: Sequence[int], reason: str, stopped_by: int | str | None = None
    ) -> Finish:
        """How a text ended, from what the server calls it and the last token.

        Args:
            tokens: of the text, with its end where the server shows it.
            reason: the server's word.
            stopped_by: the id that ended it, or the text, where the server says so.

        Raises:
            BadReplyError: a word that no server uses for an end.
        """
        if reason == "length":
            return "length"
        if reason not in ("stop", "eos"):
            raise BadReplyError("ended for an unknown reason")
        ended = bool(tokens) and tokens[-1] in (*self.tokenizer.ends, stopped_by)
        return "eos" if ended or reason == "eos" else "stop"


class Dialect(Protocol):
    """One kind of server. Reading an answer raises ``BadReplyError`` and nothing else."""

    scores: ClassVar[bool]  # whether given texts can be scored

    @property
    def continues(self) -> bool:
        """Whether the text goes on after the prompt."""

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        """The request for ``count`` texts after ``prompt``."""

    def replies(self, body: Json, count: int) -> list[Reply]:
        """The texts of an answer to ``ask``."""

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        """The requests for the rows of ``tokens`` after ``head``, in the order of the tokens."""

    def ask_chosen(self, head: Ids, tokens: Ids, chosen: tuple[Ids, ...]) -> Part | None:
        """The same for ids that are chosen by position; None where this cannot be asked."""

    def scores_of(self, body: Json, part: Part) -> Reply:
        """The rows of a part from its answer."""

    def simpler(self) -> Dialect | None:
        """The same kind without what only newer servers can do; None where there is no such."""

    def ask_tokens(self, text: str) -> Request | None:
        """What the server makes of ``text`` is in ``tokens``; None where it cannot tell."""


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


def short_seed(seed: int) -> int:
    return seed % (1 << SEED_BITS)
