"""What a joint step costs in one fused pass, as a ratio to one pass per objective at equal rows.

    python scripts/bench_joint.py [--json FILE] [--repeats 9] [--rows 8]

A step holds ``rows`` examples with a label (3 to 6 tokens) and one or two rationales (20 to 60
tokens) each, behind prompts of 40 to 90 tokens that differ in their prefix, as on CQA. Forward and
backward, in turns; the ratio is of each turn, then the median. Variants:

    fused       our joint plan: all objectives in common micro-batches, parted where that is cheaper
    separate    the same kernel, one micro-batch per objective
    published   one pass per objective with transformers' own loss, as the published code makes them
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, T5Config

from align.sparse import one_hot
from specialize.batches import Batch, make_batch
from specialize.losses import measured_kl
from specialize.models import Shape, Student
from specialize.recipe import Optimization, Training
from specialize.rows import Row, RowSet, plan_steps

VOCABULARY = 32_128
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# name -> width, feed-forward, layers, heads; the first is that of scripts/build_random_model.py
MODELS = {"tiny": (64, 128, 2, 4), "mini": (256, 1024, 4, 4), "t5-small": (512, 1024, 8, 6)}
_OVERHEAD = {"cpu": 128, "cuda": 1024}  # as in training


def student(name: str) -> Student:
    width, inner, layers, heads = MODELS[name]
    config = T5Config(
        vocab_size=VOCABULARY, d_model=width, d_ff=inner, num_layers=layers, num_heads=heads,
        d_kv=width // heads, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    shape = Shape(encoder_decoder=True, pad=0, start=0, vocabulary=VOCABULARY)
    return Student(AutoModelForSeq2SeqLM.from_config(config), shape, "fp32").to(DEVICE)


def joint_rows(count: int, objectives: int, seed: int) -> RowSet:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(objectives):
        for example in range(count):
            own = np.random.default_rng([seed, example])  # a prompt is the same but for its prefix
            prompt = own.integers(3, 32_000, own.integers(40, 90)).astype(np.int32)
            prompt[0] = 3 + number
            long = rng.integers(20, 60) if number else rng.integers(3, 7)
            target = rng.integers(3, 32_000, long).astype(np.int32)
            rows.append(Row((f"e/{example}", 0), number, prompt, target, one_hot(target)))
    names = tuple(f"objective-{i}" for i in range(objectives))
    return RowSet(names, names, tuple(rows), {})


def parted(rows: RowSet, fused: bool) -> list[Batch]:
    """The step's micro-batches: of the joint plan, or one per objective."""
    objectives = len(rows.objectives)
    if fused:
        plan = plan_steps(
            rows, Training(mixing="joint"), Optimization(batch_rows=len(rows), accumulation=1), 0,
            overhead=_OVERHEAD[DEVICE],
        )  # fmt: skip
        parts = plan.micro_batches(0)
    else:
        parts = [np.flatnonzero(rows.objective == number) for number in range(objectives)]
    shape = Shape(encoder_decoder=True, pad=0, start=0, vocabulary=VOCABULARY)
    return [
        make_batch([rows.rows[i] for i in part], shape, objectives=objectives, tail="bucket").to(
            torch.device(DEVICE)
        )
        for part in parts
    ]


def own_passes(model: Student, batches: list[Batch]) -> None:
    """Our loss; gradients are summed over the micro-batches."""
    for batch in batches:
        logits = model(
            batch.input_ids, batch.attention_mask, batch.decoder_input_ids, batch.positions
        )
        weight = torch.full(batch.labels.shape, 1e-3, device=batch.labels.device)
        loss, _ = measured_kl(
            logits, batch.ids, batch.logprobs, batch.tail, weight, reuse_logits=True
        )
        loss.backward()


def published_passes(model: Student, batches: list[Batch]) -> None:
    """Transformers' loss over padded targets, one pass per objective."""
    for batch in batches:
        labels = torch.full_like(batch.decoder_input_ids, -100)
        labels.view(-1)[batch.positions] = batch.labels
        model.model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels
        ).loss.backward()


def seconds_of(passes: Callable[[], None], model: Student) -> float:
    """Of one step, on a processor its own time, so that other work does not count."""
    model.zero_grad(set_to_none=True)
    clock = time.perf_counter if DEVICE == "cuda" else time.process_time
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    started = clock()
    passes()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def measure(name: str, objectives: int, count: int, repeats: int) -> dict[str, object]:
    model = student(name)
    rows = joint_rows(count, objectives, seed=objectives)
    fused, separate = parted(rows, True), parted(rows, False)
    ways = {
        "fused": partial(own_passes, model, fused),
        "separate": partial(own_passes, model, separate),
        "published": partial(published_passes, model, separate),
    }
    for passes in ways.values():
        seconds_of(passes, model)
    turns = []
    for turn in range(repeats):
        order = list(ways) if turn % 2 == 0 else list(reversed(ways))
        turns.append({way: seconds_of(ways[way], model) for way in order})
    found: dict[str, object] = {
        "model": name, "objectives": objectives, "examples": count, "passes_fused": len(fused),
        "repeats": repeats,
    }  # fmt: skip
    for way in ways:
        found[f"{way}_ms"] = round(1000 * statistics.median(taken[way] for taken in turns), 2)
        if way != "fused":
            ratios = sorted(taken["fused"] / taken[way] for taken in turns)
            found[f"to_{way}"] = round(statistics.median(ratios), 4)
            found[f"to_{way}_range"] = [round(ratios[0], 4), round(ratios[-1], 4)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rows", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--models", nargs="+", default=["tiny", "mini"], choices=list(MODELS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for name in options.models:
        for count in options.rows:
            for objectives in (2, 3):
                found.append(measure(name, objectives, count, options.repeats))
                print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    result = {"device": DEVICE, "torch": torch.__version__, "measured": found}
    print(json.dumps(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
