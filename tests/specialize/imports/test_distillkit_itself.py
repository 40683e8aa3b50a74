"""Files that DistillKit's own code wrote (scripts/build/distillkit_files.py) become its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.imports.distillkit import import_distillkit
from specialize.imports.distillkit_codec import CONFIG, LegacyCodec, read_codec
from specialize.imports.parquet_rows import nested_array, parquet_rows
from specialize.quickstart.run import MODELS
from specialize.store import Store, verify
from tests.support.store_samples import topk_id, topk_logprob

FILES = Path(__file__).parents[2] / "data" / "distillkit"
FRONT = 1  # tokens of a text without a row


def expected(form: str) -> tuple[np.ndarray, np.ndarray]:
    """(R, k) ids and nats of every row, as its own ``decompress_to_sparse`` reads them."""
    read = np.load(FILES / form / "expected.npz")
    values = read["values"].astype(np.float64)
    if form == "legacy":  # logits, of which nothing but these is known
        values = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
    return read["ids"].astype(np.int64), values


def dense(ids: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
    """(R, V) probabilities of (R, k) entries."""
    whole = np.zeros((len(ids), 600))
    np.put_along_axis(whole, ids.astype(np.int64), np.exp(logprobs.astype(np.float64)), axis=1)
    return whole


@pytest.mark.parametrize("form", ["current", "legacy"])
def test_bytes_read_as_its_own_code_reads_them(form: str) -> None:
    codec = read_codec(FILES / form / CONFIG)
    assert isinstance(codec, LegacyCodec) == (form == "legacy")
    read = [
        codec.rows({name: nested_array(row[name]) for name in codec.columns})
        for row in parquet_rows(FILES / form / "data_0.parquet", codec.columns)
    ]
    ids, values = expected(form)
    np.testing.assert_array_equal(np.concatenate([part for part, _ in read]), ids)
    # its sums are of the precision of its values: bfloat16 here, an eighth at the tail's 16 nats
    atol = 0.13 if form == "current" else 1e-5
    np.testing.assert_allclose(np.concatenate([part for _, part in read]), values, atol=atol)


@pytest.mark.parametrize("form", ["current", "packed", "legacy"])
def test_its_files_become_a_store(form: str, tmp_path: Path) -> None:
    """Five texts; packing cut what did not fit, and the last token of each."""
    told = import_distillkit(
        FILES / form, tmp_path / "s", tokenizer=str(MODELS / "teacher"), teacher="big", top_k=16
    )
    assert (told["samples"], told["dropped"]) == (5, {})
    assert verify(tmp_path / "s").ok
    ids, values = expected(form)
    whole = [
        np.array(row["input_ids"].as_py())
        for row in parquet_rows(FILES / "current" / "data_0.parquet", ["input_ids"])
    ]
    first = np.cumsum([0, *(len(text) - FRONT for text in whole)])
    seen = set()
    for sample in Store.open(tmp_path / "s"):
        count = len(sample)
        number = next(
            n for n, text in enumerate(whole)
            if text[FRONT:][:count].tolist() == sample.token_id.tolist()
        )  # fmt: skip
        seen.add(number)
        cut = len(whole[number]) - FRONT - count
        assert cut == 0 if form != "packed" else cut > 0
        rows = slice(first[number], first[number] + count)
        atol = 5e-3 if form == "current" else 1e-3  # bfloat16; the half precision of a store
        np.testing.assert_allclose(
            dense(topk_id(sample), topk_logprob(sample)), dense(ids[rows], values[rows]), atol=atol
        )
    assert seen == set(range(5))
