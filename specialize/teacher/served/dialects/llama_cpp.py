"""llama.cpp's own interface, ``/completion``; a given text is scored as one that is written.

    {"content": " is 72", "tokens": [318, 7724], "stop_type": "limit", "model": "teacher",
     "completion_probabilities": [{"id": 318, "logprob": -0.1, "top_logprobs": [
        {"id": 318, "logprob": -0.1}, {"id": 287, "logprob": -3.2}]}, ...]}

The server has no scores of prompts (ggml-org/llama.cpp#27174). But a grammar of token ids leaves it
nothing to write but the given text, and what it tells of every token is the distribution before
grammar and bias. So one request scores a run of tokens::

    root ::= <[318]> <[7724]>

It holds back, with its row, a token that ends inside a character, and its grammar does not match
one, nor special tokens. Each of those is scored by a request of its own: the prompt ends before the
token, and a bias makes it the one that is drawn. A token inside a character cannot be shown even
then: another one is forced, and the token's own log-probability is looked up among the entries, of
all ids if it must be. Servers without grammars of ids are asked for every token in this way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import Ids, Speaker, short_seed
from specialize.teacher.served.dialects.shapes import Shape, shaped
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request

_BIAS = 1e6
_RUN = 512  # tokens of one request, so that little is asked again after an interruption
_FIELDS = ("tokens", "stop_type", "model", "tokens_evaluated", "completion_probabilities")
_ENDS = {"eos": "eos", "word": "stop", "limit": "length"}


class Listed(Shape):
    """One id with its log-probability."""

    id: int
    logprob: float


class Written(Listed):
    """A token that was written, and the likeliest in its place."""

    top_logprobs: list[Listed]

    @property
    def entries(self) -> Entries:
        return tuple((entry.id, entry.logprob) for entry in self.top_logprobs)


class Completion(Shape):
    """The fields of ``/completion`` that are asked for."""

    tokens: list[int]
    stop_type: str
    tokens_evaluated: int
    model: str | None = None
    completion_probabilities: list[Written] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """``/completion`` with prompts as ids.

    ``in_runs``: given texts are scored by grammars; else token by token.
    """

    speaker: Speaker
    in_runs: bool = True
    scores: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        if count != 1:
            raise ValueError("llama.cpp writes one text a request; leave choices at 1")
        body: dict[str, Json] = {
            **_plain(prompt.ids, settings.top_k),
            "n_predict": settings.max_new_tokens,
            "seed": short_seed(seed),
            # temperature first: the nucleus is taken from what is drawn from
            "samplers": ["temperature", "top_p"],
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "stop": list(settings.stop),
        }
        return Request("/completion", body, len(prompt.ids) + settings.max_new_tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        answer = shaped(Completion, body)
        tokens, rows = tuple(answer.tokens), answer.completion_probabilities
        finish = self.speaker.finish(tokens, _ENDS.get(answer.stop_type, ""))
        if [row.id for row in rows] != answer.tokens:
            return [Reply(tokens, (), (), None, finish, answer.model)]
        logprobs, entries = (row.logprob for row in rows), (row.entries for row in rows)
        return [Reply(tokens, tuple(logprobs), tuple(entries), None, finish, answer.model)]

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        parts, first = [], 0
        for count in self._runs(tokens):
            before, run = head + tokens[:first], tokens[first : first + count]
            parts.append(self._forced(before, run, top_k))
            first += count
        return parts

    def _runs(self, tokens: Ids) -> Iterator[int]:
        """How many tokens at a time are scored together."""
        count = 0
        for whole in self._whole(tokens):
            if count and (not whole or count == _RUN):
                yield count
                count = 0
            if whole and self.in_runs:
                count += 1
            else:
                yield 1
        if count:
            yield count

    def _whole(self, tokens: Ids) -> list[bool]:
        """Which tokens a grammar matches: whole text that begins with no NUL, and no end."""
        tokenizer = self.speaker.tokenizer
        return [
            _is_text(piece) and piece[:1] not in (b"", b"\0") and token not in tokenizer.ends
            for token, piece in zip(tokens, tokenizer.pieces(tokens), strict=True)
        ]

    def _forced(self, before: Ids, run: Ids, top_k: int) -> Part:
        body: dict[str, Json] = {"n_predict": len(run), "temperature": 0.0}
        if len(run) > 1:
            body |= {**_plain(before, top_k), "grammar": _grammar(run)}
            return Part(Request("/completion", body, len(run)), before, run)
        shown = _is_text(self.speaker.tokenizer.pieces(run)[0])
        body |= _plain(before, top_k if shown else self.speaker.tokenizer.size)
        body["logit_bias"] = [[run[0] if shown else self._letter(), _BIAS]]
        return Part(Request("/completion", body, 1), before, run)

    def ask_chosen(self, head: Ids, tokens: Ids, chosen: tuple[Ids, ...]) -> None:
        return None

    def scores_of(self, body: Json, part: Part) -> Reply:
        answer = shaped(Completion, body)
        rows = answer.completion_probabilities
        if len(rows) != len(part.tokens):
            raise BadReplyError("no log-probabilities")
        if answer.tokens_evaluated != len(part.head):
            raise BadReplyError("another prompt than asked for")
        ids = tuple(row.id for row in rows)
        if answer.tokens != list(ids) or (len(ids) > 1 and ids != part.tokens):
            raise BadReplyError("entries are not those of the tokens")
        own = [
            row.logprob if row.id == token else dict(row.entries).get(token)
            for row, token in zip(rows, part.tokens, strict=True)
        ]
        logprobs = tuple(value for value in own if value is not None)
        if len(logprobs) < len(own):
            raise BadReplyError("a row lacks its own token")
        entries = tuple(row.entries for row in rows)
        return Reply(part.tokens, logprobs, entries, None, "given", answer.model)

    def simpler(self) -> LlamaCpp | None:
        return replace(self, in_runs=False) if self.in_runs else None

    def ask_tokens(self, text: str) -> Request | None:
        return Request("/tokenize", {"content": text, "add_special": False}, 0)

    def _letter(self) -> int:
        """A token of one printable character, which the server never holds back."""
        return self.speaker.tokenizer.encode("a")[-1]


def _grammar(tokens: Ids) -> str:
    """The grammar of one text, in ids."""
    return "root ::= " + " ".join(f"<[{token}]>" for token in tokens)


def _plain(ids: Sequence[int], top_k: int) -> dict[str, Json]:
    return {
        "prompt": list(ids),
        "n_probs": top_k,
        "return_tokens": True,
        "cache_prompt": True,
        "repeat_penalty": 1.0,
        "response_fields": list(_FIELDS),
    }


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
