"""The reader without this package finds in stores what was written into them, and damage."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from scripts import sparse_logits_reader
from specialize.records import Response
from specialize.store import Sample, Store, StoreDescription, StoreWriter
from specialize.store.layout import arrays_path, texts_path
from tests.support.store_samples import padded_sample

ROOT = Path(__file__).parents[3]
FILES = ROOT / "tests" / "data" / "sparse_logits"
SCRIPT = ROOT / "scripts" / "sparse_logits_reader.py"
K = 3


def samples(size: int) -> list[Sample]:
    """Three texts of one question and one of another, with a row of a single entry."""
    rng = np.random.default_rng(size)
    made = []
    for n in range(4):
        rows = n + 1
        masses = -np.sort(-rng.dirichlet(np.ones(K + 1), rows), axis=1)
        masses[0] = [1, 0, 0, 0]
        ids = np.stack([rng.choice(size, K, replace=False) for _ in range(rows)])
        with np.errstate(divide="ignore"):
            logprobs = np.log(masses).astype(np.float32)
        ids[0, 1:] = 0
        question, sample = ("a/0", n) if n < 3 else ("b/1", 0)
        response = Response(
            question, sample, f"Q: why {question}?", f"text {n} é\u2028", finished=n != 1
        )
        made.append(
            padded_sample(response, ids[:, 0], logprobs[:, 0], ids, logprobs[:, :K], logprobs[:, K])
        )
    return made


def write(path: Path, size: int, **about: str) -> list[Sample]:
    description = StoreDescription(
        kind="responses", teacher="big", tokenizer="t", fingerprint="f", vocabulary_size=size, k=K,
        settings={"tail": "exact"}, **about,
    )  # fmt: skip
    made = samples(size)
    with StoreWriter(path, description, shard_samples=3) as writer:
        writer.write(1, made[3:])
        writer.write(0, made[:3])
        writer.finish(None, {})
    return made


@pytest.mark.parametrize("size", [600, 70_000])
@pytest.mark.parametrize("layout", ["padded", "ragged"])
@pytest.mark.parametrize("codec", ["f16", "f32"])
def test_conformance(tmp_path: Path, size: int, layout: str, codec: str) -> None:
    made = write(tmp_path / "s", size, layout=layout, codec=codec)
    found = list(sparse_logits_reader.read(tmp_path / "s"))
    assert sparse_logits_reader.describe(tmp_path / "s")["teacher"] == "big"
    for record, sample in zip(found, made, strict=True):
        response = sample.response
        assert (record.example_id, record.sample) == response.key
        assert (record.text, record.finished) == (response.text, response.finished)
        assert record.prompt == response.prompt
        assert record.token_id.tolist() == sample.token_id.tolist()
        ids, logprobs, tail = sample.distributions.padded(K)
        assert record.topk_id.tolist() == ids.tolist()
        atol = 1e-3 if codec == "f16" else 1e-7
        np.testing.assert_allclose(np.exp(record.topk_logprob), np.exp(logprobs), atol=atol)
        np.testing.assert_allclose(np.exp(record.tail_logprob), np.exp(tail), atol=atol)


@pytest.mark.parametrize("name", ["padded", "ragged"])
def test_conformance_files(name: str, tmp_path: Path) -> None:
    """The files that other readers are held against: what is in them, and that they are today's."""
    folder = FILES / name
    told = [json.loads(line) for line in (FILES / f"{name}.jsonl").read_text().splitlines()]
    for record, known in zip(sparse_logits_reader.read(folder), told, strict=True):
        used = ~np.isneginf(record.topk_logprob)
        tail = record.tail_logprob.astype(np.float64)
        assert known == {
            "example_id": record.example_id, "sample": record.sample, "prompt": record.prompt,
            "text": record.text, "finished": record.finished,
            "token_id": record.token_id.tolist(),
            "token_logprob": record.token_logprob.astype(np.float64).tolist(),
            "topk_id": [ids[u].tolist() for ids, u in zip(record.topk_id, used, strict=True)],
            "topk_logprob": [
                row[u].astype(np.float64).tolist()
                for row, u in zip(record.topk_logprob, used, strict=True)
            ],
            "tail_logprob": [None if value == -np.inf else value for value in tail.tolist()],
        }  # fmt: skip
    store = Store.open(folder)
    with StoreWriter(tmp_path / "s", store.description, shard_samples=3) as writer:
        for number, shard in enumerate(store.shards()):
            writer.write(number, list(shard))
        writer.finish(None, {})
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "s" / path.relative_to(folder)).read_bytes()


def certain(content: bytes) -> bytes:
    """The arrays of a shard in which every entry has probability 1."""
    length = int.from_bytes(content[:8], "little")
    begin, end = json.loads(content[8 : 8 + length])["topk_logprob"]["data_offsets"]
    first = 8 + length + begin
    return content[:first] + bytes(end - begin) + content[8 + length + end :]


def test_damage_is_found(tmp_path: Path) -> None:
    write(tmp_path / "s", 600)
    for path, change, message in (
        (tmp_path / "s" / "store.json", lambda b: b.replace(b"big", b"bog"), "CRC does not fit"),
        (tmp_path / "s" / "manifest.jsonl", lambda b: b.replace(b'"positions":', b'"positions":1'),
         "CRC does not fit"),
        (arrays_path(tmp_path / "s", 0), lambda b: b[:-2], "bytes instead of"),
        (texts_path(tmp_path / "s", 1), lambda b: b + b"\n", "bytes instead of"),
        (arrays_path(tmp_path / "s", 0), certain, "no mass of 1"),
    ):  # fmt: skip
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(change(content))
        with pytest.raises(ValueError, match=message):
            list(sparse_logits_reader.read(tmp_path / "s"))
        path.write_bytes(content)
    assert len(list(sparse_logits_reader.read(tmp_path / "s"))) == 4
    (tmp_path / "s" / "summary.json").unlink()
    with pytest.raises(ValueError, match="is not finished"):
        list(sparse_logits_reader.read(tmp_path / "s"))


def test_it_needs_nothing_of_this_package() -> None:
    source = SCRIPT.read_text()
    assert not re.search(r"^(?:from|import) (?:specialize|align)", source, re.MULTILINE)
    assert source.count("\n") < 150
