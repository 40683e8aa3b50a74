"""What no align stage in Python can save: a bound below the processor time of ``specialize align``.

    python scripts/bench/align_bound.py STORE TARGETS --student FOLDER [--json]

STORE is what was aligned (``bench_align_stage.py`` makes some), TARGETS what came of it. One
process does the least that every implementation has to, each part once, and nothing of the
alignment and the projection themselves:

    start      the interpreter, the imports of numpy, numba and the tokenizers library
    kernels    the first call of a compiled kernel, which sets numba up
    tokenizer  the student's, built once by the library from its own file
    read       every byte of the store, hashed
    parse      the texts' JSON, once
    encode     the texts for the student, once, by the faster of the library and the compiled search
    write      as many bytes as TARGETS has, file by file, hashed and synced

Processor time of all threads, in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numba
import numpy as np
import tokenizers
import xxhash

STARTED = time.process_time()  # all that the process took so far

Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description="The least that an align stage can take.")
    parser.add_argument("store", type=Path)
    parser.add_argument("targets", type=Path, help="what `specialize align` made of it")
    parser.add_argument("--student", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds = bound(options.store, options.targets, options.student)
    seconds["all"] = sum(seconds.values())
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in seconds.items()}))
        return
    for name, value in seconds.items():
        print(f"{name:10} {value:.3f}")


def bound(store: Path, targets: Path, student: Path) -> dict[str, float]:
    """Seconds by part."""
    seconds = {"start": STARTED}
    seconds["kernels"], _ = timed(lambda: double(np.ones(1)))
    from specialize.tokens import load_tokenizer

    search = load_tokenizer(student)
    definition = search._backend.to_str()
    seconds["tokenizer"], library = timed(lambda: tokenizers.Tokenizer.from_str(definition))
    files = sorted(path for path in store.rglob("*") if path.is_file())
    seconds["read"], contents = timed(lambda: [hashed(path.read_bytes()) for path in files])
    lines = [
        content.splitlines()
        for path, content in zip(files, contents, strict=True)
        if path.name.endswith(".texts.jsonl")
    ]
    seconds["parse"], texts = timed(
        lambda: [[json.loads(line)["text"] for line in shard] for shard in lines]
    )
    search.encode_ragged(texts[0])  # sets the search up
    by_library, _ = timed(lambda: [library.encode_batch_fast(shard) for shard in texts])
    by_search, _ = timed(lambda: [search.encode_ragged(shard) for shard in texts])
    seconds["encode"] = min(by_library, by_search)
    written = [path.read_bytes() for path in sorted(targets.rglob("*")) if path.is_file()]
    with TemporaryDirectory(dir=targets.parent) as folder:
        seconds["write"], _ = timed(lambda: write(Path(folder), written))
    return seconds


@numba.njit(cache=True)
def double(values: np.ndarray) -> np.ndarray:
    """Twice the ``values``."""
    return values * 2


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """The processor time of ``work``, and what it returned."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def hashed(content: bytes) -> bytes:
    xxhash.xxh3_128_digest(content)
    return content


def write(folder: Path, contents: list[bytes]) -> None:
    """Each of ``contents`` into a file of its own, hashed and synced."""
    for number, content in enumerate(contents):
        with (folder / str(number)).open("wb") as file:
            file.write(hashed(content))
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    main()
