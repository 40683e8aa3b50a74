"""What a joint step costs, as a ratio to one pass per objective over the same rows.

    python scripts/bench/bench_joint.py [DATA_DIR] [--json FILE] [--repeats 7] [--rows 8 16 64]

A step holds ``rows`` examples, each with a label and one or two rationales. With DATA_DIR they are
drawn from CommonsenseQA with PaLM's rationales (two objectives: step-by-step) and from OpenBookQA
with those of FLAN-T5 and LLaMA-2 (three: TinyLLM), in T5's vocabulary; without it lengths are made
up. Forward and backward in turns, each turn over other examples; medians of the turns' ratios:

    fused       our joint plan: the rows of all objectives together, split where that is cheaper
    separate    our loss, one pass per objective, padded to its longest row
    published   the same passes with transformers' own loss, as the published code makes them

fused / separate is what the plan saves (padding inside the model), separate / published what our
loss saves (it projects real target positions only), and fused / published is their product.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, T5Config

from align.sparse import one_hot
from specialize import datasets
from specialize.config.training import Optimization, Training
from specialize.imports.palm import import_palm
from specialize.imports.tinyllm import FIRST, SECOND, import_tinyllm
from specialize.losses import measured_kl
from specialize.recipes.step_by_step import PALM, step_by_step
from specialize.recipes.tinyllm import tinyllm
from specialize.rows import Row, RowSet, build_rows, plan_steps
from specialize.store import Store
from specialize.students.student import Shape, Student
from specialize.targets.stage import write_targets
from specialize.tokens import load_tokenizer
from specialize.train.collate import Batch, make_batch
from specialize.train.overhead import pass_overhead

VOCABULARY = 32_128
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# name -> width, feed-forward, layers, heads; the first is that of build_random_model.py
MODELS = {"tiny": (64, 128, 2, 4), "mini": (256, 1024, 4, 4), "t5-small": (512, 1024, 8, 6)}
SHAPE = Shape(encoder_decoder=True, pad=0, start=0, vocabulary=VOCABULARY)


def student(name: str) -> Student:
    width, inner, layers, heads = MODELS[name]
    config = T5Config(
        vocab_size=VOCABULARY, d_model=width, d_ff=inner, num_layers=layers, num_heads=heads,
        d_kv=width // heads, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config)
    # at its usual unit variance logits spread so far that most probabilities are denormal numbers,
    # with which a processor is slow
    torch.nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    return Student(model, SHAPE, "fp32").to(DEVICE)


# ---- rows --------------------------------------------------------------------------------------


def made_up_rows(objectives: int, examples: int = 1000) -> RowSet:
    """Labels of 3 to 6 tokens and rationales of 20 to 59 after prompts of 40 to 89."""
    rng = np.random.default_rng(objectives)
    rows = []
    for example in range(examples):
        prompt = rng.integers(3, 32_000, rng.integers(40, 90)).astype(np.int32)
        for number in range(objectives):
            long = rng.integers(20, 60) if number else rng.integers(3, 7)
            target = rng.integers(3, 32_000, long).astype(np.int32)
            own = np.concatenate([[3 + number], prompt[1:]]).astype(np.int32)  # its prefix
            rows.append(Row((f"e/{example}", 0), number, own, target, one_hot(target)))
    names = tuple(f"objective-{i}" for i in range(objectives))
    return RowSet(names, names, tuple(rows), {})


def published_rows(data: Path, objectives: int) -> RowSet:
    """Real prompts, labels and rationales: CQA with one teacher, OBQA with two."""
    two = objectives == 2
    recipe = step_by_step() if two else tinyllm()
    name, source = ("cqa", "step_by_step/cqa") if two else ("obqa", "tinyllm/obqa")
    examples = datasets.load(name, str(data / source / f"{name}_train.json"))
    read = {"examples": examples, "kind": datasets.kind_of(name), "split": "train"}
    student_of = data / "tokenizers" / "t5"
    with tempfile.TemporaryDirectory() as work:
        folder, stores = Path(work), {}
        if two:
            import_palm(data / source / "llm", folder / PALM, **read)
        else:
            import_tinyllm(data / source / "llm", folder, **read)
        for teacher in (PALM,) if two else (FIRST, SECOND):
            made = folder / "targets" / teacher
            write_targets(folder / teacher, made, student=str(student_of))
            stores[teacher] = Store.open(made)
        tokenizer = load_tokenizer(student_of)
        return build_rows(recipe, examples, stores, tokenizer, encoder_decoder=True)


def drawn(rows: RowSet, count: int, seed: int) -> RowSet:
    """The rows of ``count`` random examples that have one for every objective."""
    by_example: dict[str, list[Row]] = defaultdict(list)
    for row in rows.rows:
        by_example[row.key[0]].append(row)
    whole = [mine for mine in by_example.values() if len(mine) == len(rows.objectives)]
    chosen = np.random.default_rng(seed).permutation(len(whole))[:count]
    taken = sorted((row for i in chosen for row in whole[i]), key=lambda row: row.objective)
    return RowSet(rows.objectives, rows.formats, tuple(taken), {})


# ---- passes ------------------------------------------------------------------------------------


def split_batches(rows: RowSet, planned_for: Student | None) -> list[Batch]:
    """The step's micro-batches: of the joint plan for a student, or one per objective."""
    if planned_for is not None:
        size = Optimization(batch_rows=len(rows), accumulation=1)
        training = Training(mixing="joint")
        overhead = pass_overhead(planned_for, DEVICE)
        plan = plan_steps(rows, training, size, 0, overhead=overhead)
        parts = plan.micro_batches(0)
    else:
        parts = [np.flatnonzero(rows.lengths.objective == i) for i in range(len(rows.objectives))]
    made = [[rows.rows[i] for i in part] for part in parts]
    objectives, device = len(rows.objectives), torch.device(DEVICE)
    return [make_batch(m, SHAPE, objectives=objectives, tail="bucket").to(device) for m in made]


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


