"""Scored texts written as other programs keep them: JSON lines of four forms, and DistillKit's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import yaml

from specialize.imports.distillkit_codec import CONFIG
from specialize.teacher.protocol import ScoredText
from tests.support.store_samples import topk_id, topk_logprob

JsonForm = Callable[[ScoredText], dict[str, object]]
IDS = 600  # of the bundled teacher's vocabulary
_BITS = 10


def named(token: int) -> str:
    """An id in vLLM's words."""
    return f"token_id:{token}"


def pairs(text: ScoredText) -> list[list[tuple[int, float]]]:
    """Ids with log-probabilities, row by row."""
    rows = zip(topk_id(text).tolist(), topk_logprob(text).tolist(), strict=True)
    return [list(zip(ids, values, strict=True)) for ids, values in rows]


def completion(text: ScoredText) -> dict[str, object]:
    """A completion of vLLM or OpenAI."""
    told = {
        "tokens": [named(t) for t in text.token_id.tolist()],
        "token_logprobs": text.token_logprob.tolist(),
        "top_logprobs": [{named(i): v for i, v in row} for row in pairs(text)],
    }
    return {"choices": [{"text": text.text, "logprobs": told, "finish_reason": "stop"}]}


def chat_batch(text: ScoredText) -> dict[str, object]:
    """A line of OpenAI's batches."""
    rows = zip(text.token_id.tolist(), text.token_logprob.tolist(), pairs(text), strict=True)
    content = [
        {
            "token": named(token), "logprob": value,
            "top_logprobs": [{"token": named(i), "logprob": v} for i, v in row],
        }
        for token, value, row in rows
    ]  # fmt: skip
    choice = {"message": {"content": text.text}, "logprobs": {"content": content}}
    return {"response": {"body": {"choices": [choice]}}}


def axolotl(text: ScoredText) -> dict[str, object]:
    """axolotl's first version: rows for the last tokens of a text."""
    rows = [[{"token": named(i), "logprob": v} for i, v in row] for row in pairs(text)]
    return {"text": text.text, "logprobs": [None, *rows]}


def axolotl_two(text: ScoredText) -> dict[str, object]:
    """axolotl's second version: rows for the last of some ids."""
    return {
        "input_ids": [5, 6, *text.token_id.tolist()],
        "target_token_ids": topk_id(text).tolist(),
        "logprobs": topk_logprob(text).tolist(),
    }


JSON_FORMS: list[JsonForm] = [completion, chat_batch, axolotl, axolotl_two]


def write_lines(path: Path, records: Sequence[object]) -> Path:
    """``records`` as JSON lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def packed(ids: np.ndarray) -> list[list[int]]:
    """(R, K) ids in ten bits each, the most significant first."""
    each = ids.astype(np.int64)[:, :, None] >> np.arange(_BITS - 1, -1, -1) & 1
    return np.packbits(each.reshape(len(ids), -1).astype(np.uint8), axis=1).tolist()


def exact(values: np.ndarray, dtype: str) -> np.ndarray:
    """(R, bytes) of numbers; bf16 is the upper half of a float32."""
    if dtype == "bfloat16":
        upper = (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2")
        return upper.view(np.uint8)
    return np.ascontiguousarray(values, dtype).view(np.uint8)


def distillkit_folder(
    path: Path, texts: Sequence[ScoredText], *, dtype: str = "float32", delta: bool = False
) -> Path:
    """DistillKit's parquet with its configuration; a token 7 comes before every text."""
    path.mkdir()
    k = topk_id(texts[0]).shape[1]
    config = {
        "d": IDS, "k": k, "exact_k": k, "exact_dtype": dtype, "residual_bins": [],
        "delta_encoding": delta,
    }  # fmt: skip
    (path / CONFIG).write_text(yaml.safe_dump(config))
    rows = []
    for text in texts:
        values = topk_logprob(text)
        if delta:
            values = np.diff(values, axis=1, prepend=0)
        rows.append(
            {
                "input_ids": [7, *text.token_id.tolist()],
                "compressed_logprobs": exact(values, dtype).tolist(),
                "bytepacked_indices": packed(topk_id(text)),
            }
        )
    nested = pa.list_(pa.list_(pa.uint8()))
    schema = pa.schema(
        [("input_ids", pa.list_(pa.uint64())), ("compressed_logprobs", nested),
         ("bytepacked_indices", nested)]
    )  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path / "data_0.parquet")
    return path
