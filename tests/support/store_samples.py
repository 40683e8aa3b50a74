"""Stores of a few samples for tests: the same numbers make the same bytes.

Run as a program it is a writer for the tests to kill::

    python -m tests.support.store_samples DIR    writes, or continues, one store
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from align import from_padded
from specialize.records import Response
from specialize.store import Sample, StoreDescription, StoreWriter
from specialize.teacher.protocol import ScoredText

K, V, SHARDS, PER_SHARD = 5, 300, 3, 3
PIECES = {token: b" %d" % token for token in range(V)}


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: what tests no disk should not wait for its fsync."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def description(**changes: object) -> StoreDescription:
    base = {
        "kind": "responses", "teacher": "toy", "tokenizer": "toy", "fingerprint": "f" * 8,
        "vocabulary_size": V, "k": K, "temperature": 0.7, "settings": {"stop": ["\n\n"], "n": 2},
    }  # fmt: skip
    return StoreDescription(**{**base, **changes})


def padded_sample(
    response: Response,
    token_id: NDArray[np.integer],
    token_logprob: NDArray[np.floating],
    topk_id: NDArray[np.integer],
    topk_logprob: NDArray[np.floating],
    tail_logprob: NDArray[np.floating],
) -> Sample:
    """A sample from entries (R, K); -inf where a slot is not in use."""
    rows = from_padded(topk_id, topk_logprob, tail_logprob)
    return Sample(response, token_id, token_logprob, rows)


def sample(number: int, *, positions: int | None = None, text: str | None = None) -> Sample:
    """Sample ``number``: random sorted distributions whose mass is 1."""
    rng = np.random.default_rng(number)
    rows = positions if positions is not None else 1 + number % 4
    mass = np.sort(rng.dirichlet(np.full(K + 1, 0.6), rows).astype(np.float32), axis=1)[:, ::-1]
    ids = np.stack([rng.permutation(V)[:K] for _ in range(rows)]) if rows else np.zeros((0, K), int)
    logs = np.log(np.maximum(mass, 1e-30))
    response = Response(
        example_id=f"toy/train/{number // 2:05d}",
        sample=number % 2,
        prompt=f"Question {number // 2}: é 你好 \u2028?\n",
        text=text if text is not None else f"Line {number}\nThe answer is {number}",
        answer=None if number % 3 == 0 else str(number),
        correct=(None, True, False)[number % 3],
    )
    token = rng.integers(0, V, rows)
    return padded_sample(response, token, -rng.random(rows), ids, logs[:, :K], logs[:, K])


def topk_id(one: Sample | ScoredText) -> NDArray[np.int32]:
    """(R, K) the entries' ids in K slots, as many as the fullest row has; 0 where unused."""
    return one.distributions.padded(_widest(one))[0]


def topk_logprob(one: Sample | ScoredText) -> NDArray[np.float32]:
    """(R, K) the entries' log-probabilities in nats; -inf where a slot is unused."""
    return one.distributions.padded(_widest(one))[1]


def _widest(one: Sample | ScoredText) -> int:
    return int(np.diff(one.distributions.indptr).max(initial=0))


def shard(number: int) -> list[Sample]:
    return [sample(number * PER_SHARD + i) for i in range(PER_SHARD)]


def write_store(root: Path, shards: int = SHARDS, **changes: object) -> None:
    """Write or continue the store at ``root``, and finish it."""
    with StoreWriter(root, description(**changes), shard_samples=PER_SHARD) as writer:
        for number in range(shards):
            if number not in writer.committed:
                writer.write(number, shard(number), counts={"dropped": number, "seen": 4})
        writer.finish(PIECES, {"accuracy": 0.5})


def tree(root: Path) -> dict[str, bytes]:
    """The content of every file below ``root``."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    write_store(Path(sys.argv[1]))
