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

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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
    """``/v1/completions`` with prompts as ids, or ``/inference/v1/generate``.

    ``ids_alone``: the latter, which a server offers with ``--tokens-only`` and alike.
    """

    speaker: Speaker
    ids_alone: bool = False
    scores: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        sampling = {**drawn(settings, seed, count), "logprobs": settings.top_k}
        return self._request(prompt.ids, sampling, count * settings.max_new_tokens)

    def _request(self, ids: Sequence[int], sampling: dict[str, Json], written: int) -> Request:
        body: dict[str, Json] = {"model": self.speaker.model}
        if self.ids_alone:
            body |= {"token_ids": list(ids), "sampling_params": sampling}
        else:
            body |= {"prompt": list(ids), **sampling, "return_tokens_as_token_ids": True}
        path = "/inference/v1/generate" if self.ids_alone else "/v1/completions"
        return Request(path, body, len(ids) + written)

    def replies(self, body: Json, count: int) -> list[Reply]:
        return Reader(self.speaker).replies(body, count)

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        sampling: dict[str, Json] = {"max_tokens": 1, "temperature": 1.0, "prompt_logprobs": top_k}
        return [Part(self._request([*head, *tokens], sampling, 1), head, tokens)]

    def ask_chosen(self, head: Ids, tokens: Ids, chosen: tuple[Ids, ...]) -> Part | None:
        width = max(map(len, chosen), default=0)
        if not (self.ids_alone and head and width):
            return None
        listed: list[Json] = [[*ids, *[-1] * (width - len(ids))] for ids in chosen]
        sampling: dict[str, Json] = {
            "max_tokens": 1,
            "temperature": 1.0,
            "prompt_logprob_start": len(head) - 1,
            "prompt_logprob_token_ids": listed,
        }
        return Part(self._request([*head, *tokens], sampling, 1), head, tokens, chosen)

    def scores_of(self, body: Json, part: Part) -> Reply:
        answer = shaped(Answer, body)
        if part.chosen:
            return _scored(_chosen_rows(answer.prompt_token_id_logprobs, part), part, answer.model)
        inner = not self.ids_alone
        rows = answer.ordered(1)[0].prompt_logprobs if inner else answer.prompt_logprobs
        return _scored(_prompt_rows(rows, part), part, answer.model)

    def simpler(self) -> None:
        return None

    def ask_tokens(self, text: str) -> Request | None:
        body: dict[str, Json] = {
            "model": self.speaker.model, "prompt": text, "add_special_tokens": False,
        }  # fmt: skip
        return Request("/tokenize", body, 0)


def _scored(rows: list[Entries], part: Part, model: str | None) -> Reply:
    """The rows of a part.

    Raises:
        BadReplyError: one lacks its own token.
    """
    own = [dict(entries).get(token) for token, entries in zip(part.tokens, rows, strict=True)]
    logprobs = tuple(value for value in own if value is not None)
    if len(logprobs) < len(own):
        raise BadReplyError("a row lacks its own token")
    return Reply(part.tokens, logprobs, tuple(rows), None, "given", model)


def _prompt_rows(rows: list[PromptRow] | None, part: Part) -> list[Entries]:
    """The rows of a part's tokens, from one a token of its head and tokens, the first null.

    Raises:
        BadReplyError: none at all, or too few or too many.
    """
    if rows is None:
        raise BadReplyError("no log-probabilities")
    if len(rows) != len(part.head) + len(part.tokens):
        raise BadReplyError("entries are not those of the tokens")
    return [_entries(row) for row in rows[len(part.head) :]]


def _entries(row: PromptRow) -> Entries:
    if isinstance(row, dict):
        return tuple((token_id(name), entry.logprob) for name, entry in row.items())
    listed = [(entry.token_id, entry.logprob) for entry in row or ()]
    return tuple((token, logprob) for token, logprob in listed if token is not None)


def _chosen_rows(matrix: str | None, part: Part) -> list[Entries]:
    """The rows of a part's chosen ids, from a ``.npy`` file in base64.

    Raises:
        BadReplyError: no such file, or a matrix of another shape.
    """
    if matrix is None:
        raise BadReplyError("no log-probabilities")
    try:
        values = np.load(io.BytesIO(base64.b64decode(matrix, validate=True)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BadReplyError(
            "not in the form of this kind of server", f"prompt_token_id_logprobs: {error}"
        ) from None
    width = max(map(len, part.chosen))
    if values.dtype != np.float32 or values.shape != (len(part.tokens), width):
        raise BadReplyError("entries are not those of the tokens")
    return [
        tuple(zip(ids, row[: len(ids)], strict=True))
        for ids, row in zip(part.chosen, values.tolist(), strict=True)
    ]
