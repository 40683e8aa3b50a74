"""A store for other programs: parquet, JSON lines, or a dataset of the hub; one sample a row.

    {"example_id": "gsm8k/train/00000", "sample": 0, "prompt": "Q: ...", "text": "...",
     "answer": "72", "correct": true, "token_id": [3347, ...], "token_logprob": [-1.2, ...],
     "topk_id": [[3347, 464], ...], "topk_logprob": [[-1.2, -1.5], ...],
     "tail_logprob": [-0.7, ...]}

Log-probabilities are in nats at temperature 1. Slots that are not in use are left out; -inf is
-inf in parquet and null in JSON, which knows no infinity; the prompt of a chat is its JSON.
``docs/store.md`` says what each is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from specialize.errors import ConfigurationError
from specialize.io.files import disk_full_named, sync_directory
from specialize.store import Sample, Store
from specialize.store.export_forms import card, write_axolotl, write_distillkit

Form = Literal["parquet", "jsonl", "distillkit", "axolotl", "dataset"]
_ROWS = 512  # samples of a row group
_FILE_POSITIONS = 4_000_000  # of a file of a dataset
_SCHEMA = pa.schema(
    [
        ("example_id", pa.string()),
        ("sample", pa.int32()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("answer", pa.string()),
        ("correct", pa.bool_()),
        ("finished", pa.bool_()),
        ("thinking", pa.string()),
        ("thinking_tokens", pa.int32()),
        ("token_id", pa.list_(pa.uint32())),
        ("token_logprob", pa.list_(pa.float32())),
        ("topk_id", pa.list_(pa.list_(pa.uint32()))),
        ("topk_logprob", pa.list_(pa.list_(pa.float32()))),
        ("tail_logprob", pa.list_(pa.float32())),
        ("tempered_tails", pa.list_(pa.list_(pa.float32()))),
    ]
)


def export_store(path: Path, out: Path, form: Form) -> dict[str, object]:
    """Write the store at ``path`` into the new file or directory ``out``, whole or absent.

    Args:
        form: one file of parquet or JSON lines, axolotl's JSON lines, or a directory: DistillKit's
            or a dataset of the hub.

    Returns:
        How many samples, positions and bytes.

    Raises:
        ConfigurationError: ``out`` is there already.
        StoreError: the store is damaged or unfinished.
        DiskFullError: no room.
    """
    if out.exists():
        raise ConfigurationError(f"{out} is there already; name a new one or remove it first")
    store = Store.open(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.parent / f".tmp-{uuid4().hex}"
    try:
        with disk_full_named(out, store.positions * store.description.bytes_per_position):
            if form in ("distillkit", "dataset"):
                temporary.mkdir()
            _WRITE[form](store, temporary)
        temporary.replace(out)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    sync_directory(out.parent)
    files = [file for file in out.rglob("*") if file.is_file()] if out.is_dir() else [out]
    return {
        "samples": len(store), "positions": store.positions,
        "bytes": sum(file.stat().st_size for file in files), "file": str(out),
    }  # fmt: skip


def _write_dataset(store: Store, folder: Path) -> None:
    """Files of some positions each, and a card that names them."""
    (folder / "data").mkdir()
    (folder / "README.md").write_text(card(store), encoding="utf-8")
    writer: parquet.ParquetWriter | None = None
    written = number = 0
    for samples in _groups(store):
        if writer is None:
            writer = _open(store, folder / "data" / f"train-{number:05d}.parquet")
        writer.write_table(_table(samples))
        written += sum(map(len, samples))
        if written >= _FILE_POSITIONS:
            writer.close()
            writer, written, number = None, 0, number + 1
    if writer is not None:
        writer.close()


def _write_parquet(store: Store, path: Path) -> None:
    with _open(store, path) as writer:
        for samples in _groups(store):
            writer.write_table(_table(samples))


def _open(store: Store, path: Path) -> parquet.ParquetWriter:
    about = {b"specialize": json.dumps(dict(store.description.as_json())).encode()}
    return parquet.ParquetWriter(
        path, _SCHEMA.with_metadata(about), compression="zstd", write_page_checksum=True
    )


def _table(samples: list[Sample]) -> pa.Table:
    rows = [_row(sample, lambda value: value) for sample in samples]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _write_json(store: Store, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for samples in _groups(store):
            for sample in samples:
                row = _row(sample, lambda value: None if value == -np.inf else value)
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _groups(store: Store) -> Iterator[list[Sample]]:
    for shard in store.shards():
        samples = list(shard)
        for start in range(0, len(samples), _ROWS):
            yield samples[start : start + _ROWS]


def _row(sample: Sample, as_json: Callable[[float], float | None]) -> dict[str, object]:
    """``sample`` in the types of JSON; ``as_json`` makes numbers of log-probabilities."""
    response = sample.response
    rows = sample.distributions
    ids, logprobs, ends = rows.ids.tolist(), rows.logprobs.tolist(), rows.indptr.tolist()
    spans = list(pairwise(ends))
    return {
        "example_id": response.example_id,
        "sample": response.sample,
        "prompt": response.prompt
        if isinstance(response.prompt, str)
        else json.dumps(response.prompt.as_json(), ensure_ascii=False),
        "text": response.text,
        "answer": response.answer,
        "correct": response.correct,
        "finished": response.finished,
        "thinking": response.thinking,
        "thinking_tokens": response.thinking_tokens,
        "token_id": sample.token_id.tolist(),
        "token_logprob": [as_json(v) for v in sample.token_logprob.astype(np.float32).tolist()],
        "topk_id": [ids[start:end] for start, end in spans],
        "topk_logprob": [logprobs[start:end] for start, end in spans],
        "tail_logprob": [as_json(v) for v in rows.tail.astype(np.float32).tolist()],
        "tempered_tails": [
            [as_json(v) for v in row] for row in sample.tempered_tails.astype(np.float32).tolist()
        ],
    }


_WRITE: dict[Form, Callable[[Store, Path], None]] = {
    "parquet": _write_parquet,
    "jsonl": _write_json,
    "distillkit": write_distillkit,
    "axolotl": write_axolotl,
    "dataset": _write_dataset,
}
