"""A causal student on the bundled teacher's store, with the recipe of the T5 student.

    python scripts/check_causal.py WORK [--steps 200] [--json FILE]

There is no bundled causal student, so a GPT-2 over the bundled student's vocabulary first reads the
tiny world for ``--reading`` steps, far too few to know it. Then both students run the quickstart's
recipe on targets that were made once from the teacher's store; prints their accuracy on the test
splits before and after. What is finished in WORK is not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from build_quickstart_models import Mixture, Stage, shares, train_causal
from transformers import GPT2Config, GPT2LMHeadModel

from specialize import checkpoints
from specialize.evaluate import evaluate
from specialize.models import copy_tokenizer
from specialize.quickstart.run import Size, quickstart_recipe, write_data
from specialize.recipe import Recipe
from specialize.run import make_targets
from specialize.tokens import load_tokenizer
from specialize.train import train


def build_causal_student(source: str, out: Path, steps: int) -> None:
    """A GPT-2 over the tokenizer of ``source`` that has read a little of the world."""
    if (out / "model.safetensors").is_file():
        return
    torch.manual_seed(5)
    tokenizer = load_tokenizer(source)
    end = int(str(tokenizer.eos))
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=tokenizer.size, n_positions=384, n_embd=128, n_layer=4, n_head=4,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=end, eos_token_id=end, pad_token_id=tokenizer.pad,
        )
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    stage = Stage(
        "causal-read", Mixture(shares(0.6, 0.2, 0.2), in_context=0.1, answer_only=0.05),
        steps=steps, rows=24, rate=2e-3, seed=9,
    )  # fmt: skip

    def tokens_of(text: str) -> list[int]:
        return tokenizer.encode_batch([text])[0]

    train_causal(model, tokens_of, (), end, (stage,), out)
    copy_tokenizer(source, tokenizer, out)
    model.save_pretrained(out)


def specialized(
    recipe: Recipe, run: Path, shared: Path, student: str, rate: float
) -> dict[str, object]:
    """Train ``student`` on the shared targets; accuracy and loss before and after."""
    optimization = recipe.optimization.model_copy(update={"learning_rate": rate})
    recipe = recipe.model_copy(update={"student": student, "optimization": optimization})
    if not (run / "targets").is_dir():
        shutil.copytree(shared / "targets", run / "targets")
    train(recipe, run)
    done = checkpoints.complete(run)
    scores = evaluate(recipe, run, checkpoints=[done[0], done[-1]], split="test")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found: dict[str, object] = {"student": run.name, "steps": done[-1].step}
    for name in dict.fromkeys(s.set for s in scores):
        of_set = [s.macro_average for s in scores if s.set == name]
        found[name] = [round(100 * value, 1) for value in of_set]
    for measure in ("nats", "agreement"):
        ends = (lines[0], lines[-1])
        found[measure] = [line["objectives"]["zero-shot-cot"][measure] for line in ends]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--reading", type=int, default=600, help="steps before, of 24 rows")
    parser.add_argument("--questions", type=int, default=800)
    parser.add_argument("--examples", type=int, default=100, help="of each test split")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    size = Size(questions=given.questions, steps=given.steps, examples=given.examples)
    write_data(given.work / "data", size)
    recipe = quickstart_recipe(given.work, size)
    sets = tuple(spec for spec in recipe.evaluation.sets if spec.role != "general")
    recipe = recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update={"checkpoint_every": size.steps}),
            "evaluation": recipe.evaluation.model_copy(update={"sets": sets}),
        }
    )
    causal = given.work / "causal-student"
    build_causal_student(recipe.student, causal, given.reading)
    make_targets(recipe, given.work / "shared")
    lines = []
    for name, student, rate in (("causal", str(causal), 5e-4), ("t5", recipe.student, 2e-4)):
        found = specialized(recipe, given.work / name, given.work / "shared", student, rate)
        lines.append(json.dumps(found))
        print(lines[-1], flush=True)
    if given.json is not None:
        given.json.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
