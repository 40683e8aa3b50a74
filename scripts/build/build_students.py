"""Train the students of the scale sweep: the bundled one's kind, from .1 to 9 million parameters.

    python scripts/build/build_students.py --out runs/X01/inputs/students
    specialize experiment X01 --out runs/X01

All read the same rows in the same order, with the bundled student's vocabulary, three layers on
either side, and the same schedule; only the width differs. They read as the bundled student does,
without demonstrations and for a third of its steps; they are not tuned afterwards, so that each is
what reading alone has made of it. A finished student stays; a killed one resumes from its last
state under --state. The three smallest took seven minutes of processor time, 3M seven and 9M
eighteen; --student builds some of them alone, so that several can be built at once.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from build_quickstart_models import (
    STUDENT_STAGES,
    load_tokenizer,
    student_of_width,
    train_student,
)

from specialize.experiments.x01_scale import STUDENTS
from specialize.quickstart.run import MODELS

READING = STUDENT_STAGES[0]
STAGE = replace(
    READING,
    name="students",
    mixture=replace(READING.mixture, in_context=0.0),
    steps=1000,
    stop=None,
)


def build(name: str, out: Path, state: Path) -> None:
    """Train one student and save it, tokenizer included, as ``out/name``."""
    torch.manual_seed(2)
    tokenizer = load_tokenizer(MODELS / "student")
    model = student_of_width(STUDENTS[name].width, len(tokenizer))
    if model.num_parameters() != STUDENTS[name].parameters:
        raise ValueError(f"student {name} has {model.num_parameters():,} parameters")
    stage = replace(STAGE, name=f"student-{name}")
    train_student(model, tokenizer, (stage,), state)
    partial = out / f"{name}.partial"
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the students")
    parser.add_argument(
        "--student",
        choices=STUDENTS,
        action="append",
        help="this one, which may be repeated; none: all",
    )
    parser.add_argument("--state", type=Path, default=Path("/tmp/students_state"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for folder in (options.out, options.state):
        folder.mkdir(parents=True, exist_ok=True)
    for name in options.student or STUDENTS:
        if not (options.out / name).is_dir():
            build(name, options.out, options.state)


if __name__ == "__main__":
    main()
