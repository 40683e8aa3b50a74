"""Rationales of one and two teachers on the bundled world, as text and distributions: the runs.

    python scripts/experiments/world_recipes.py OUT           what is missing, then the tables
    python scripts/experiments/world_recipes.py OUT --tables  tables and figures of what is there

Two questions, on problems of two and three steps that both teachers know. (1) The rationales of
two teachers against those of each alone. (2) Rationales as text against the teachers' distributions
over them: of one teacher, of two by weight, and of two averaged position by position over the set's
own solutions. Problems of one step, by the share of training questions, are experiment X08.

Two measures: the label said directly (format ``predict``), and the label at the end of the
rationale that the student writes (its explain format; of several, the better on validation). For
each of them validation chooses the checkpoint, and test is scored once, for that one.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from world_recipes_tables import draw, tables

from specialize import datasets
from specialize.artifacts.predictions import PredictionFile
from specialize.config.recipe import Objective, Recipe, Teacher
from specialize.config.yaml_files import override_recipe, record_recipe
from specialize.datasets.recipe_sets import Split
from specialize.evaluate import evaluate, evaluate_model
from specialize.experiments import one_step
from specialize.experiments.one_step import label
from specialize.quickstart import world
from specialize.quickstart.run import MODELS
from specialize.stages.recipe_stores import make_stores
from specialize.stages.stores import dump_set
from specialize.students import checkpoints
from specialize.train import train

PROBLEMS = "shop"
QUESTIONS, VALIDATION, TEST = 800, 200, 600
SEEDS = (0, 1, 2)
STEPS, CHECKPOINTS = 300, 3
TEACHERS = {"tiny": MODELS / "teacher", "second": MODELS / "second_teacher"}
LABEL, SOLUTION = "label", "solution"  # the two measures
BEFORE = "student before"


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: what is taught, with which seed."""

    method: str
    seed: int

    @property
    def name(self) -> str:
        return f"{PROBLEMS}-{self.method}-{self.seed}"


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
    "step-by-step": (label(), explain("tiny")),
    "second alone": (label(), explain("second")),
    "two teachers": (label(), explain("tiny", weight=0.5), explain("second", weight=0.5)),
    "distributions": (label(), explain("tiny", "distribution")),
    "distributions of two": (
        label(), explain("tiny", "distribution", weight=0.5),
        explain("second", "distribution", weight=0.5),
    ),
    "gold text": (label(), explain("tiny-gold")),
    "gold distributions": (label(), explain("tiny-gold", "distribution")),
    "gold averaged": (label(), AVERAGED),
}  # fmt: skip


def runs() -> Iterator[Run]:
    """Seed by seed, so that every question has some answer early."""
    for seed in SEEDS:
        yield from (Run(method, seed) for method in METHODS)


def recipe_of(run: Run, out: Path) -> Recipe:
    objectives = METHODS[run.method]
    teachers = {name: Teacher() for objective in objectives for name in objective.teachers}
    explained = [o.format for o in objectives if o.format != "predict"] or ["explain-tiny"]
    changes = (
        f"name={run.name}", f"seed={run.seed}", *one_step.taught(objectives),
        f"optimization.steps={STEPS}", f"training.checkpoint_every={STEPS // CHECKPOINTS}",
        f"evaluation.formats={json.dumps(['predict', *explained])}",
        "evaluation.max_new_tokens=96", "selection=in-distribution",
    )  # fmt: skip
    base = one_step.base_recipe(out, teachers, family=PROBLEMS)
    return override_recipe(base, changes, where=run.name)


def prepare(out: Path) -> None:
    """The world's questions, and what the teachers say about them, once for all runs."""
    for split, count in (("train", QUESTIONS), ("validation", VALIDATION), ("test", TEST)):
        path = out / "data" / f"{PROBLEMS}.{split}.jsonl"
        if not path.is_file():
            datasets.write_jsonl(path, world.examples(PROBLEMS, split, count))
    for name, model in TEACHERS.items():
        why = Teacher(model=str(model), mode="rationale", temperature=0.7, max_new_tokens=96)
        # the set's own solutions, answer included, after the prompt that the teachers know
        given = Teacher(model=str(model), mode="score", format="zero-shot-cot")
        for store, settings in ((name, why), (f"{name}-gold", given)):
            dump_set(
                out / "responses" / store, settings, "jsonl",
                str(out / "data" / f"{PROBLEMS}.train.jsonl"), split=None, limit=None, seed=0,
                restart=False, dry_run=False,
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
            link.symlink_to((out / "responses" / teacher).resolve())
    record_recipe(recipe, folder)
    make_stores(recipe, folder)
    train(recipe, folder)
    trained = {c.name: c for c in checkpoints.complete(folder) if c.step}
    scores = evaluate(recipe, folder, checkpoints=list(trained.values()))
    found = {}
    for measure in (LABEL, SOLUTION):
        mine = [s for s in scores if (s.format == "predict") == (measure == LABEL)]
        best = max(mine, key=lambda s: (s.macro_average, -s.step))
        asked = in_format(recipe, best.format)
        evaluate(asked, folder, checkpoints=[trained[best.checkpoint]], split="test")
        found[measure] = {
            "step": best.step,
            "format": best.format,
            "validation": best.macro_average,
            "right": answered(folder, best.checkpoint, "test", best.format),
        }
    write_result(out, run, found, time.monotonic() - started)
    shutil.rmtree(checkpoints.folder(folder))


def before_training(out: Path) -> None:
    """The bundled student as it comes, on test, in the same two formats as fine-tuning's."""
    started = time.monotonic()
    run, folder = Run(BEFORE, SEEDS[0]), out / "runs" / f"{PROBLEMS}-before"
    recipe = recipe_of(Run("fine-tuning", SEEDS[0]), out)
    evaluate_model(recipe, folder, MODELS / "student", label="before", step=0, split="test")
    found = {}
    for measure, format_ in zip((LABEL, SOLUTION), recipe.evaluation.formats, strict=True):
        right = answered(folder, "before", "test", format_)
        found[measure] = {"step": 0, "format": format_, "right": right}
    write_result(out, run, found, time.monotonic() - started)


def in_format(recipe: Recipe, name: str) -> Recipe:
    asked = recipe.evaluation.model_copy(update={"formats": (name,)})
    return recipe.model_copy(update={"evaluation": asked})


def answered(folder: Path, checkpoint: str, split: Split, format_: str) -> str:
    """ "1" for every question of the split that was answered rightly, "0" for the others."""
    read = PredictionFile.of(folder, checkpoint, PROBLEMS, split, format_).read()
    return "".join("1" if p.correct else "0" for p in sorted(read, key=lambda p: p.id))


def write_result(out: Path, run: Run, found: dict[str, object], seconds: float) -> None:
    result = {"method": run.method, "seed": run.seed, "seconds": round(seconds, 1), **found}
    place = out / "results" / f"{run.name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(result) + "\n")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tables", "only_tables", is_flag=True, help="The tables of what is there.")
def main(out: Path, only_tables: bool) -> None:
    if not only_tables:
        prepare(out)
        for run in runs():
            if not (out / "results" / f"{run.name}.json").is_file():
                perform(run, out)
                click.echo(run.name, err=True)
        before_training(out)
    table = tables(out / "results")
    (out / "tables.json").write_text(json.dumps(table, indent=1) + "\n")
    draw(table, out)
    click.echo(json.dumps(table))


if __name__ == "__main__":
    main()
