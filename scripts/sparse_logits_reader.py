"""A reader of "sparse logits v1" (docs/sparse_logits.md) that needs numpy and safetensors alone.

    for record in read("run/responses/gpt2"):
        record.text, record.token_id, record.topk_id, record.topk_logprob, record.tail_logprob

Copy this file into any project. It checks what can be checked without a hash library: seals, sizes,
shapes, and the mass of every row. Run as a program it prints what a store holds.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load

VERSION = 1
TOLERANCE = 2e-3  # of a row's mass: float16 rounds each probability by up to 2.5e-4


@dataclass(frozen=True)
class Record:
    """One text with R positions and at most k entries at each.

    ``topk_id`` and ``topk_logprob`` are (R, k), most probable first; an unused slot has -inf and id
    0. ``tail_logprob`` (R,) is the log of the mass outside them. All are in nats at temperature 1.
    """

    example_id: str
    sample: int
    text: str
    prompt: str
    finished: bool
    token_id: np.ndarray
    token_logprob: np.ndarray
    topk_id: np.ndarray
    topk_logprob: np.ndarray
    tail_logprob: np.ndarray


def describe(root: str | Path) -> dict[str, object]:
    """What the store at ``root`` says of itself."""
    return _unseal((Path(root) / "store.json").read_bytes(), "store.json")


def read(root: str | Path) -> Iterator[Record]:
    """The records of the finished store at ``root``, in the order in which they were written."""
    folder = Path(root)
    about = describe(folder)
    if about["format_version"] != VERSION:
        raise ValueError(f"{folder} has format {about['format_version']}, this reader {VERSION}")
    if not (folder / "summary.json").exists():
        raise ValueError(f"{folder} is not finished")
    lines = (folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    shards = [_unseal(line, "manifest.jsonl") for line in lines]
    for shard in sorted(shards, key=lambda body: body["shard"]):
        stem = folder / "shards" / shard["name"]
        arrays = _sized(stem.with_name(f"{stem.name}.safetensors"), shard["arrays"]["bytes"])
        texts = _sized(stem.with_name(f"{stem.name}.texts.jsonl"), shard["texts"]["bytes"])
        yield from _records(load(arrays), texts.splitlines(), about)


def _unseal(line: bytes, where: str) -> dict[str, object]:
    """The body of a line, whose CRC-32 is that of its bytes."""
    body = json.loads(line)
    content = line[len('{"body":') : line.rindex(b',"crc32":"')]
    if f"{zlib.crc32(content):08x}" != body["crc32"]:
        raise ValueError(f"{where} is damaged: its CRC does not fit")
    return body["body"]


def _sized(path: Path, size: int) -> bytes:
    content = path.read_bytes()
    if len(content) != size:
        raise ValueError(f"{path} has {len(content)} bytes instead of {size}")
    return content


def _records(
    arrays: dict[str, np.ndarray], lines: list[bytes], about: dict[str, object]
) -> Iterator[Record]:
    ids, logprobs = _entries(arrays, int(about["k"]))
    _check(logprobs, arrays["tail_logprob"], about["settings"].get("tail") == "complement")
    responses = [json.loads(line) for line in lines]
    for i, said in enumerate(responses):
        rows = slice(int(arrays["row_ptr"][i]), int(arrays["row_ptr"][i + 1]))
        asked = responses[said["prompt_of"]] if "prompt_of" in said else said
        yield Record(
            said["example_id"], said["sample"], said["text"], asked.get("prompt", ""),
            said.get("finished", True), arrays["token_id"][rows], arrays["token_logprob"][rows],
            ids[rows], logprobs[rows], arrays["tail_logprob"][rows],
        )  # fmt: skip


def _entries(arrays: dict[str, np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """(R, k) ids and nats, also where a store keeps as many entries as a position uses."""
    if "topk_id" in arrays:
        return arrays["topk_id"], arrays["topk_logprob"]
    used = np.arange(k) < arrays["entries"][:, None]
    ids = np.zeros(used.shape, arrays["entry_id"].dtype)
    logprobs = np.full(used.shape, -np.inf, arrays["entry_logprob"].dtype)
    ids[used], logprobs[used] = arrays["entry_id"], arrays["entry_logprob"]
    return ids, logprobs


def _check(logprobs: np.ndarray, tail: np.ndarray, complement: bool) -> None:
    stored = np.exp(logprobs.astype(np.float64)).sum(axis=1)
    whole = stored + np.exp(tail.astype(np.float64))
    wrong = stored > 1 + TOLERANCE if complement else np.abs(whole - 1) > TOLERANCE
    if wrong.any():
        raise ValueError(f"position {int(np.argmax(wrong))} of a shard has no mass of 1")


if __name__ == "__main__":
    records = list(read(sys.argv[1]))
    print(f"{len(records):,} texts, {sum(len(record.token_id) for record in records):,} positions")
