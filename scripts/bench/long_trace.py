"""One reasoning trace of 32,768 tokens from dump to step, and the memory of each stage.

    python scripts/bench/long_trace.py [--tokens 32768] [--thinking train] [--json]
        [--teacher TOKENIZER] [--student TOKENIZER] [--vocabulary 50257]

A chat teacher scores the trace, which stands in a block of thinking before a short answer; its rows
are aligned to the student's tokens and become a row of training, and the student takes one step on
it and a few short ones, packed where that leaves no padding. Both models are random Llamas of two
layers, so that what grows with the length of a text is in the figures and a real model's weights
are not. Each stage is a process of its own: ``peak`` is its largest resident memory (VmHWM),
``above`` that less what was resident once everything was imported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.config.yaml_files import build_recipe
from specialize.datasets.recipe_sets import training_examples
from specialize.quickstart.run import MODELS
from specialize.rows import build_rows
from specialize.store import Store
from specialize.students.random_init import build_student
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump
from specialize.teacher.local.teacher import load_teacher
from specialize.tokens import load_tokenizer
from specialize.train import train

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]\n"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
SHORT = 3  # further examples, with short traces
TOP_K = 5


def trace(tokens: int, tokenizer: Path) -> str:
    """Sums, one after another, until they are ``tokens`` tokens of the teacher's."""
    known = load_tokenizer(tokenizer)
    lines = [f"{i} + {7 * i % 1000} = {i + 7 * i % 1000}." for i in range(tokens)]
    a_line = len(known.encode("\n".join(lines[:100]))) / 100
    low, high = 1, min(tokens, int(3 * tokens / a_line) + 2)
    while low < high:  # the fewest lines that are enough
        middle = (low + high) // 2
        enough = len(known.encode("\n".join(lines[:middle]))) >= tokens
        low, high = (low, middle) if enough else (middle + 1, high)
    return "\n".join(lines[:low])


def set_up(folder: Path, options: argparse.Namespace) -> None:
    """Models, tokenizers with a template, and the examples."""
    for name, source in (("teacher", options.teacher), ("student", options.student)):
        tokenizer = load_tokenizer(source)
        model = {
            "model_type": "llama", "vocab_size": max(tokenizer.size, options.vocabulary),
            "hidden_size": 64,
            "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 4 * options.tokens, "bos_token_id": tokenizer.eos,
            "eos_token_id": tokenizer.eos, "pad_token_id": tokenizer.pad,
        }  # fmt: skip
        copied = folder / f"{name}-tokenizer"
        tokenizer.save(copied)
        (copied / "chat_template.jinja").write_text(TEMPLATE)
        build_student(model, copied, load_tokenizer(copied), folder / name, seed=0)
        (folder / name / "chat_template.jinja").write_text(TEMPLATE)
    lengths = [options.tokens] + [64] * SHORT
    with (folder / "examples.jsonl").open("w") as file:
        for number, length in enumerate(lengths):
            thought = trace(length, folder / "teacher")
            said = f"<think>\n{thought}\n</think>\n\nThat was all."
            record = {"id": f"trace/{number}", "question": f"Sum {number}?", "answer": str(number)}
            file.write(json.dumps({**record, "rationale": said}) + "\n")


def recipe(folder: Path, options: argparse.Namespace) -> Recipe:
    """A run of one step over all examples at once."""
    most = 3 * options.tokens
    return build_recipe(
        {
            "student": str(folder / "student"),
            "train_on": {"set": "jsonl", "path": str(folder / "examples.jsonl")},
            "chat": {"thinking": options.thinking},
            "teachers": {
                "tiny": {"model": str(folder / "teacher"), "mode": "score", "format": "chat-cot",
                         "top_logprobs": TOP_K, "chat": {"thinking": "train"}},
            },
            "objectives": [{"name": "trace", "format": "chat-cot", "target": "distribution",
                            "teacher": "tiny", "keep": "all"}],
            "training": {"max_target_tokens": most, "checkpoint_every": 1},
            "optimization": {"steps": 1, "batch_rows": 1 + SHORT, "accumulation": 1},
            "running": {"packing": True, "gradient_checkpointing": options.checkpointing},
        }
    )  # fmt: skip


def run_dump(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    made = recipe(folder, options)
    asked = made.teachers["tiny"]
    examples = training_examples(made).examples
    teacher = load_teacher(str(asked.model))
    dump(teacher, examples, folder / "run" / "responses" / "tiny", asked)
    sample = Store.open(folder / "run" / "responses" / "tiny")["trace/0", 0]
    return {"positions": len(sample), "of thinking": sample.response.thinking_tokens}


def run_align(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    responses, targets = (folder / "run" / part / "tiny" for part in ("responses", "targets"))
    write_targets(responses, targets, student=str(folder / "student"), top_k=TOP_K)
    sample = Store.open(targets)["trace/0", 0]
    return {"positions": len(sample), "of thinking": sample.response.thinking_tokens}


def run_rows(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    made = recipe(folder, options)
    rows = build_rows(
        made, training_examples(made).examples,
        {"tiny": Store.open(folder / "run" / "targets" / "tiny")},
        load_tokenizer(folder / "student"), encoder_decoder=False,
    )  # fmt: skip
    return {"longest row": int(rows.lengths.target.max()), **rows.counts()["trace"]}


def run_train(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    train(recipe(folder, options), folder / "run")
    [line] = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    step = json.loads(line)
    return {"step": step["step"], "loss": step["loss"], "padding": step["padding"]}


STAGES: dict[str, Callable[[Path, argparse.Namespace], dict[str, int]]] = {
    "dump": run_dump, "align": run_align, "rows": run_rows, "train": run_train,
}  # fmt: skip


def resident(field: str) -> float:
    """MiB of this process, by a field of ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def run_stage(folder: Path, options: argparse.Namespace) -> None:
    """One stage, and its memory as a line of JSON."""
    before, began, cpu = resident("VmRSS"), time.perf_counter(), time.process_time()
    found = STAGES[options.stage](folder, options)
    peak = resident("VmHWM")
    line = {
        "stage": options.stage,
        "peak_mib": round(peak),
        "above_mib": round(peak - before),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        **found,
    }
    print(json.dumps(line))


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    """Every stage, one process after another."""
    set_up(folder, options)
    given = sys.argv[1:] if Path(sys.argv[0]).name == Path(__file__).name else options.given
    found = []
    for stage in STAGES:
        command = [sys.executable, __file__, *given, "--stage", stage, "--folder", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"stage {stage} failed: {done.stderr[-2000:]}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
        if not options.json:
            print(json.dumps(found[-1]), flush=True)
    return found


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokens", type=int, default=32_768, help="of the trace")
    parser.add_argument("--thinking", choices=["drop", "keep", "train"], default="train")
    parser.add_argument("--teacher", default=str(MODELS / "teacher"), help="its tokenizer")
    parser.add_argument("--student", default=str(MODELS / "student"), help="its tokenizer")
    parser.add_argument("--vocabulary", type=int, default=0, help="ids of the models, at least")
    parser.add_argument("--checkpointing", action="store_true", help="of activations")
    parser.add_argument("--json", action="store_true", help="one document instead of lines")
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    options.given = arguments or []
    return options


def main() -> None:
    options = parsed()
    if options.stage:
        run_stage(options.folder, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
