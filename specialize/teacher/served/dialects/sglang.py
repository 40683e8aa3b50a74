"""SGLang's own interface, ``/generate``.

    {"text": " is 72", "output_ids": [318, 7724], "meta_info": {
       "finish_reason": {"type": "stop", "matched": 50256}, "completion_tokens": 2,
       "output_token_logprobs": [[-0.1, 318, null], ...],
       "output_top_logprobs": [[[-0.1, 318, null], [-3.2, 287, null]], ...]}}

Scored prompts come as ``input_token_logprobs`` and, nested as above or flat in base64, as
``input_top_logprobs``; the first position asked for is null (sglang/srt/managers/io_struct.py and
tokenizer_manager.py). The flat form is float32 and int32, row after row, without the null prefix.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, Strict

from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import Ids, Speaker, short_seed
from specialize.teacher.served.dialects.shapes import Shape, shaped
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request

# JSON has no tuples: a list of three is one
Scored = Annotated[tuple[float | None, int, str | None], Strict(False)]  # log-probability, id, text


class Stop(Shape):
    """Why a text ended, and the id or text that ended it."""

    type: str
    matched: int | str | None = None


class Meta(Shape):
    """What the server reports of a text; positions that were not asked for are null."""

    finish_reason: Stop | None = None
    completion_tokens: int | None = None
    output_token_logprobs: list[Scored] | None = None
    output_top_logprobs: list[list[Scored] | None] = Field(default_factory=list)
    input_token_logprobs: list[Scored] | None = None
    input_top_logprobs: list[list[Scored] | None] = Field(default_factory=list)
    input_top_logprobs_shape: list[int] = Field(default_factory=list)
    input_top_logprobs_null_prefix: int = 0
    input_top_logprobs_val_flat_b64: str | None = None
    input_top_logprobs_idx_flat_b64: str = ""


class Text(Shape):
    """One text."""

    meta_info: Meta
    text: str | None = None
    output_ids: list[int] | None = None


@dataclass(frozen=True, slots=True)
class SGLang:
    """``/generate`` with prompts as ids."""

    speaker: Speaker
    scores: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def ask(self, prompt: Prompt, settings: Sampling, seed: int, count: int) -> Request:
        sampling: dict[str, Json] = {
            "n": count,
            "sampling_seed": short_seed(seed),
            "max_new_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
        }
        if settings.stop:
            sampling["stop"] = list(settings.stop)
        body: dict[str, Json] = {
            "input_ids": list(prompt.ids),
            "sampling_params": sampling,
            "return_logprob": True,
            "top_logprobs_num": settings.top_k,
        }
        return Request("/generate", body, len(prompt.ids) + count * settings.max_new_tokens)

    def replies(self, body: Json, count: int) -> list[Reply]:
        listed = body if isinstance(body, list) else [body]
        if len(listed) != count:
            raise BadReplyError("another number of texts than asked for")
        return [self._reply(shaped(Text, one)) for one in listed]

    def _reply(self, written: Text) -> Reply:
        about = written.meta_info
        if about.output_token_logprobs is None:
            raise BadReplyError("no log-probabilities")
        tokens = tuple(token for _, token, _ in about.output_token_logprobs)
        if written.output_ids is not None and list(tokens) != written.output_ids:
            raise BadReplyError("entries are not those of the tokens")
        if about.completion_tokens not in (None, len(tokens)):
            raise BadReplyError("the server counts other tokens than it returns")
        stop = about.finish_reason or Stop(type="")
        return Reply(
            tokens,
            tuple(_value(logprob) for logprob, _, _ in about.output_token_logprobs),
            tuple(_row(row) for row in about.output_top_logprobs),
            written.text,
            self.speaker.finish(tokens, stop.type, stop.matched),
        )

    def ask_scores(self, head: Ids, tokens: Ids, top_k: int) -> list[Part]:
        body: dict[str, Json] = {
            "input_ids": [*head, *tokens],
            "sampling_params": {"max_new_tokens": 1, "temperature": 1.0},
            "return_logprob": True,
            "logprob_start_len": max(0, len(head) - 1),
            "top_logprobs_num": top_k,
            "return_flat_raw_top_logprobs": True,
            "return_flat_raw_top_logprobs_b64": True,
        }
        request = Request("/generate", body, len(head) + len(tokens) + 1)
        return [Part(request, head, tokens)]

    def ask_chosen(self, head: Ids, tokens: Ids, chosen: tuple[Ids, ...]) -> None:
        return None

    def scores_of(self, body: Json, part: Part) -> Reply:
        one = body[0] if isinstance(body, list) and body else body
        about, tokens = shaped(Text, one).meta_info, part.tokens
        listed = about.input_token_logprobs
        if not listed:
            raise BadReplyError("no log-probabilities")
        own = listed[-len(tokens) :]
        flat = about.input_top_logprobs_val_flat_b64
        rows = (
            [_row(row) for row in about.input_top_logprobs]
            if flat is None
            else _flat_rows(about, flat)
        )
        if [token for _, token, _ in own] != list(tokens) or len(rows) != len(listed):
            raise BadReplyError("entries are not those of the tokens")
        logprobs = tuple(_value(logprob) for logprob, _, _ in own)
        return Reply(tokens, logprobs, tuple(rows[-len(tokens) :]), None, "given")

    def simpler(self) -> None:
        return None

    def ask_tokens(self, text: str) -> Request | None:
        return None


def _row(row: list[Scored] | None) -> Entries:
    return tuple((token, _value(logprob)) for logprob, token, _ in row or ())


def _value(logprob: float | None) -> float:
    if logprob is None:
        raise BadReplyError("a log-probability is no number")
    return logprob


def _flat_rows(about: Meta, flat: str) -> list[Entries]:
    """One row for each position; those of the null prefix are empty."""
    skipped = about.input_top_logprobs_null_prefix
    try:
        count, width = about.input_top_logprobs_shape
        values, ids = (
            np.frombuffer(base64.b64decode(packed, validate=True), kind).reshape(-1, width)
            for packed, kind in ((flat, "<f4"), (about.input_top_logprobs_idx_flat_b64, "<i4"))
        )
    except ValueError as error:
        raise BadReplyError(
            "not in the form of this kind of server", f"meta_info.input_top_logprobs: {error}"
        ) from None
    if skipped < 0 or width < 1 or not len(values) == len(ids) == count - skipped:
        raise BadReplyError("entries are not those of the tokens")
    rows = [
        tuple(zip(own.tolist(), row.tolist(), strict=True))
        for own, row in zip(ids, values, strict=True)
    ]
    return [()] * skipped + rows
