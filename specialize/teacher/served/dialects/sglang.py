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
from typing import ClassVar

import numpy as np

from specialize.store.sealed import Json
from specialize.teacher.protocol import Sampling
from specialize.teacher.served.dialects.dialect import (
    Ids,
    Speaker,
    check_count,
    number,
    short_seed,
    token_id,
)
from specialize.teacher.served.wire import BadReplyError, Entries, Part, Prompt, Reply, Request


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
        told = body if isinstance(body, list) else [body]
        if len(told) != count:
            raise BadReplyError("another number of texts than asked for")
        return [self._reply(one) for one in told]

    def _reply(self, told: dict[str, Json]) -> Reply:
        about = told["meta_info"]
        listed = about["output_token_logprobs"]
        tokens = tuple(token_id(entry[1]) for entry in listed)
        if "output_ids" in told and list(tokens) != told["output_ids"]:
            raise BadReplyError("entries are not those of the tokens")
        check_count(about, len(tokens))
        return Reply(
            tokens,
            tuple(number(entry[0]) for entry in listed),
            tuple(_row(row) for row in about["output_top_logprobs"]),
            told.get("text"),
            self.speaker.finish(tokens, about["finish_reason"]["type"]),
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

    def scores_of(self, body: Json, part: Part) -> Reply:
        told, tokens = body[0] if isinstance(body, list) else body, part.tokens
        about = told["meta_info"]
        listed = about.get("input_token_logprobs")
        if not listed:
            raise BadReplyError("no log-probabilities")
        own = listed[-len(tokens) :]
        if [token_id(entry[1]) for entry in own] != list(tokens):
            raise BadReplyError("entries are not those of the tokens")
        flat = "input_top_logprobs_val_flat_b64" in about
        nested = () if flat else about["input_top_logprobs"]
        rows = _flat_rows(about, len(listed)) if flat else [_row(row) for row in nested]
        if len(rows) != len(listed):
            raise BadReplyError("entries are not those of the tokens")
        logprobs = tuple(number(entry[0]) for entry in own)
        return Reply(tokens, logprobs, tuple(rows[-len(tokens) :]), None, "given")

    def ask_tokens(self, text: str) -> Request | None:
        return None

    def model_name(self, body: Json) -> str | None:
        return None


def _row(row: Json) -> Entries:
    return tuple((token_id(entry[1]), number(entry[0])) for entry in row or ())


def _flat_rows(about: dict[str, Json], count: int) -> list[Entries]:
    """One row for each of ``count`` positions; those of the null prefix are empty."""
    rows, width = about["input_top_logprobs_shape"]
    skipped = about["input_top_logprobs_null_prefix"]
    if rows != count or not 0 <= skipped <= rows or width < 1:
        raise BadReplyError("entries are not those of the tokens")
    values = base64.b64decode(about["input_top_logprobs_val_flat_b64"], validate=True)
    ids = base64.b64decode(about["input_top_logprobs_idx_flat_b64"], validate=True)
    logprobs = np.frombuffer(values, "<f4").reshape(rows - skipped, width)
    tokens = np.frombuffer(ids, "<i4").reshape(rows - skipped, width)
    told = [
        tuple(zip(own.tolist(), row.tolist(), strict=True))
        for own, row in zip(tokens, logprobs, strict=True)
    ]
    return [()] * skipped + told
