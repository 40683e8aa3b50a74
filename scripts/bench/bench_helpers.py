"""What a training step takes with processes that help, beside torch's threads, by the clock.

    specialize quickstart --out RUN --steps 2 --no-both
    python scripts/bench/bench_helpers.py RUN [--widths 128 256 384] [--steps 20] [--turns 3]

Students with random weights and the quickstart's vocabulary, of several widths, are trained on the
quickstart's targets, in a fresh process each time and in turns. Prints a JSON line for each width:
the median step of every turn in milliseconds, without the first three, and the median ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from specialize.config.recipe import Recipe
from specialize.quickstart.run import MODELS
from specialize.students.random_init import build_student
from specialize.students.student import load_student
from specialize.tokens import load_tokenizer
from specialize.train import helpers, metrics, train


def student_of(width: int, folder: Path) -> int:
    """A student like the quickstart's, ``width`` wide; returns its parameters."""
    config = json.loads((MODELS / "student" / "config.json").read_text())
    config |= {"d_model": width, "d_ff": 2 * width, "d_kv": width // 4, "num_heads": 4}
    tokenizer = load_tokenizer(MODELS / "student")
    build_student(config, MODELS / "student", tokenizer, folder, seed=0)
    student = load_student(folder, tokenizer)
    return sum(parameter.numel() for parameter in student.parameters())


def step_ms(run: Path, student: Path, steps: int, *, helped: bool) -> float:
    """Train; the median step in milliseconds."""
    if not helped:
        helpers._MOST = 1
    values = yaml.safe_load((run / "recipe.yaml").read_text())
    values["student"] = str(student)
    values["optimization"]["steps"] = steps
    values["training"]["checkpoint_every"] = 10 * steps
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder)
        shutil.copytree(run / "targets", trained / "targets")
        train(Recipe.model_validate(values), trained)
        lines = [json.loads(text) for text in (trained / metrics.FILE).read_text().splitlines()]
    took = [
        sum(one["tokens"] for one in line["objectives"].values()) / line["tokens_per_second"]
        for line in lines
    ]
    return 1000 * statistics.median(took[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 256, 384])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("STUDENT", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        student, way = given.one
        print(step_ms(given.run, Path(student), given.steps, helped=way == "helpers"))
        return
    for width in given.widths:
        with tempfile.TemporaryDirectory() as folder:
            count = student_of(width, Path(folder) / "student")
            took: dict[str, list[float]] = {"threads": [], "helpers": []}
            for _ in range(given.turns):
                for way, times in took.items():
                    command = [sys.executable, __file__, str(given.run), "--steps",
                               str(given.steps), "--one", f"{folder}/student", way]  # fmt: skip
                    done = subprocess.run(
                        command, check=True, capture_output=True, text=True, env=os.environ
                    )
                    times.append(round(float(done.stdout), 1))
        ratios = [a / b for a, b in zip(took["helpers"], took["threads"], strict=True)]
        line = {"parameters": count, **took, "ratio": round(statistics.median(ratios), 3)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
