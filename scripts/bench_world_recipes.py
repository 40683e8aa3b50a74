"""Step-by-step and TinyLLM on the bundled world, over three seeds: tables and a figure.

    python scripts/bench_world_recipes.py OUT            everything that is missing, then the tables
    python scripts/bench_world_recipes.py OUT --tables   the tables of what is there

Three questions. (1) Step-by-step against standard fine-tuning and standard distillation, at 12.5,
25, 50 and 100 % of the training questions, on counting objects. (2) The rationales of two teachers
against those of each alone, on the word problems that both know. (3) There, rationales as text
against the teachers' distributions over them: of one teacher, of two mixed by weight, and of two
averaged position by position over the set's own solutions. The student predicts labels alone;
validation chooses its checkpoint, and test is scored for that one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import click

from specialize import checkpoints, datasets
from specialize.evaluate import evaluate
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.recipe import (
    Dataset,
    Evaluation,
    EvaluationSet,
    Objective,
    Optimization,
    Recipe,
    Teacher,
    Training,
)
from specialize.recipe_files import record_recipe
from specialize.run import dump_set, evaluate_run, make_targets, select_run
from specialize.train import train

COUNTING, PROBLEMS = "count_objects", "shop"
QUESTIONS, VALIDATION, TEST = 800, 100, 300
SEEDS, FRACTIONS, STEPS = (0, 1, 2), (0.125, 0.25, 0.5, 1.0), 80
TEACHERS = {"tiny": MODELS / "teacher", "second": MODELS / "second_teacher"}
T975 = 4.303  # of Student's t with 2 degrees of freedom


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: on which set, what is taught, to which share of it, with which seed."""

    family: str
    method: str
    fraction: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.family}-{self.method}-{self.fraction:g}-{self.seed}"


def label(weight: float = 1.0, teacher: str | None = None) -> Objective:
    return Objective(
        name="predict",
        format="predict",
        target="answer",
        teacher=teacher,
        keep="all",
        weight=weight,
    )


def explain(teacher: str, target: str = "rationale", *, weight: float = 1.0) -> Objective:
    return Objective(
        name=f"explain-{teacher}", format=f"explain-{teacher}", target=target, teacher=teacher,
        keep="all", weight=weight,
    )  # fmt: skip


AVERAGED = Objective(
    name="explain-averaged", format="explain-averaged", target="distribution",
    average={"tiny-gold": 1, "second-gold": 1}, keep="all",
)  # fmt: skip
METHODS: dict[str, tuple[Objective, ...]] = {
    "fine-tuning": (label(),),
    "distillation": (label(teacher="tiny"),),
    "step-by-step": (label(), explain("tiny")),
    "second alone": (label(), explain("second")),
    "two teachers": (label(), explain("tiny"), explain("second")),
    "distributions": (label(), explain("tiny", "distribution")),
    "distributions of two": (
        label(), explain("tiny", "distribution", weight=0.5),
        explain("second", "distribution", weight=0.5),
    ),
    "gold text": (label(), explain("tiny-gold")),
    "gold distributions": (label(), explain("tiny-gold", "distribution")),
    "gold averaged": (label(), AVERAGED),
}  # fmt: skip
BY_FRACTION = ("fine-tuning", "distillation", "step-by-step")
ASKED_FOR = ("fine-tuning", "step-by-step", "second alone", "two teachers", "distributions")
FURTHER = tuple(method for method in METHODS if method not in (*BY_FRACTION, *ASKED_FOR))


def runs() -> Iterator[Run]:
    """Seed by seed, so that every question has some answer early; further variants last."""
    for seed in SEEDS:
        for method in BY_FRACTION:
            yield from (Run(COUNTING, method, fraction, seed) for fraction in FRACTIONS)
        yield from (Run(PROBLEMS, method, 1.0, seed) for method in ASKED_FOR)
    for seed in SEEDS:
        yield from (Run(PROBLEMS, method, 1.0, seed) for method in FURTHER)


