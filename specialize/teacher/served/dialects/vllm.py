"""vLLM: completions with ids in place of token texts, and its interface of ids alone.

Completions are asked with ``return_tokens_as_token_ids``: two ids may share a text, which then is
no key. Scored prompts come as ``choices[0].prompt_logprobs`` (completions) or ``prompt_logprobs``
(ids alone), one entry a token, the first null::

    {"318": {"logprob": -0.1, "rank": 1, "decoded_token": " is"}}

vLLM sends the top K and the token itself where it is not among them; -inf is written -9999
(vllm/entrypoints/openai/completion/protocol.py and vllm/entrypoints/serve/disagg/protocol.py).

The interface of ids alone also scores ids that the client chooses, one list a position
(``prompt_logprob_token_ids``); their log-probabilities come as a float32 matrix, a ``.npy`` file
in base64 (docs/training/prompt_token_id_logprobs.md of vLLM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import Ids, Speaker, drawn
from specialize.teacher.served.dialects.shapes import (
    Answer,
    PromptRow,
    Reader,
    shaped,
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
        sampling = {**drawn(settings, seed, count), "logprobs": settings.top_k}
        return self._request(prompt.ids, sampling, count * settings.max_new_tokens)

    def _request(self, ids: Sequence[int], sampling: dict[str, Json], written: int) -> Request:
        body: dict[str, Json] = {
            "model": self.speaker.model,
            "prompt": list(ids),
            **sampling,
            "return_tokens_as_token_ids": True,
        }
        return Request("/v1/completions", body, len(ids) + written)

    def replies(self, body: Json, count: int) -> list[Reply]:
        return Reader(self.speaker).replies(body, count)

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        return [Part(self._request([*head, *tokens], _scoring(top_k), 1), head, tokens)]

    def scores_of(self, body: Json, part: Part) -> Reply:
        answer = shaped(Answer, body)
        return _scored(answer.ordered(1)[0].prompt_logprobs, part, answer.model)

    def simpler(self) -> None:
        return None

    def ask_tokens(self, text: str) -> Request | None:
        return _ask_tokens(self.speaker, text)


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
        body: dict[str, Json] = {
            "model": self.speaker.model, "token_ids": list(ids), "sampling_params": sampling,
        }  # fmt: skip
        return Request("/inference/v1/generate", body, len(ids) + written)

    def replies(self, body: Json, count: int) -> list[Reply]:
        return Reader(self.speaker).replies(body, count)

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        return [Part(self._request([*head, *tokens], _scoring(top_k), 1), head, tokens)]

    def scores_of(self, body: Json, part: Part) -> Reply:
        answer = shaped(Answer, body)
        return _scored(answer.prompt_logprobs, part, answer.model)

    def simpler(self) -> None:
        return None

    def ask_tokens(self, text: str) -> Request | None:
        return _ask_tokens(self.speaker, text)


def _scoring(top_k: int) -> dict[str, Json]:
    return {"max_tokens": 1, "temperature": 1.0, "prompt_logprobs": top_k}


def _ask_tokens(speaker: Speaker, text: str) -> Request:
    body: dict[str, Json] = {"model": speaker.model, "prompt": text, "add_special_tokens": False}
    return Request("/tokenize", body, 0)


def _scored(rows: list[PromptRow] | None, part: Part, model: str | None) -> Reply:
    """The rows of a part from one a token of its head and tokens, the first null.

    Raises:
        BadReplyError: none at all, too few or too many, or a row without its token.
    """
    if rows is None:
        raise BadReplyError("no log-probabilities")
    if len(rows) != len(part.head) + len(part.tokens):
        raise BadReplyError("entries are not those of the tokens")
    listed = [_entries(row) for row in rows[len(part.head) :]]
    own = [dict(entries).get(token) for token, entries in zip(part.tokens, listed, strict=True)]
    logprobs = tuple(value for value in own if value is not None)
    if len(logprobs) < len(own):
        raise BadReplyError("a row lacks its own token")
    return Reply(part.tokens, logprobs, tuple(listed), None, "given", model)


def _entries(row: PromptRow) -> Entries:
    if isinstance(row, dict):
        return tuple((token_id(name), entry.logprob) for name, entry in row.items())
    listed = [(entry.token_id, entry.logprob) for entry in row or ()]
    return tuple((token, logprob) for token, logprob in listed if token is not None)
