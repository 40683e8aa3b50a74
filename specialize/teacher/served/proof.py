"""From a server's reply to rows that are believed, or the reason why not.

Believed is a reply in which every token has its row; ids are of the vocabulary and distinct in a
row; log-probabilities are finite, at most 0, or the server's own word for -inf; at least K entries
are listed; their mass is at most 1; the token's log-probability is that of its entry, or, where it
has none, not above the smallest; and the text is what the tokens spell. A row that is shifted by
one fails the last but one: its token is not the one that was drawn from it.

Thinking that a server keeps apart from the text goes with it as plain text. Its rows, where the
server returns them, are held against the same rules if they are to be kept, and cut off if not.

A model may write more ids than its tokenizer has: its output is padded to a round size. Entries
with such ids join the tail; a token with one is not believed, since it spells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from align.ragged import pointers
from align.sparse import SparseDistributions
from specialize.teacher.protocol import ScoredText
from specialize.teacher.served.wire import BadReplyError, Entries, Reply
from specialize.tokens import Tokenizer

SENTINEL = -9000.0  # vLLM and OpenAI write -9999 for -inf; no float32 softmax goes so low
PADDING = 2048  # ids beyond the tokenizer's at most; gpt-oss, the widest known, has 1,070
TOLERANCE = 1e-3  # nats between a token and its entry, and of mass above 1: rounding of servers


@dataclass(frozen=True, slots=True)
class Proof:
    """What a reply is held against: K entries of a vocabulary of ``width`` ids.

    ``keeps_thinking``: rows of the thinking are kept, and must be as good as those of the text.
    """

    tokenizer: Tokenizer
    top_k: int
    width: int
    keeps_thinking: bool = False

    @property
    def k(self) -> int:
        return min(self.top_k, self.width)

    def believe(self, reply: Reply) -> ScoredText:
        """The text with its rows.

        Raises:
            BadReplyError: the first rule that it breaks.
        """
        reply, before = self.split_thinking(reply)
        said = self._believe(reply)
        if not before.tokens or not self.keeps_thinking:
            return said
        return replace(said, thought=self._believe(before))

    def _believe(self, reply: Reply) -> ScoredText:
        count = len(reply.tokens)
        if len(reply.logprobs) != count or len(reply.entries) != count:
            raise BadReplyError("entries are not those of the tokens")
        text = self.check_tokens(reply)
        replied = zip(reply.tokens, reply.logprobs, reply.entries, strict=True)
        rows = [self._row(*token)[: self.k] for token in replied]
        return ScoredText(
            text,
            np.array(reply.tokens, np.int32),
            np.minimum(np.array([_value(own) for own in reply.logprobs], np.float32), 0),
            _distributions(rows),
            reply.finish,
            thinking=reply.thinking,
        )

    def _row(self, token: int, logprob: float, entries: Entries) -> list[tuple[int, float]]:
        """The entries of one row whose ids are the tokenizer's, most probable first."""
        if len({entry for entry, _ in entries}) < len(entries):
            raise BadReplyError("an id is repeated in a row")
        if any(not 0 <= entry < self.width + PADDING for entry, _ in entries):
            raise BadReplyError("an id outside the vocabulary")
        if len(entries) < self.k:
            raise BadReplyError("fewer entries than asked for")
        listed = [(entry, _value(value)) for entry, value in entries]
        row = sorted((e for e in listed if e[1] > -math.inf), key=lambda e: (-e[1], e[0]))
        mass = math.fsum(math.exp(value) for _, value in row)
        if mass > 1 + TOLERANCE:
            raise BadReplyError("a mass above 1")
        if len(row) < self.k and mass < 1 - TOLERANCE:  # nothing but the rest may be impossible
            raise BadReplyError("fewer entries than asked for")
        own, entry = _value(logprob), dict(listed).get(token)
        if entry is None and row and own > row[-1][1] + TOLERANCE:
            raise BadReplyError("a token is likelier than listed entries, but not listed")
        if entry is not None and entry != own and not abs(entry - own) <= TOLERANCE:
            raise BadReplyError("a token and its entry differ")
        return [(token, value) for token, value in row if token < self.width]

    def split_thinking(self, reply: Reply) -> tuple[Reply, Reply]:
        """``reply`` from the token on in which its text begins, and what came before.

        Some servers return the tokens of the thinking before those of the text, others the text's
        alone.

        Raises:
            BadReplyError: the tokens spell neither.
        """
        nothing = replace(reply, tokens=(), logprobs=(), entries=(), text=None, finish="given")
        if not reply.thinking or reply.text is None:
            return reply, nothing
        text, thinking = (t.replace("\ufffd", "").strip() for t in (reply.text, reply.thinking))
        pieces = self.tokenizer.pieces([t for t in reply.tokens if 0 <= t < self.width])
        spelled = b"".join(pieces)
        start = spelled.rfind(text.encode()) if text else len(spelled)
        before = spelled[: max(start, 0)].strip()
        if start < 0 or (before and thinking.encode() not in before):
            raise BadReplyError("the text is not what the tokens spell")
        ends = np.cumsum([len(piece) for piece in pieces])
        first = int(np.searchsorted(ends, start, side="right")) if before else 0
        said = replace(
            reply,
            tokens=reply.tokens[first:],
            logprobs=reply.logprobs[first:],
            entries=reply.entries[first:],
            text=text,
        )
        return said, replace(
            nothing,
            tokens=reply.tokens[:first],
            logprobs=reply.logprobs[:first],
            entries=reply.entries[:first],
        )

    def check_tokens(self, reply: Reply) -> str:
        """The text of the tokens: what the server shows begins it, or the other way round.

        A server leaves out a stop text, shows parts of characters in its own way, and may trim
        leading space; special tokens are in neither, and nor is the end.
        """
        if any(not 0 <= token < self.width for token in reply.tokens):
            raise BadReplyError("an id outside the vocabulary")
        written = reply.tokens[:-1] if reply.finish == "eos" else reply.tokens
        text = self.tokenizer.decode(written)
        if reply.text is not None:
            shown, spelled = (t.replace("\ufffd", "").lstrip() for t in (reply.text, text))
            if not (spelled.startswith(shown) or (shown.startswith(spelled) and spelled)):
                raise BadReplyError("the text is not what the tokens spell")
        return text


def _distributions(rows: Sequence[Sequence[tuple[int, float]]]) -> SparseDistributions:
    """Rows of (id, nats) with the tail that is left of each."""
    masses = [math.fsum(math.exp(value) for _, value in row) for row in rows]
    return SparseDistributions(
        pointers(np.array([len(row) for row in rows], np.int64)),
        np.array([entry for row in rows for entry, _ in row], np.int32),
        np.minimum(np.array([value for row in rows for _, value in row], np.float32), 0),
        np.array([_log_complement(mass) for mass in masses], np.float32),
    )


def _value(logprob: float) -> float:
    """A log-probability; -inf for the server's word for it.

    Raises:
        BadReplyError: NaN, infinite, or above 0.
    """
    if not math.isfinite(logprob):
        raise BadReplyError("a log-probability is not finite")
    if logprob > TOLERANCE:
        raise BadReplyError("a log-probability above 0")
    return -math.inf if logprob <= SENTINEL else logprob


def _log_complement(mass: float) -> float:
    return math.log1p(-mass) if mass < 1 else -math.inf
