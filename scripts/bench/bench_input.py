"""What training loses before the model: padding, and waiting for data.

    python scripts/bench/bench_input.py DATA_DIR [--json FILE] [--rows 2000] [--steps 40]

The rows are GSM8K's in the four formats of the specialization recipe, over the T5 vocabulary, with
five entries a token where a teacher would have given them. One JSON line per mixing:

    padding           share of the rectangles that hold nothing, as the plan parts its steps
    padding_random    the same rows in random micro-batches of one format each
    tokens_per_second what the loader makes alone, prompts and targets, per second of CPU time
    waited            share of its time that a model waits for its next step when it takes a quarter
                      of the CPU time that a T5 of small size takes (``model_tokens_per_second``)
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSeq2SeqLM, T5Config

from align.sparse import SparseDistributions
from specialize import datasets
from specialize.config.recipe import Dataset, Objective, Optimization, Recipe, Training
from specialize.losses import measured_kl
from specialize.rows import Row, RowSet, build_rows, plan_steps
from specialize.students.student import Shape, Student
from specialize.tokens import Tokenizer, load_tokenizer
from specialize.train.collate import make_batch
from specialize.train.loader import StepLoader

FORMATS = ("in-context-cot", "in-context-answer", "zero-shot-cot", "zero-shot-answer")
OPTIMIZATION = Optimization(batch_rows=32, accumulation=3)
FASTER = 4


def gsm8k_rows(data: Path, count: int, tokenizer: Tokenizer) -> RowSet:
    """Gold solutions in four formats; those with a chain of thought get soft rows."""
    path = str(data / "gsm8k" / "train.jsonl")
    recipe = Recipe(
        student="",
        train_on=Dataset(set="gsm8k", path=path),
        objectives=tuple(Objective(name=f, format=f, target="answer") for f in FORMATS),
        training=Training(max_prompt_tokens=2048),
    )
    examples = datasets.load("gsm8k", path, limit=count)
    rows = build_rows(recipe, examples, {}, tokenizer, encoder_decoder=True)
    made = [softened(row) if FORMATS[row.objective].endswith("cot") else row for row in rows.rows]
    return RowSet(rows.objectives, rows.formats, tuple(made), rows.dropped)


def softened(row: Row) -> Row:
    """Five entries on every token, the token itself first; only their number matters here."""
    count = len(row.target_ids)
    ids = (row.target_ids[:, None] + np.arange(5, dtype=np.int32)) % 32_000
    shares = np.log(np.array([0.7, 0.15, 0.07, 0.03, 0.02], np.float32))
    soft = SparseDistributions(
        np.arange(0, 5 * count + 1, 5, dtype=np.int64), ids.ravel().astype(np.int32),
        np.tile(shares, count), np.full(count, np.log(0.03), np.float32),
    )  # fmt: skip
    return replace(row, distributions=soft)


# ---- padding -----------------------------------------------------------------------------------


def padding_of(rows: RowSet, parts: list[NDArray[np.int64]]) -> float:
    """Share of the encoder's and the decoder's rectangles that holds nothing."""
    used = size = 0
    for part in parts:
        for lengths in (rows.lengths.prompt[part], rows.lengths.target[part]):
            used += int(lengths.sum())
            size += len(part) * int(lengths.max())
    return 1 - used / size


def random_parts(rows: RowSet) -> list[NDArray[np.int64]]:
    """Micro-batches of one format, their rows drawn at random."""
    rng = np.random.default_rng(0)
    parts = []
    for number in np.unique(rows.format_of_row):
        mine = rng.permutation(np.flatnonzero(rows.format_of_row == number))
        size = OPTIMIZATION.batch_rows
        parts += [mine[i : i + size] for i in range(0, len(mine), size)]
    return parts


def mixed_parts(rows: RowSet) -> list[NDArray[np.int64]]:
    """Micro-batches of rows drawn at random from all formats."""
    drawn, size = np.random.default_rng(0).permutation(len(rows)), OPTIMIZATION.batch_rows
    return [drawn[i : i + size] for i in range(0, len(drawn), size)]


# ---- waiting -----------------------------------------------------------------------------------


def model_tokens_per_second(rows: RowSet, loader: StepLoader) -> float:
    """Forward and backward of a T5 of small size on four rows of every format."""
    config = T5Config(vocab_size=32_128, decoder_start_token_id=0)
    student = Student(AutoModelForSeq2SeqLM.from_config(config), loader.shape, "fp32").train()
    tokens = seconds = 0.0
    for number in np.unique(rows.format_of_row):
        few = [rows.rows[i] for i in np.flatnonzero(rows.format_of_row == number)[:4]]
        batch = make_batch(few, loader.shape, objectives=len(rows.objectives), tail="bucket")
        start = time.process_time()
        logits = student(
            batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions
        )
        weight = torch.ones_like(batch.tail)
        targets = (batch.ids, batch.logprobs, batch.tail, weight)
        measured_kl(logits, *targets, reuse_logits=True)[0].backward()
        seconds += time.process_time() - start
        tokens += batch.size - batch.padding
    return tokens / seconds


def waited(loader: StepLoader, tokens_per_second: float) -> float:
    """Share of the time that a model of this speed waits; the first step is not counted."""
    waiting = working = 0.0
    for number, step in enumerate(timed(loader)):
        seconds, batches = step
        tokens = sum(batch.size - batch.padding for batch in batches)
        time.sleep(tokens / tokens_per_second)
        if number:
            waiting += seconds
            working += tokens / tokens_per_second
    return waiting / (waiting + working)


def timed(loader: StepLoader) -> Iterator[tuple[float, tuple]]:
    """Every step's batches, and how long they were waited for."""
    steps = iter(loader)
    while True:
        start = time.perf_counter()
        step = next(steps, None)
        if step is None:
            return
        yield time.perf_counter() - start, step.batches


def measure(rows: RowSet, mixing: str, speed: float | None, steps: int) -> dict[str, object]:
    training = Training.model_validate({"mixing": mixing})
    plan = plan_steps(rows, training, OPTIMIZATION, 0)
    parts = [part for step in range(int(plan.units / plan.units_per_step)) for part in
             plan.micro_batches(step)]  # fmt: skip
    loader = StepLoader(plan, Shape(True, 0, 0, 32_128), "bucket", stop=steps)
    speed = speed or model_tokens_per_second(rows, loader)
    start = time.process_time()
    made = [batch.size - batch.padding for step in loader for batch in step.batches]
    alone = sum(made) / (time.process_time() - start)
    return {
        "mixing": mixing,
        "rows": len(rows),
        "padding": round(padding_of(rows, parts), 4),
        "padding_random": round(padding_of(rows, random_parts(rows)), 4),
        "padding_random_formats_too": round(padding_of(rows, mixed_parts(rows)), 4),
        "tokens_per_second": round(alone),
        "model_tokens_per_second": round(speed),
        "waited": round(waited(replace(loader, ahead=2, stop=min(steps, 5)), FASTER * speed), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, help="write the lines here too")
    parser.add_argument("--rows", type=int, default=2000, help="examples of GSM8K")
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = gsm8k_rows(given.data, given.rows, load_tokenizer(given.data / "tokenizers" / "t5"))
    lines: list[str] = []
    speed = None
    for mixing in ("pooled", "joint"):
        found = measure(rows, mixing, speed, given.steps)
        speed = float(str(found["model_tokens_per_second"]))
        lines.append(json.dumps(found))
        print(lines[-1], flush=True)
    if given.json is not None:
        given.json.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