# ---- measuring ---------------------------------------------------------------------------------


def turn_of(model: Student, rows: RowSet, turn: int) -> dict[str, float]:
    """Seconds of each way over the same rows, first to last and last to first in turns."""
    fused, separate = split_batches(rows, model), split_batches(rows, None)
    ways = {
        "fused": partial(own_passes, model, fused),
        "separate": partial(own_passes, model, separate),
        "published": partial(published_passes, model, separate),
    }
    order = list(ways) if turn % 2 == 0 else list(reversed(ways))
    found = {way: seconds_of(ways[way], model) for way in order}
    return {
        **found,
        "passes": len(fused),
        "positions": sum(b.size for b in fused) / sum(b.size for b in separate),
        "projected": sum(len(b.labels) for b in separate)
        / sum(b.decoder_input_ids.numel() for b in separate),
    }


def measure(name: str, rows: RowSet, count: int, repeats: int) -> dict[str, object]:
    model = student(name)
    for passes in (own_passes, published_passes):
        seconds_of(partial(passes, model, split_batches(drawn(rows, 2, 0), None)), model)
    turns = [turn_of(model, drawn(rows, count, turn), turn) for turn in range(repeats)]
    found: dict[str, object] = {
        "model": name, "objectives": len(rows.objectives), "examples": count, "repeats": repeats,
        "passes_fused": statistics.median(taken["passes"] for taken in turns),
        # of the model's positions that separate passes compute, and of those that they project
        "positions": round(statistics.median(taken["positions"] for taken in turns), 3),
        "projected": round(statistics.median(taken["projected"] for taken in turns), 3),
    }  # fmt: skip
    for way in ("fused", "separate", "published"):
        found[f"{way}_ms"] = round(1000 * statistics.median(taken[way] for taken in turns), 1)
    for one, other in (("fused", "separate"), ("separate", "published"), ("fused", "published")):
        ratios = sorted(taken[one] / taken[other] for taken in turns)
        found[f"{one}_to_{other}"] = round(statistics.median(ratios), 3)
        found[f"{one}_to_{other}_range"] = [round(ratios[0], 3), round(ratios[-1], 3)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="published files; none: made-up lengths")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, nargs="+", default=[8, 16, 64], help="examples a step")
    parser.add_argument("--models", nargs="+", default=["tiny", "mini"], choices=list(MODELS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for objectives in (2, 3):
        made = options.data is None
        rows = made_up_rows(objectives) if made else published_rows(options.data, objectives)
        for name in options.models:
            for count in options.rows:
                found.append(measure(name, rows, count, options.repeats))
                print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    result = {"device": DEVICE, "torch": torch.__version__, "measured": found}
    print(json.dumps(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
