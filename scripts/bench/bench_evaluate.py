"""Examples a second of the evaluation engine, against a plain ``generate`` loop.

    python scripts/bench/bench_evaluate.py --model RUN/checkpoints/step-000300 --rows 8 --rows 32

Both answer the same questions of the quickstart's sets with one checkpoint, greedily, up to the
same length. The plain loop takes each set in its order, in batches of a fixed number of rows (8 is
the library's own ``per_device_eval_batch_size``); ours takes all sets at once. The new tokens must
be the same. The whole job is timed too: load the model, encode, answer, grade, write; ours then
evaluates once more what was answered. Prints one JSON object; seconds are of one processor, the
least of ``--repeats``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from specialize.answers import is_correct
from specialize.config.recipe import Recipe
from specialize.evaluate import evaluate_model
from specialize.evaluate.generation import Limits, generate
from specialize.evaluate.planning import EvaluationPlan, PromptedSet
from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from specialize.students.student import load_model
from specialize.tokens import load_tokenizer

Prompts = Sequence[Sequence[int]]
Tokens = list[tuple[int, ...]]


def plain_loop(model: PreTrainedModel, prompts: Prompts, limit: int, rows: int) -> Tokens:
    """What most evaluation scripts do."""
    made: Tokens = []
    left = not model.config.is_encoder_decoder
    for start in range(0, len(prompts), rows):
        batch = prompts[start : start + rows]
        width = max(map(len, batch))
        ids, mask = torch.zeros(2, len(batch), width, dtype=torch.long)
        for i, prompt in enumerate(batch):
            place = slice(width - len(prompt), None) if left else slice(len(prompt))
            ids[i, place], mask[i, place] = torch.tensor(prompt), 1
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=limit
            )
        made += [_cut(row[width if left else 1 :], model) for row in output.tolist()]
    return made


def _cut(row: list[int], model: PreTrainedModel) -> tuple[int, ...]:
    end = model.generation_config.eos_token_id
    return tuple(row[: row.index(end)] if end in row else row)


def engine(model: PreTrainedModel, prompts: Prompts, limits: Limits) -> Tokens:
    """Ours, over all prompts at once."""
    found = {i: made.ids for batch in generate(model, prompts, limits) for i, made in batch}
    return [found[i] for i in range(len(prompts))]


def plain_job(path: Path, plan: Sequence[PromptedSet], limit: int, rows: int, out: Path) -> int:
    """A whole evaluation as a script without us would do it; returns how many are correct."""
    model, tokenizer = load_model(path).eval(), load_tokenizer(path)
    lines, right = [], 0
    for asked in plan:
        prompts = tokenizer.encode_batch(list(asked.prompts), eos=model.config.is_encoder_decoder)
        for example, made in zip(
            asked.examples, plain_loop(model, prompts, limit, rows), strict=True
        ):
            text = tokenizer.decode(made)
            correct = is_correct(text, example.answer, kind=asked.kind)
            lines.append(json.dumps({"id": example.id, "text": text, "correct": correct}) + "\n")
            right += correct
    out.write_text("".join(lines))
    return right


def least(work: Callable[[], object], repeats: int) -> float:
    """The least processor seconds of several runs."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def whole_job(
    path: Path, recipe: Recipe, out: Path, plan: Sequence[PromptedSet], options: argparse.Namespace
) -> dict[str, object]:
    def ours() -> None:
        shutil.rmtree(out / "run", ignore_errors=True)
        again()

    def again() -> None:
        evaluate_model(recipe, out / "run", path, label="asked", step=1, split="validation")

    limit = recipe.evaluation.max_new_tokens
    mine = least(ours, options.repeats)
    times = {
        rows: least(partial(plain_job, path, plan, limit, rows, out / "plain"), options.repeats)
        for rows in options.rows
    }
    second = least(again, 1)
    return {
        "seconds": round(mine, 2),
        "second_evaluation_seconds": round(second, 2),
        "times_faster": {rows: round(theirs / mine, 2) for rows, theirs in times.items()},
    }


def compare(
    model: PreTrainedModel, sets: Sequence[Prompts], limits: Limits, options: argparse.Namespace
) -> dict[str, object]:
    """Engine and plain loop over the same sets."""
    every = [prompt for of_set in sets for prompt in of_set]
    ours = engine(model, every, limits)
    mine = least(lambda: engine(model, every, limits), options.repeats)
    times, differing = {}, 0
    for rows in options.rows:

        def plain(rows: int = rows) -> Tokens:
            new = limits.max_new_tokens
            return [row for of_set in sets for row in plain_loop(model, of_set, new, rows)]

        differing += sum(a != b for a, b in zip(ours, plain(), strict=True))
        times[rows] = least(plain, options.repeats)
    return {
        "examples": len(every),
        "prompt_tokens": round(sum(map(len, every)) / len(every), 1),
        "new_tokens": round(sum(map(len, ours)) / len(every), 1),
        "differing_examples": differing,
        "examples_per_second": round(len(every) / mine, 1),
        "times_faster": {rows: round(theirs / mine, 2) for rows, theirs in times.items()},
    }


def measure(options: argparse.Namespace, out: Path) -> dict[str, object]:
    size = Size(questions=40, examples=options.examples)
    write_data(out / "data", size)
    recipe = quickstart_recipe(out, size)
    asking = {"formats": tuple(options.formats), "num_fewshot": options.demonstrations}
    recipe = recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=asking)})
    path = MODELS / options.model if (MODELS / options.model).is_dir() else Path(options.model)
    model, tokenizer = load_model(path).eval(), load_tokenizer(path)
    plan = EvaluationPlan(recipe).of("validation")
    eos = bool(model.config.is_encoder_decoder)
    prompts = [tokenizer.encode_batch(list(asked.prompts), eos=eos) for asked in plan]
    limits = Limits(recipe.evaluation.max_new_tokens, recipe.evaluation.batch_tokens)
    each = {
        f"{asked.spec.label} {asked.format}": compare(model, [of_set], limits, options)
        for asked, of_set in zip(plan, prompts, strict=True)
        if options.each
    }
    return {
        "together": compare(model, prompts, limits, options),
        "whole_job": whole_job(path, recipe, out, plan, options),
        **each,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="of each set")
    parser.add_argument("--rows", type=int, action="append", help="batch of the plain loop")
    parser.add_argument("--model", default="student", help="student, teacher or a directory")
    parser.add_argument("--formats", nargs="+", default=["zero-shot-cot"])
    parser.add_argument("--demonstrations", type=int, default=4)
    parser.add_argument("--each", action="store_true", help="every set and format by itself too")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    options.rows = options.rows or [8, 16, 32, 64]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options, Path(folder)), indent=1))


if __name__ == "__main__":
    main()
