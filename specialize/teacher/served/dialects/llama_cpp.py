"""llama.cpp's own interface, ``/completion``; given texts are scored prefix by prefix.

    {"content": " is 72", "tokens": [318, 7724], "stop_type": "limit", "model": "teacher",
     "completion_probabilities": [{"id": 318, "logprob": -0.1, "top_logprobs": [
        {"id": 318, "logprob": -0.1}, {"id": 287, "logprob": -3.2}]}, ...]}

The server leaves out the entry of a token that ends inside a character, and knows no scores of
prompts (ggml-org/llama.cpp#27174). So a text with missing entries, and every given text, is scored
with one request a token: the prompt ends where the token stands, and a bias makes the token the one
that is drawn. What is told of it is the distribution before any bias. A token that ends inside a
character can not be told of even then: another one is forced, and the token's own log-probability
is looked up among the entries, of all ids if it must be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import Ids, Speaker, number, short_seed, token_id
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request

_BIAS = 1e6
_FIELDS = ("tokens", "stop_type", "model", "tokens_evaluated", "completion_probabilities")
_ENDS = {"eos": "eos", "word": "stop", "limit": "length"}


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """``/completion`` with prompts as ids."""

    speaker: Speaker
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
        tokens = tuple(token_id(token) for token in body["tokens"])
        rows = body.get("completion_probabilities") or []
        finish = self.speaker.finish(tokens, _ENDS.get(body["stop_type"], ""))
        if [token_id(row["id"]) for row in rows] != list(tokens):
            return [Reply(tokens, (), (), None, finish)]
        logprobs = tuple(number(row["logprob"]) for row in rows)
        entries = tuple(_entries(row) for row in rows)
        return [Reply(tokens, logprobs, entries, None, finish)]

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        parts = []
        for i, token in enumerate(tokens):
            known = _is_text(self.speaker.tokenizer.pieces([token])[0])
            forced = token if known else self._letter()
            before = head + tokens[:i]
            body: dict[str, Json] = {
                **_plain(before, top_k if known else self.speaker.tokenizer.size),
                "n_predict": 1,
                "temperature": 0.0,
                "logit_bias": [[forced, _BIAS]],
            }
            parts.append(Part(Request("/completion", body, 1), before, (token,)))
        return parts

    def scores_of(self, body: Json, part: Part) -> Reply:
        rows, token = body.get("completion_probabilities"), part.tokens[0]
        if not rows or len(rows) != 1:
            raise BadReplyError("no log-probabilities")
        if body["tokens_evaluated"] != len(part.head):
            raise BadReplyError("another prompt than asked for")
        entries, drawn = _entries(rows[0]), token_id(rows[0]["id"])
        if [token_id(said) for said in body["tokens"]] != [drawn]:
            raise BadReplyError("entries are not those of the tokens")
        own = number(rows[0]["logprob"]) if drawn == token else dict(entries).get(token)
        if own is None:
            raise BadReplyError("a row lacks its own token")
        return Reply(part.tokens, (own,), (entries,), None, "given")

    def ask_tokens(self, text: str) -> Request | None:
        return Request("/tokenize", {"content": text, "add_special": False}, 0)

    def model_name(self, body: Json) -> str | None:
        return body.get("model") if isinstance(body, dict) else None

    def _letter(self) -> int:
        """A token of one printable character, which the server never holds back."""
        return self.speaker.tokenizer.encode("a")[-1]


def _plain(ids: Sequence[int], top_k: int) -> dict[str, Json]:
    return {
        "prompt": list(ids),
        "n_probs": top_k,
        "return_tokens": True,
        "cache_prompt": True,
        "repeat_penalty": 1.0,
        "response_fields": list(_FIELDS),
    }


def _entries(row: dict[str, Json]) -> Entries:
    return tuple((token_id(e["id"]), number(e["logprob"])) for e in row["top_logprobs"])


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
