"""Time and memory of importing a packed set in DistillKit's form, by its size.

    python scripts/bench/bench_import.py OUT [--megabytes 25 --megabytes 100]

Writes packed sets as the published ones are (8,192 tokens a record, k = 128, ids of 18 bits, texts
numbered by ``attention_mask``), each imported by a process of its own; prints for each, as JSON,
positions a second of processor time and the process's peak of resident memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from specialize.quickstart.run import MODELS

LENGTH, TEXT, K, WIDTH, BITS = 8192, 512, 128, 151_936, 18
SMALL = 600  # ids of the bundled teacher, of which texts are made
CONFIG = f"{{d: {WIDTH}, k: {K}, exact_k: {K}, exact_dtype: float32, delta_encoding: false}}"
CHILD = """
import json, sys, time
from pathlib import Path
from specialize.imports.distillkit import import_distillkit
source, out, tokenizer, config = sys.argv[1:]
def peak():
    status = Path("/proc/self/status").read_text()  # of this program alone, unlike getrusage
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
before = peak()
told = import_distillkit(Path(source), Path(out), tokenizer=tokenizer, teacher="t", top_k=20,
                         config=config)
print(json.dumps({"positions": told["positions"], "dropped": told["dropped"],
                  "seconds": time.process_time(), "peak_mb": peak(), "before_mb": before}))
"""
BYTES = pa.list_(pa.list_(pa.uint8()))
SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.uint64())),
        ("attention_mask", pa.list_(pa.int64())),
        ("compressed_logprobs", BYTES),
        ("bytepacked_indices", BYTES),
    ]
)


def record(rng: np.random.Generator) -> pa.Table:
    """One packed record: every token but a text's first was drawn from the row before it."""
    masses = np.sort(rng.dirichlet(np.full(K + 1, 0.05), LENGTH), axis=1)[:, :0:-1]
    masses = np.maximum(masses, 1e-12)
    ids = np.argsort(rng.random((LENGTH, SMALL)), axis=1)[:, :K]
    place = (masses.cumsum(axis=1) < rng.random((LENGTH, 1)) * masses.sum(axis=1)[:, None]).sum(1)
    tokens = np.roll(ids[np.arange(LENGTH), np.minimum(place, K - 1)], 1)
    tokens[::TEXT] = 7
    bits = ids[:, :, None] >> np.arange(BITS - 1, -1, -1) & 1
    packed = np.packbits(bits.reshape(LENGTH, -1).astype(np.uint8), axis=1)
    values = np.log(masses).astype("<f4").view(np.uint8)
    columns = [[tokens], [np.arange(LENGTH) // TEXT + 1], [list(values)], [list(packed)]]
    return pa.Table.from_arrays(
        [pa.array(c, kind) for c, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA
    )


def write(path: Path, megabytes: int) -> None:
    """A set of at least so many bytes, a record a row group."""
    rng, number = np.random.default_rng(0), 0
    path.mkdir(parents=True)
    while sum(file.stat().st_size for file in path.iterdir()) < megabytes * 1_000_000:
        name = path / f"train-{number:05d}.parquet"
        with parquet.ParquetWriter(name, SCHEMA) as file:
            for _ in range(2):
                file.write_table(record(rng))
        number += 1


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--megabytes", multiple=True, type=int, default=(25, 100), show_default=True)
def main(out: Path, megabytes: tuple[int, ...]) -> None:
    """Write, import and measure sets of each size."""
    for size in megabytes:
        source = out / f"packed-{size}"
        if not source.exists():
            write(source, size)
        command = [sys.executable, "-c", CHILD, str(source), str(out / f"store-{size}")]
        done = subprocess.run(
            [*command, str(MODELS / "teacher"), CONFIG], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
        found["positions_per_second"] = round(found["positions"] / found["seconds"])
        found["input_mb"] = sum(f.stat().st_size for f in source.iterdir()) // 1_000_000
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
