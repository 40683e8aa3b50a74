"""Objectives, tails and projections against each other on the bundled world, at equal steps.

    python scripts/experiments/objectives.py WORK [--arms A,B] [--seeds 0,1,2] [--json FILE]

A seed decides the teacher's samples, the order of training and the demonstrations; the arms of a
seed share everything but the one thing they are named after. Every arm trains the bundled student
for ``--steps`` steps and its last checkpoint answers the test splits. Arms:

    prefix          distribution matching, tail as a bucket, prefix projection (all the defaults)
    sample          the teacher's text as hard labels
    renormalize, to_label    other rules for the tail
    one-to-one      the published projection
    k1-bucket, k1-renormalize, k1-to_label    the same rules with one stored entry

What is finished in WORK is not repeated, so arms and seeds can be run one by one.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from align.project import Policy
from specialize.artifacts.predictions import PredictionFile
from specialize.config.recipe import Recipe
from specialize.evaluate import evaluate
from specialize.pipeline import make_targets
from specialize.quickstart import world
from specialize.quickstart.run import Size, quickstart_recipe, write_data
from specialize.selection.paired_tests import Paired, difference_interval, pair
from specialize.students import checkpoints
from specialize.targets.stage import write_targets
from specialize.train import train

ARMS: dict[str, dict[str, object]] = {
    "prefix": {},
    "sample": {"target": "rationale"},
    "renormalize": {"tail": "renormalize"},
    "to_label": {"tail": "to_label"},
    "one-to-one": {"policy": "one-to-one"},
    "k1-bucket": {"top_k": 1},
    "k1-renormalize": {"top_k": 1, "tail": "renormalize"},
    "k1-to_label": {"top_k": 1, "tail": "to_label"},
}
REFERENCE, TEACHER, FORMAT = "prefix", "tiny", "zero-shot-cot"


def recipe_of(folder: Path, size: Size, seed: int, arm: str) -> Recipe:
    """The quickstart's recipe, with what the arm changes."""
    base = quickstart_recipe(folder, size)
    changed = ARMS[arm]
    objectives = [
        o.model_copy(update={"target": changed.get("target", o.target)}) if o.teacher else o
        for o in base.objectives
    ]
    sets = [spec for spec in base.evaluation.sets if spec.role != "general"]
    training = {"tail": changed.get("tail", "bucket"), "checkpoint_every": size.steps}
    return base.model_copy(
        update={
            "objectives": tuple(objectives),
            "training": base.training.model_copy(update=training),
            "evaluation": base.evaluation.model_copy(update={"sets": tuple(sets)}),
            "seed": seed,
        }
    )


def run_arm(work: Path, size: Size, seed: int, arm: str) -> None:
    """Dump once per seed, align once per projection, train and answer the test splits."""
    folder = work / f"seed-{seed}"
    write_data(folder / "data", size)
    recipe = recipe_of(folder, size, seed, arm)
    shared, run = folder / "shared", folder / arm
    make_targets(recipe, shared)
    changed = ARMS[arm]
    policy: Policy = "one-to-one" if changed.get("policy") == "one-to-one" else "prefix"
    top_k = int(str(changed.get("top_k", 5)))
    write_targets(
        shared / "responses" / TEACHER, run / "targets" / TEACHER, student=recipe.student,
        policy=policy, top_k=top_k,
    )  # fmt: skip
    train(recipe, run)
    evaluate(recipe, run, checkpoints=[checkpoints.complete(run)[-1]], split="test")


def answers(work: Path, size: Size, seed: int, arm: str, name: str) -> PredictionFile:
    return PredictionFile.of(
        work / f"seed-{seed}" / arm, checkpoints.name_of(size.steps), name, "test", FORMAT
    )


def summary(work: Path, size: Size, seeds: list[int], arms: list[str]) -> list[dict[str, object]]:
    """Per arm: accuracy per set, and the difference to the reference, over all seeds.

    Pairs are the same question and seed; seeds are pooled, and each seed's mean is shown beside.
    """
    rows = []
    families = {"in": world.FAMILIES[:1], "out": world.OUT_OF_DISTRIBUTION}
    for arm in arms:
        row: dict[str, object] = {"arm": arm, "seeds": len(seeds), "steps": size.steps}
        for role, names in families.items():
            means, parts = [], []
            for seed in seeds:
                found = [answers(work, size, seed, arm, name).read() for name in names]
                against = [answers(work, size, seed, REFERENCE, name).read() for name in names]
                means.append(statistics.mean(statistics.mean(p.correct for p in f) for f in found))
                parts.append([pair(f, a) for f, a in zip(found, against, strict=True)])
            pooled = [sum(of_set, Paired(0, 0, 0)) for of_set in zip(*parts, strict=True)]
            low, high = difference_interval([(1 / len(names), counts) for counts in pooled])
            row |= {
                role: round(100 * statistics.mean(means), 1),
                f"{role}_seeds": [round(100 * value, 1) for value in means],
                f"{role}_difference": round(
                    100 * statistics.mean(counts.difference for counts in pooled), 1
                ),
                f"{role}_interval": [round(100 * low, 1), round(100 * high, 1)],
            }
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--questions", type=int, default=800)
    parser.add_argument("--examples", type=int, default=200, help="of each test split")
    parser.add_argument("--json", type=Path, help="write the summary here; prints it otherwise")
    parser.add_argument("--no-summary", action="store_true", help="only run the arms")
    given = parser.parse_args()
    size = Size(questions=given.questions, steps=given.steps, examples=given.examples)
    arms, seeds = given.arms.split(","), [int(seed) for seed in given.seeds.split(",")]
    for seed in seeds:
        for arm in arms:
            run_arm(given.work, size, seed, arm)
    if given.no_summary:
        return
    text = "\n".join(json.dumps(row) for row in summary(given.work, size, seeds, arms)) + "\n"
    if given.json is None:
        print(text, end="")
    else:
        given.json.write_text(text)


if __name__ == "__main__":
    main()
