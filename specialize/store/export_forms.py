"""A store in the forms of others: DistillKit's parquet, axolotl's JSON lines, a hub dataset.

    distillkit   data_0.parquet and compression_config.yaml   ids packed, nats as float32
    axolotl      one JSON line a sample: input_ids, labels, target_token_ids, logprobs
    dataset      data/train-00000.parquet ... and a README.md, for ``datasets.load_dataset``

In the first two rows stand for the tokens after the first, which is the store's end of sequence:
the prompt has no rows, and is not in the tokens. They have no place for the tail, which is what the
entries leave; everything else comes back as it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import yaml
from numpy.typing import NDArray

from specialize.store.reader import Store
from specialize.store.shard import Sample

_GROUP = 64  # samples of a row group of DistillKit's
_IGNORED = -100  # a label that no loss counts
_BYTES = pa.list_(pa.list_(pa.uint8()))
_DISTILLKIT = pa.schema(
    [
        ("input_ids", pa.list_(pa.uint64())),
        ("compressed_logprobs", _BYTES),
        ("bytepacked_indices", _BYTES),
        ("text", pa.string()),
    ]
)


def write_distillkit(store: Store, folder: Path) -> None:
    """DistillKit's present form, with every value exact."""
    about = store.description
    size, k = max(2, about.vocabulary_size), about.k
    bits: int = math.ceil(np.log2(np.float32(size)))
    config = {
        "d": size, "k": k, "exact_k": k, "exact_dtype": "float32", "term_dtype": "float32",
        "polynomial_terms": [], "residual_bins": [], "delta_encoding": False, "normalize_t": False,
    }  # fmt: skip
    (folder / "compression_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    front = _front(store)
    with parquet.ParquetWriter(
        folder / "data_0.parquet", _DISTILLKIT, compression="zstd", write_page_checksum=True
    ) as file:
        for samples in _groups(store, _GROUP):
            rows = []
            for sample in samples:
                ids, logprobs = _distinct(sample, k)
                rows.append(
                    {
                        "input_ids": [front, *sample.token_id.tolist()],
                        "compressed_logprobs": list(logprobs.astype("<f4").view(np.uint8)),
                        "bytepacked_indices": list(_packed(ids, bits)),
                        "text": sample.response.text,
                    }
                )
            file.write_table(pa.Table.from_pylist(rows, schema=_DISTILLKIT))


def write_axolotl(store: Store, path: Path) -> None:
    """The second form of axolotl's distillation plugin."""
    front = _front(store)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for samples in _groups(store, _GROUP):
            for sample in samples:
                tokens, rows = sample.token_id.tolist(), sample.distributions
                spans = list(pairwise(rows.indptr.tolist()))
                record = {
                    "input_ids": [front, *tokens],
                    "labels": [_IGNORED, *tokens],
                    "attention_mask": [1] * (len(tokens) + 1),
                    "target_token_ids": [rows.ids[a:b].tolist() for a, b in spans],
                    "logprobs": [rows.logprobs[a:b].astype(float).tolist() for a, b in spans],
                }
                file.write(json.dumps(record, allow_nan=False) + "\n")


def _groups(store: Store, size: int) -> Iterator[list[Sample]]:
    for shard in store.shards():
        samples = list(shard)
        for start in range(0, len(samples), size):
            yield samples[start : start + size]


def _front(store: Store) -> int:
    """The token before every text; it has no row."""
    eos = store.align_vocabulary().eos
    return 0 if eos is None else eos


def _distinct(sample: Sample, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(R, k) ids and nats; a slot that is not in use has -inf and an id that its row lacks."""
    narrow, logprobs, _ = sample.distributions.padded(k)
    ids, unused = narrow.astype(np.int64), np.isneginf(logprobs)
    for row in np.flatnonzero(unused.any(axis=1)).tolist():
        taken = {*ids[row, ~unused[row]].tolist()}
        spare = (token for token in range(2 * k) if token not in taken)
        for slot in np.flatnonzero(unused[row]).tolist():
            ids[row, slot] = next(spare)
    return ids, logprobs.astype(np.float32)


def _packed(ids: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """(R, bytes) of (R, k) ids, the most significant bit first."""
    each = ids[:, :, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(each.reshape(len(ids), -1).astype(np.uint8), axis=1)


def card(store: Store) -> str:
    """A README.md by which ``datasets`` finds the files, and people what they hold."""
    about = store.description
    head = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/*.parquet"}],
            }
        ],
        "tags": ["distillation", "logits"],
    }
    tail = "1 - sum of the entries" if about.tail_is_complement else "summed from all logits"
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"
        f"# Sparse next-token distributions of {about.teacher}\n\n"
        f"| | |\n|---|---|\n"
        f"| teacher | {about.teacher} {about.revision} |\n"
        f"| tokenizer | {about.tokenizer}, fingerprint {about.fingerprint} |\n"
        f"| vocabulary | {about.vocabulary_size:,} |\n"
        f"| samples | {len(store):,} |\n"
        f"| positions | {store.positions:,}, at most {about.k} entries each |\n"
        f"| sampling temperature | {about.temperature} |\n"
        f"| tail | {tail} |\n\n"
        f"A row is one text. `token_id` and `token_logprob` have one value a position, `topk_id` "
        f"and `topk_logprob` its most probable entries, `tail_logprob` the logarithm of the mass "
        f"outside them. Log-probabilities are in nats at temperature 1.\n"
    )
