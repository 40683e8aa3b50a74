"""A causal student on the bundled teacher's store, with the recipe of the T5 student.

    python scripts/checks/check_causal.py WORK [--steps 150] [--students causal,t5] [--json FILE]

There is no bundled causal student; the second teacher, a small Llama with a vocabulary of its own,
is taken as one. Both students run the quickstart's recipe on targets aligned from one store of the
first teacher; prints their accuracy on the test splits, and their loss and agreement, before and
after. What is finished in WORK is not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from specialize.config.recipe import Recipe
from specialize.evaluate import evaluate
from specialize.quickstart.run import MODELS, Size, quickstart_recipe, write_data
from specialize.stages.recipe_stores import make_stores
from specialize.students import checkpoints
from specialize.targets.stage import write_targets
from specialize.train import train

TEACHER = "tiny"
STUDENTS = {"causal": str(MODELS / "second_teacher"), "t5": str(MODELS / "student")}


def specialized(recipe: Recipe, work: Path, name: str) -> dict[str, object]:
    """Align for the student and train it; accuracy and loss before and after."""
    run, responses = work / name, work / "shared" / "responses" / TEACHER
    recipe = recipe.model_copy(update={"student": STUDENTS[name]})
    write_targets(responses, run / "targets" / TEACHER, student=recipe.student)
    train(recipe, run)
    done = checkpoints.complete(run)
    scores = evaluate(recipe, run, checkpoints=[done[0], done[-1]], split="test")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found: dict[str, object] = {"student": name, "steps": done[-1].step}
    for label in dict.fromkeys(s.set for s in scores):
        found[label] = [round(100 * s.macro_average, 1) for s in scores if s.set == label]
    for measure in ("nats", "agreement"):
        parts = (lines[:5], lines[-5:])
        found[measure] = [round(_mean(part, measure), 4) for part in parts]
    return found


def _mean(lines: list[dict], measure: str) -> float:
    return statistics.mean(line["objectives"]["zero-shot-cot"][measure] for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--students", default=",".join(STUDENTS))
    parser.add_argument("--steps", type=int, default=150)
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
    make_stores(recipe, given.work / "shared")
    lines = []
    for name in given.students.split(","):
        lines.append(json.dumps(specialized(recipe, given.work, name)))
        print(lines[-1], flush=True)
    if given.json is not None:
        given.json.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
