"""Train the teachers that experiments need and the package does not ship.

    python scripts/build/build_teachers.py X13 --out runs/X13/inputs/teachers
    specialize experiment X13 --out runs/X13

All are of the bundled teacher's kind, with its vocabulary. Those of X13 are weaker ones: they read
the rows of its first stage, on a schedule of fewer steps. Those of X15 go on from the bundled
teacher, on solutions as they are or worded in many ways. A finished teacher stays; a killed one
resumes from its last state under --state.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from build_quickstart_models import TEACHER_STAGES, Stage, build_teacher
from build_quickstart_rows import Mixture

from specialize.experiments import x13_strengths, x15_several_right
from specialize.quickstart.run import MODELS

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Build:
    """A stage of training; ``start``: from the bundled teacher, not from nothing."""

    stage: Stage
    start: bool = False


def _weaker(steps: int) -> Build:
    return Build(replace(TEACHER_STAGES[0], name=f"weaker-{steps}", steps=steps))


def _tuned(openings: Sequence[str]) -> Build:
    mixture = Mixture({"shop": 1.0}, in_context=0.0, answer_only=0.0, openings=tuple(openings))
    name = f"tuned-{len(openings)}"
    steps = x15_several_right.TUNING_STEPS
    return Build(Stage(name, mixture, steps=steps, rows=40, rate=1e-3, seed=6), start=True)


BUILDS: Mapping[str, Mapping[str, Build]] = {
    "X13": {name: _weaker(steps) for name, steps in x13_strengths.TEACHERS.items()},
    "X15": {
        x15_several_right.ONE_WAY: _tuned(()),
        x15_several_right.MANY_WAYS: _tuned(x15_several_right.OPENINGS),
    },
}


def build(name: str, wanted: Build, out: Path, state: Path) -> None:
    """Train one teacher and save it, tokenizer included, as ``out/name``."""
    partial = out / f"{name}.partial"
    (partial / "teacher").mkdir(parents=True, exist_ok=True)
    for file in TOKENIZER:
        shutil.copy(MODELS / "teacher" / file, partial / "teacher" / file)
    start = MODELS / "teacher" if wanted.start else None
    build_teacher(partial, state, (wanted.stage,), start=start)
    (partial / "teacher").rename(out / name)
    partial.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=BUILDS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the teachers")
    parser.add_argument("--state", type=Path, default=Path("/tmp/teachers_state"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.state.mkdir(parents=True, exist_ok=True)
    for name, wanted in BUILDS[options.experiment].items():
        if not (options.out / name).is_dir():
            build(name, wanted, options.out, options.state)


if __name__ == "__main__":
    main()
