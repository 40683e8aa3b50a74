"""Train the weaker teachers of the experiment on teachers of three strengths.

    python scripts/build/build_teachers.py --out runs/X13/inputs/teachers
    specialize experiment X13 --out runs/X13

Each is of the bundled teacher's kind, with its vocabulary, and reads the rows of its first stage,
on a schedule of fewer steps. A finished teacher stays; a killed one resumes from its last state
under --state.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from build_quickstart_models import TEACHER_STAGES, build_teacher

from specialize.experiments.x13_strengths import TEACHERS
from specialize.quickstart.run import MODELS

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def build(name: str, out: Path, state: Path) -> None:
    """Train one teacher and save it, tokenizer included, as ``out/name``."""
    partial = out / f"{name}.partial"
    (partial / "teacher").mkdir(parents=True, exist_ok=True)
    for file in TOKENIZER:
        shutil.copy(MODELS / "teacher" / file, partial / "teacher" / file)
    steps = TEACHERS[name]
    stage = replace(TEACHER_STAGES[0], name=f"teacher-{name}-{steps}", steps=steps)
    build_teacher(partial, state, (stage,))
    (partial / "teacher").rename(out / name)
    partial.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the teachers")
    parser.add_argument("--state", type=Path, default=Path("/tmp/teachers_state"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.state.mkdir(parents=True, exist_ok=True)
    for name in TEACHERS:
        if not (options.out / name).is_dir():
            build(name, options.out, options.state)


if __name__ == "__main__":
    main()
