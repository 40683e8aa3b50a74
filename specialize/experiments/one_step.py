"""What X08, X09 and X14 share: label and rationale as tasks, on problems of one step by default.

The family "depot_step" has numbers up to 60. Its label can be learnt directly, unlike that of
problems of several steps, which stays at the floor in a student of this size. The last checkpoint
is asked twice: for the label (``predict``), as the methods do, and for its own rationale
(``explain``), at whose end the label stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.config.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Optimization,
    Recipe,
    Teacher,
    Training,
)
from specialize.experiments.design import Experiment
from specialize.quickstart import world
from specialize.quickstart.run import MODELS

FAMILY, TEACHER, SECOND = "depot_step", "tiny", "second"
QUESTIONS, EXAMPLES = 800, 400
STEPS, TOGETHER, RATE = 150, 12, 1e-3  # examples of a step; peak learning rate
AFTER_RATIONALE = "after its rationale"
COLUMNS = ("in-distribution", f"in-distribution, {AFTER_RATIONALE}")
experiment = partial(
    Experiment, questions=QUESTIONS, examples=EXAMPLES, measures=(AFTER_RATIONALE,), columns=COLUMNS
)


def prepare(folder: Path, questions: int, examples: int, *, family: str = FAMILY) -> None:
    """Write the family's questions; what is there stays."""
    wanted: dict[world.Split, int] = {
        "train": questions, "validation": examples, "test": examples
    }  # fmt: skip
    for split, count in wanted.items():
        path = folder / "data" / f"{family}.{split}.jsonl"
        if not path.is_file():
            datasets.write_jsonl(path, world.examples(family, split, count))


def base_recipe(
    folder: Path, teachers: Mapping[str, Teacher], *, family: str = FAMILY, steps: int = STEPS
) -> Recipe:
    """Labels alone; the arms set the objectives."""
    data = folder / "data"
    asked = EvaluationSet(
        set="jsonl", name=family, role="in-distribution", protocol="files", kind="number",
        path=str(data / f"{family}.{{split}}.jsonl"),
    )  # fmt: skip
    return Recipe(
        student=str(MODELS / "student"),
        train_on=Dataset(set="jsonl", path=str(data / f"{family}.train.jsonl")),
        teachers=teachers,
        objectives=(label(),),
        training=Training(mixing="joint", checkpoint_every=steps, max_target_tokens=160),
        optimization=Optimization(
            steps=steps, learning_rate=RATE, schedule="linear", accumulation=1, batch_rows=TOGETHER
        ),
        evaluation=Evaluation(
            sets=(asked,), formats=("predict", f"explain-{TEACHER}"), max_new_tokens=64
        ),
    )


def asked_of(model: str, *, examples: int = 0, forced: bool = False) -> Teacher:
    """A bundled teacher that writes one rationale to each question."""
    return Teacher(
        model=str(MODELS / model), mode="rationale", num_fewshot=examples, forced=forced,
        temperature=0.7, max_new_tokens=96,
    )  # fmt: skip


def label(teacher: str | None = None) -> Objective:
    """The gold label, or a teacher's."""
    return Objective(
        name="predict", format="predict", target="answer", teacher=teacher, keep="all"
    )  # fmt: skip


def rationale(
    teacher: str,
    *,
    target: Literal["rationale", "distribution"] = "rationale",
    weight: float = 1.0,
) -> Objective:
    """The teacher's rationale as a task of its own, as text or with its distributions."""
    return Objective(
        name=f"explain-{teacher}", format=f"explain-{teacher}", target=target,
        teacher=teacher, keep="all", weight=weight,
    )  # fmt: skip


def taught(objectives: Sequence[Objective]) -> tuple[str, ...]:
    """The overrides of an arm: its objectives, with as many examples in a step as any other."""
    listed = [each.model_dump(mode="json", exclude_defaults=True) for each in objectives]
    rows = TOGETHER * len(objectives)
    return f"objectives={json.dumps(listed)}", f"optimization.batch_rows={rows}"
