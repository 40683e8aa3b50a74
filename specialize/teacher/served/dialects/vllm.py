"""vLLM: completions with ids in place of token texts, and its interface of ids alone.

Completions (``return_tokens_as_token_ids``: two ids may share a text, which then is no key)::

    {"choices": [{"index": 0, "text": " is 72", "finish_reason": "length", "logprobs": {
       "tokens": ["token_id:318", ...], "token_logprobs": [-0.1, ...],
       "top_logprobs": [{"token_id:318": -0.1, "token_id:287": -3.2}, ...]}}]}

Scored prompts: ``choices[0].prompt_logprobs`` (completions) or ``prompt_logprobs`` (ids alone), one
entry a token, the first null: ``{"318": {"logprob": -0.1, "rank": 1, "decoded_token": " is"}}``.
vLLM sends the top K and the token itself where it is not among them; -inf is written -9999
(vllm/entrypoints/openai/completion/protocol.py and vllm/entrypoints/serve/disagg/protocol.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

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
    token_id,
)
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request


@dataclass(frozen=True, slots=True)
class Vllm:
    """``/v1/completions`` with prompts as ids."""

    speaker: Speaker
    scores: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        body: dict[str, Json] = {
            "model": self.speaker.model,
            "prompt": list(prompt.ids),
            **drawn(settings, seed, count),
            "logprobs": settings.top_k,
            "return_tokens_as_token_ids": True,
        }
        return Request("/v1/completions", body, len(prompt.ids) + count * settings.max_new_tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        found = [self._reply(choice) for choice in in_order(body["choices"], count)]
        check_count(body.get("usage"), sum(len(reply.tokens) for reply in found))
        return found

    def _reply(self, choice: dict[str, Json]) -> Reply:
        told = choice["logprobs"]
        if told is None:
            raise BadReplyError("no log-probabilities")
        tokens = tuple(token_id(token) for token in told["tokens"])
        return Reply(
            tokens,
            tuple(number(value) for value in told["token_logprobs"]),
            tuple(
                tuple((token_id(token), number(value)) for token, value in row.items())
                for row in told["top_logprobs"]
            ),
            choice["text"],
            self.speaker.finish(tokens, choice["finish_reason"]),
        )

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        body: dict[str, Json] = {
            "model": self.speaker.model,
            "prompt": [*head, *tokens],
            "max_tokens": 1,
            "temperature": 1.0,
            "prompt_logprobs": top_k,
            "return_tokens_as_token_ids": True,
        }
        request = Request("/v1/completions", body, len(head) + len(tokens) + 1)
        return [Part(request, head, tokens)]

    def scores_of(self, body: Json, part: Part) -> Reply:
        return prompt_rows(body["choices"][0].get("prompt_logprobs"), part)

    def ask_tokens(self, text: str) -> Request | None:
        return _ask_tokens(self.speaker, text)

    def model_name(self, body: Json) -> str | None:
        return named_model(body)


@dataclass(frozen=True, slots=True)
class VllmTokens:
    """``/inference/v1/generate``, which a server offers with ``--tokens-only`` and alike."""

    speaker: Speaker
    scores: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        sampling = {**drawn(settings, seed, count), "logprobs": settings.top_k}
        return self._request(prompt.ids, sampling, count * settings.max_new_tokens)

    def _request(self, ids: Sequence[int], sampling: dict[str, Json], written: int) -> Request:
        body = {
            "model": self.speaker.model, "token_ids": list(ids), "sampling_params": sampling,
        }  # fmt: skip
        return Request("/inference/v1/generate", body, len(ids) + written)

    def replies(self, body: Json, count: int) -> list[Reply]:
        found = []
        for choice in in_order(body["choices"], count):
            if choice["logprobs"] is None:
                raise BadReplyError("no log-probabilities")
            rows = choice["logprobs"]["content"]
            tokens = tuple(token_id(token) for token in choice["token_ids"])
            if [_named(row) for row in rows] != list(tokens):
                raise BadReplyError("entries are not those of the tokens")
            finish = self.speaker.finish(tokens, choice["finish_reason"])
            entries = tuple(
                tuple((_named(entry), number(entry["logprob"])) for entry in row["top_logprobs"])
                for row in rows
            )
            logprobs = tuple(number(row["logprob"]) for row in rows)
            found.append(Reply(tokens, logprobs, entries, None, finish))
        check_count(body.get("usage"), sum(len(reply.tokens) for reply in found))
        return found

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        sampling: dict[str, Json] = {"max_tokens": 1, "temperature": 1.0, "prompt_logprobs": top_k}
        return [Part(self._request([*head, *tokens], sampling, 1), head, tokens)]

    def scores_of(self, body: Json, part: Part) -> Reply:
        return prompt_rows(body.get("prompt_logprobs"), part)

    def ask_tokens(self, text: str) -> Request | None:
        return _ask_tokens(self.speaker, text)

    def model_name(self, body: Json) -> str | None:
        return named_model(body)


def _named(entry: dict[str, Json]) -> int:
    """The id of an entry in the form of a chat: in a field of its own, or as its text."""
    return token_id(entry["token_id"] if "token_id" in entry else entry["token"])


def _ask_tokens(speaker: Speaker, text: str) -> Request:
    body = {"model": speaker.model, "prompt": text, "add_special_tokens": False}
    return Request("/tokenize", body, 0)


def prompt_rows(told: Json, part: Part) -> Reply:
    """The rows of a part from one entry a token of its head and tokens, the first null.

    Raises:
        BadReplyError: none at all, too few or too many, or a row without its token.
    """
    if not isinstance(told, list):
        raise BadReplyError("no log-probabilities")
    if len(told) != len(part.head) + len(part.tokens):
        raise BadReplyError("entries are not those of the tokens")
    rows: list[Entries] = []
    logprobs = []
    for token, row in zip(part.tokens, told[len(part.head) :], strict=True):
        listed = row.items() if isinstance(row, dict) else [(e["token_id"], e) for e in row]
        found = {token_id(name): number(entry["logprob"]) for name, entry in listed}
        if len(found) < len(row):
            raise BadReplyError("an id stands twice in a row")
        if token not in found:
            raise BadReplyError("a row lacks its own token")
        rows.append(tuple(found.items()))
        logprobs.append(found[token])
    return Reply(part.tokens, tuple(logprobs), tuple(rows), None, "given")
