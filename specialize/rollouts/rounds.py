"""A round as a recipe of its own, so that every stage of it is one of any run, in RUN/round-1/.

    run         teachers {qwen}             objectives {cot: qwen}
    round-1     teachers {qwen, qwen-own}   objectives {cot: qwen, cot-own: qwen-own}, student: the
                                            last checkpoint of the run

The teacher ``qwen-own`` scores the student's own texts, must be consistent with ``qwen``, and its
rows have the round's divergence and weight. Responses and targets of ``qwen`` are taken over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from specialize.config.recipe import Objective, Recipe
from specialize.config.rounds import Rounds
from specialize.config.teacher import Teacher
from specialize.config.yaml_files import build_recipe
from specialize.io.progress import notice
from specialize.rollouts.sampling import Drawing, checkpoint_at, objective_of, write_rollouts

OWN = "-own"  # ends the names of what is about the student's own texts
TEXTS = "rollouts.jsonl"


class Round(NamedTuple):
    """A round that can begin.

    Attributes:
        recipe: of it. run: its directory.
        before: the run, or round, whose responses and targets are taken over.
    """

    recipe: Recipe
    run: Path
    before: Path


def rounds_of(recipe: Recipe, run: Path) -> Iterator[Round]:
    """The rounds after a trained run; the texts of each are drawn when it is asked for.

    The caller trains a round before it asks for the next.

    Raises:
        ConfigurationError: what ``write_rollouts`` refuses.
    """
    if recipe.rounds is None:
        return
    before = run
    for number in range(1, recipe.rounds.count + 1):
        ahead = folder(run, number)
        notice(f"round {number} of {recipe.rounds.count}: {ahead}")
        yield Round(begin_round(recipe, recipe.rounds, before, ahead, number), ahead, before)
        before = ahead


def folder(run: Path, number: int) -> Path:
    """Where a round is kept; ``number`` counts from 1."""
    return run / f"round-{number}"


def begin_round(recipe: Recipe, rounds: Rounds, before: Path, run: Path, number: int) -> Recipe:
    """Draw the texts of a round, and say what it trains on.

    Args:
        recipe: of the whole run.
        rounds: its rounds.
        before: the run, or round, whose last checkpoint writes and goes on.
        run: the directory of this round.
        number: of the round, from 1.

    Raises:
        ConfigurationError: what ``write_rollouts`` refuses.
    """
    checkpoint = checkpoint_at(before, None)
    drawing = Drawing(
        rounds.objective, rounds.samples, rounds.temperature, seed=recipe.seed + number
    )
    write_rollouts(recipe, checkpoint, drawing, run / TEXTS, run=before)
    return round_recipe(recipe, rounds, checkpoint.path, run / TEXTS, number)


def round_recipe(recipe: Recipe, rounds: Rounds, student: Path, texts: Path, number: int) -> Recipe:
    """The recipe of one round: the run's, with the student's own texts as a further teacher's."""
    learned = objective_of(recipe, rounds.objective)
    scorer = scoring_teacher(recipe, rounds)
    own = learned.model_copy(
        update={
            "name": f"{learned.name}{OWN}",
            "teacher": f"{learned.teacher}{OWN}",
            "keep": "all",
            "loss": rounds.loss,
            "weight": learned.weight * rounds.weight,
        }
    )
    scoring = scorer.model_copy(
        update={
            "mode": "score",
            "samples": 1,
            "texts": str(texts),
            "consistent_with": learned.teacher,
        }
    )
    return build_recipe(
        recipe.model_copy(
            update={
                "name": f"{recipe.name}-round-{number}",
                "student": str(student),
                "teachers": {**recipe.teachers, f"{learned.teacher}{OWN}": scoring},
                "objectives": (*_weighed(recipe, rounds), own),
                "optimization": recipe.optimization.model_copy(update=_schedule(rounds)),
                "rounds": None,
            }
        ).model_dump(mode="json"),
        where=f"round {number}",
    )


def scoring_teacher(recipe: Recipe, rounds: Rounds) -> Teacher:
    """The settings of the teacher that scores; those of the objective's own where none is named."""
    learned = objective_of(recipe, rounds.objective)
    return recipe.teachers[rounds.teacher or str(learned.teacher)]


def _weighed(recipe: Recipe, rounds: Rounds) -> list[Objective]:
    """The run's own objectives, at their weights in a round."""
    factor = rounds.off_policy_weight
    if not factor:
        return []
    return [o.model_copy(update={"weight": o.weight * factor}) for o in recipe.objectives]


def _schedule(rounds: Rounds) -> dict[str, object]:
    rate = {} if rounds.learning_rate is None else {"learning_rate": rounds.learning_rate}
    return {"steps": rounds.steps, **rate}
