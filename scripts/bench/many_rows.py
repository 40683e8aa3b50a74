"""What comes before the first step of a large campaign: rows, plan, and the reading of rows.

    python scripts/bench/many_rows.py DATA_DIR --cache FOLDER [--responses 40] [--before CHECKOUT]
        [--json FILE]

The targets are GSM8K's 7,473 training solutions over T5's vocabulary with five entries a token (the
store of ``bench_align_stage.py``, aligned), each as often as ``--responses`` says, in the recipe
``specialization``. Two fresh processes: the first finds the rows, the second is a run continued.
``--before`` is a checkout of a version that keeps nothing beside a run: one process of it, on the
same store. Stores are made once and kept in ``--cache``. Seconds are of the processor, all threads,
and of the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench_align_stage import SHARD_SAMPLES, cached_store

from specialize import datasets
from specialize.recipes.specialization import specialization
from specialize.rows import build_rows, plan_steps
from specialize.store import Sample, Store, StoreWriter
from specialize.targets.stage import write_targets
from specialize.tokens import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
STEPS = 20


def cached_targets(cache: Path, data: Path, responses: int) -> Path:
    """The targets of ``responses`` a question; made where they are not there yet."""
    path = cache / f"targets-{responses}"
    if (path / "summary.json").exists():
        return path
    if responses == 1:
        student = str(data / "tokenizers" / "t5")
        write_targets(cached_store(cache, data, 5, 1), path, student=student, top_k=5)
        return path
    one = Store.open(cached_targets(cache, data, 1))
    waiting: list[Sample] = []
    with StoreWriter(path, one.description, shard_samples=SHARD_SAMPLES) as writer:
        shard = 0
        for sample in one:
            said = replace(sample.response, correct=True, answer="0")
            waiting += [replace(sample, response=replace(said, sample=n)) for n in range(responses)]
            while len(waiting) >= SHARD_SAMPLES:
                writer.write(shard, waiting[:SHARD_SAMPLES])
                del waiting[:SHARD_SAMPLES]
                shard += 1
        if waiting:
            writer.write(shard, waiting)
        writer.finish(one.align_vocabulary(), {})
    return path


def measure(data: Path, targets: Path, folder: Path | None) -> dict[str, object]:
    """One process: rows, plan, and the rows of some steps.

    Args:
        folder: what is found is kept there; None: in memory, which every version can.
    """
    kept = {} if folder is None else {"folder": folder}
    recipe, tokenizer = specialization(), load_tokenizer(data / "tokenizers" / "t5")
    examples = datasets.load("gsm8k", str(data / "gsm8k" / "train.jsonl"))
    clock = [(time.process_time(), time.perf_counter())]

    def lap() -> tuple[float, float]:
        clock.append((time.process_time(), time.perf_counter()))
        (cpu, wall), (cpu_before, wall_before) = clock[-1], clock[-2]
        return round(cpu - cpu_before, 3), round(wall - wall_before, 3)

    stores = {"codex": Store.open(targets)}
    rows = build_rows(recipe, examples, stores, tokenizer, encoder_decoder=True, **kept)
    built = lap()
    plan = plan_steps(rows, recipe.training, recipe.optimization, recipe.seed)
    steps = [plan.micro_batches(step) for step in range(STEPS)]
    planned = lap()
    read = [rows.rows[row] for step in steps for part in step for row in part.tolist()]
    seconds = lap()
    return {
        "rows": len(rows),
        "build_cpu_wall_s": built,
        "plan_cpu_wall_s": planned,
        "row_cpu_wall_ms": [round(1000 * each / len(read), 3) for each in seconds],
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows and plan of a large campaign.")
    parser.add_argument("data", type=Path, help="folder with gsm8k/ and tokenizers/")
    parser.add_argument("--cache", type=Path, required=True, help="stores and rows are kept here")
    parser.add_argument("--responses", type=int, default=40, help="to each question")
    parser.add_argument("--json", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--one", choices=("kept", "in-memory"), help="measure in this process")
    given = parser.parse_args()
    targets = cached_targets(given.cache, given.data, given.responses)
    folder = given.cache / f"rows-{given.responses}"
    if given.one:
        print(json.dumps(measure(given.data, targets, folder if given.one == "kept" else None)))
        return
    shutil.rmtree(folder, ignore_errors=True)
    runs = {"first": (ROOT, "kept"), "continued": (ROOT, "kept")}
    runs |= {"before": (given.before.resolve(), "in-memory")} if given.before else {}
    report = {}
    for name, (version, how) in runs.items():
        command = [sys.executable, *sys.argv, "--one", how]
        environment = {**os.environ, "PYTHONPATH": str(version)}
        told = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout
        report[name] = json.loads(told)
        print(name, told, end="", flush=True)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
