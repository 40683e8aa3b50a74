"""Off-policy texts, on-policy rounds and their mixture on the bundled world, at equal teacher work.

    python scripts/experiments/on_policy.py WORK [--arms A,B] [--seeds 0,1,2] [--json FILE]

A seed decides the teacher's samples, the order of training and what students write. Every arm
trains the bundled student in three stages of ``--steps`` steps, each with a schedule of its own,
and has as many texts with the teacher's rows: three to each question. Its last checkpoint answers
the test splits. Arms:

    off-policy    the teacher writes all three; forward KL in every stage
    on-policy     the teacher writes one for the first stage; for each of the two others the student
                  writes one, which the teacher scores; reverse KL on these alone
    mixture       the same, with the teacher's own text beside them at equal weight
    on-forward    on-policy with forward KL
    first-stage   the first stage of the last three alone: a third of the texts and steps

What is finished in WORK is not repeated, so arms and seeds can be run one by one.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from specialize.artifacts.predictions import PredictionFile
from specialize.config.recipe import Recipe
from specialize.config.rounds import Rounds
from specialize.evaluate import evaluate
from specialize.pipeline import train_from
from specialize.quickstart import world
from specialize.quickstart.run import Size, quickstart_recipe, write_data
from specialize.rollouts.rounds import OWN, begin_round, folder
from specialize.selection.paired_tests import Paired, difference_interval, pair
from specialize.store import Store
from specialize.students import checkpoints

ROUNDS = 2
ARMS: dict[str, dict[str, object] | None] = {
    "off-policy": None,
    "on-policy": {"off_policy_weight": 0.0},
    "mixture": {"off_policy_weight": 1.0},
    "on-forward": {"off_policy_weight": 0.0, "loss": "forward_kl"},
    "first-stage": {},
}
REFERENCE, FIRST, TEACHER, FORMAT = "off-policy", "first-stage", "tiny", "zero-shot-cot"


def recipe_of(home: Path, size: Size, seed: int) -> Recipe:
    """The quickstart's recipe with its first objective alone; one stage of it."""
    base = quickstart_recipe(home, size)
    sets = [spec for spec in base.evaluation.sets if spec.role != "general"]
    return base.model_copy(
        update={
            "objectives": base.objectives[:1],
            "training": base.training.model_copy(update={"checkpoint_every": size.steps}),
            "evaluation": base.evaluation.model_copy(update={"sets": tuple(sets)}),
            "seed": seed,
        }
    )


def run_arm(work: Path, size: Size, seed: int, arm: str) -> None:
    """Three stages of one arm, and the last checkpoint's answers."""
    home = work / f"seed-{seed}"
    write_data(home / "data", size)
    changes = ARMS[arm]
    samples = 1 + ROUNDS if changes is None else 1
    rounds = ROUNDS if arm != FIRST else 0
    recipe = recipe_of(home, Size(size.questions, samples, size.steps, size.examples), seed)
    before = home / f"first-{samples}"
    train_from(recipe, before, None)
    done = recipe
    for number in range(1, 1 + rounds):
        run = folder(home / arm, number)
        if changes is None:
            last = str(checkpoints.complete(before)[-1].path)
            ahead = recipe.model_copy(update={"student": last})
        else:
            wanted = Rounds.model_validate({"count": ROUNDS, "steps": size.steps, **changes})
            ahead = begin_round(recipe, wanted, before, run, number)
        train_from(ahead, run, before)
        before, done = run, ahead
    evaluate(done, before, checkpoints=[checkpoints.complete(before)[-1]], split="test")


def positions(work: Path, seed: int, arm: str) -> int:
    """Positions that the teacher wrote or scored for an arm."""
    home = work / f"seed-{seed}"
    if ARMS[arm] is None:
        stores = [home / f"first-{1 + ROUNDS}" / "responses" / TEACHER]
    else:
        numbers = range(1, 1 + ROUNDS) if arm != FIRST else ()
        own = [folder(home / arm, n) / "responses" / f"{TEACHER}{OWN}" for n in numbers]
        stores = [home / "first-1" / "responses" / TEACHER, *own]
    return sum(Store.open(store).positions for store in stores)


def answers(work: Path, size: Size, seed: int, arm: str, name: str) -> PredictionFile:
    home = work / f"seed-{seed}"
    run = home / "first-1" if arm == FIRST else folder(home / arm, ROUNDS)
    return PredictionFile.of(run, checkpoints.name_of(size.steps), name, "test", FORMAT)


def summary(work: Path, size: Size, seeds: list[int], arms: list[str]) -> list[dict[str, object]]:
    """Per arm: accuracy per set, and the difference to the reference, over all seeds.

    Pairs are the same question and seed; seeds are pooled, and each seed's mean is shown beside.
    """
    rows = []
    families = {"in": world.FAMILIES[:1], "out": world.OUT_OF_DISTRIBUTION}
    for arm in arms:
        steps = size.steps if arm == FIRST else (1 + ROUNDS) * size.steps
        row: dict[str, object] = {"arm": arm, "seeds": len(seeds), "steps": steps}
        row["positions"] = round(statistics.mean(positions(work, seed, arm) for seed in seeds))
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
    parser.add_argument("--steps", type=int, default=60, help="of each stage")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--examples", type=int, default=150, help="of each test split")
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