def recipe_of(run: Run, out: Path) -> Recipe:
    objectives = METHODS[run.method]
    teachers = {name: Teacher() for objective in objectives for name in objective.teachers}
    held_out = EvaluationSet(
        set="jsonl", name=run.family, role="in-distribution", protocol="files", kind="number",
        path=str(out / "data" / f"{run.family}.{{split}}.jsonl"),
    )  # fmt: skip
    return Recipe(
        name=run.name,
        student=str(MODELS / "student"),
        train_on=Dataset(
            set="jsonl", path=str(out / "data" / f"{run.family}.train.jsonl"), fraction=run.fraction
        ),
        teachers=teachers,
        objectives=objectives,
        training=Training(mixing="joint", checkpoint_every=STEPS // 2, max_target_tokens=160),
        optimization=Optimization(
            steps=STEPS, learning_rate=5e-4, schedule="linear", accumulation=1,
            batch_rows=12 * len(objectives),
        ),
        evaluation=Evaluation(sets=(held_out,), formats=("predict",), max_new_tokens=8),
        selection="in-distribution",
        seed=run.seed,
    )  # fmt: skip


def prepare(out: Path) -> None:
    """The world's questions, and what the teachers say about them, once for all runs."""
    for family in (COUNTING, PROBLEMS):
        for split, count in (("train", QUESTIONS), ("validation", VALIDATION), ("test", TEST)):
            path = out / "data" / f"{family}.{split}.jsonl"
            if not path.is_file():
                datasets.write_jsonl(path, world.examples(family, split, count))
        for name, model in TEACHERS.items():
            why = Teacher(model=str(model), mode="rationale", temperature=0.7, max_new_tokens=96)
            given = Teacher(model=str(model), mode="score", format="explain")
            for store, settings in ((name, why), (f"{name}-gold", given)):
                if family == PROBLEMS or store == "tiny":
                    dump_set(
                        out / "responses" / family / store, settings, "jsonl",
                        str(out / "data" / f"{family}.train.jsonl"), split=None, limit=None,
                        seed=0, restart=False, dry_run=False,
                    )  # fmt: skip


def perform(run: Run, out: Path) -> None:
    """Train, choose by validation, score test once; the result is one small file."""
    started = time.monotonic()
    folder = out / "runs" / run.name
    recipe = recipe_of(run, out)
    for teacher in recipe.teachers:
        link = folder / "responses" / teacher
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to((out / "responses" / run.family / teacher).resolve())
    record_recipe(recipe, folder)
    make_targets(recipe, folder)
    train(recipe, folder)
    evaluate_run(folder, "validation", steps=(STEPS // 2, STEPS))
    done = select_run(folder, None)
    chosen = [c for c in checkpoints.complete(folder) if c.step == done["selected_step"]]
    (tested,) = evaluate(recipe, folder, checkpoints=chosen, split="test")
    result = {
        "set": run.family,
        "method": run.method, "fraction": run.fraction, "seed": run.seed,
        "test": tested.macro_average,
        "step": done["selected_step"], "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    place = out / "results" / f"{run.name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(result) + "\n")
    click.echo(json.dumps(result), err=True)


def tables(out: Path) -> dict[str, object]:
    """Mean test accuracy over the seeds in percent, with the half width of its 95 % interval."""
    found: dict[tuple[str, str, float], list[float]] = {}
    for path in sorted((out / "results").glob("*.json")):
        result = json.loads(path.read_text())
        key = (result["set"], result["method"], result["fraction"])
        found.setdefault(key, []).append(100 * result["test"])
    rows = []
    for (family, method, fraction), values in sorted(found.items()):
        whole = len(values) == len(SEEDS)
        half = round(T975 * stdev(values) / math.sqrt(len(values)), 2) if whole else None
        rows.append(
            {
                "set": family, "method": method, "fraction": fraction, "seeds": len(values),
                "mean": round(mean(values), 2), "half_width": half,
                "values": [round(value, 2) for value in values],
            }
        )  # fmt: skip
    sizes = {"questions": QUESTIONS, "validation": VALIDATION, "test": TEST, "steps": STEPS}
    return {**sizes, "rows": rows}


def draw(table: dict[str, object], path: Path) -> None:
    """Accuracy by share of the questions, one line a method, with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rows = [row for row in table["rows"] if row["half_width"] is not None]
    for method in BY_FRACTION:
        mine = [row for row in rows if (row["set"], row["method"]) == (COUNTING, method)]
        axes.errorbar(
            [100 * row["fraction"] for row in mine], [row["mean"] for row in mine],
            yerr=[row["half_width"] for row in mine], marker="o", capsize=3, label=method,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks([100 * fraction for fraction in FRACTIONS], labels=["12.5", "25", "50", "100"])
    axes.set_xlabel(f"share of {QUESTIONS} training questions (counting objects), %")
    axes.set_ylabel("test accuracy, %")
    axes.legend()
    figure.savefig(path)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tables", "only_tables", is_flag=True, help="The tables of what is there.")
def main(out: Path, only_tables: bool) -> None:
    if not only_tables:
        prepare(out)
        for run in runs():
            if not (out / "results" / f"{run.name}.json").is_file():
                perform(run, out)
    table = tables(out)
    (out / "tables.json").write_text(json.dumps(table, indent=1) + "\n")
    draw(table, out / "fractions.svg")
    click.echo(json.dumps(table))


if __name__ == "__main__":
    main()
