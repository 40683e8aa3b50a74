"""What a finished cell showed, and the one file that keeps all of them.

    RUN/outcome.json       of one cell, written last: a cell that has it is finished
    docs/experiments/X02.json    of all, from which the page is made

One worked outcome::

    {"arm": "sample 2", "seed": 0, "seconds": 31.2, "roles": {"shop": "in-distribution"},
     "teacher": {"entropy": 0.13, "tail": 0.002, "right": 0.88},
     "right": {"test": {"150": {"shop": "0110..."}}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from specialize.artifacts.results import RunResults
from specialize.config.recipe import Recipe
from specialize.errors import InputError, NothingPassedError
from specialize.experiments.design import Outcome
from specialize.io.files import write_atomically
from specialize.rows.filtering import least_entropy
from specialize.selection.rules import RULES
from specialize.selection.stage import select
from specialize.store import Store

OUTCOME = "outcome.json"
HIGHEST = ", highest value"  # after a rule's name: without the earliest of equal checkpoints
_OUTCOMES = TypeAdapter(list[Outcome])


def measure(recipe: Recipe, run: Path, arm: str, *, measures: Sequence[str] = ()) -> Outcome:
    """Read what the checkpoints of a finished run answered, and how sure its teacher was.

    Args:
        arm: of the outcome, whose processor time is not known here.
        measures: names of what the recipe's further formats of evaluation measure; the outcome
            has ``shop, asked in context`` as a set of its own, and a role of its own for it.
    """
    results = RunResults(run)
    named = dict(zip(recipe.evaluation.formats[1:], measures, strict=True))
    roles: dict[str, str] = {}
    for spec in recipe.evaluation.sets:
        roles[spec.label] = spec.role
        roles |= {f"{spec.label}, {each}": f"{spec.role}, {each}" for each in measures}
    right: dict[str, dict[str, dict[str, str]]] = {}
    for score in results.scores:
        graded = results.grades(score.checkpoint, score.set, score.split, score.format)
        by_step = right.setdefault(score.split, {}).setdefault(str(score.step), {})
        name = f"{score.set}, {named[score.format]}" if score.format in named else score.set
        by_step[name] = "".join("1" if g.correct else "0" for g in graded)
    teacher = certainty([run / "responses" / name for name in _learnt_from(recipe)])
    chosen = _selected(recipe, results) if "validation" in right else {}
    return Outcome(arm, recipe.seed, 0.0, roles, teacher, right, chosen)


def _selected(recipe: Recipe, results: RunResults) -> dict[str, int]:
    """The step that each rule chooses: as it is used, and by the highest value alone."""
    found = {}
    for form in RULES:
        if form.number != "required":
            for name, errors in ((form.name, 1.0), (f"{form.name}{HIGHEST}", 0.0)):
                try:
                    found[name] = select(
                        results, recipe.evaluation.sets, form.name,
                        format_=recipe.evaluation.formats[0], errors=errors,
                    ).step  # fmt: skip
                except NothingPassedError:
                    continue  # a floor that no checkpoint keeps: the rule chooses none
    return found


def _learnt_from(recipe: Recipe) -> list[str]:
    """The teachers that the objectives learn from; where they have labels alone, every one."""
    named = {name for objective in recipe.objectives for name in objective.teachers}
    return [name for name in recipe.teachers if name in named or not named]


def certainty(stores: Iterable[Path]) -> dict[str, float]:
    """Mean entropy (nats, at least) and tail of the stores' rows; the share of right responses.

    What there is: texts alone have no rows, and labels alone no teacher.
    """
    entropy, tail, right = [], [], []
    for shard in (shard for store in stores for shard in Store.open(store).shards()):
        entropy.append(least_entropy(shard.distributions))
        tail.append(np.exp(shard.distributions.tail))
        right += [bool(response.correct) for response in shard.responses]
    found = {}
    if any(map(len, entropy)):
        found["entropy"] = round(float(np.concatenate(entropy).mean()), 4)
        found["tail"] = round(float(np.concatenate(tail).mean()), 5)
    if right:
        found["right"] = round(float(np.mean(right)), 4)
    return found


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    """The outcomes as JSON, one a line."""
    lines = [_OUTCOMES.dump_json([one]).decode()[1:-1] for one in outcomes]
    write_atomically(path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())


def read(path: Path) -> list[Outcome]:
    """What ``write`` wrote.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        return _OUTCOMES.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no outcomes at {path}; run the experiment first") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path} holds no outcomes: {first['msg']} at {first['loc']}") from None


def gather(runs: Iterable[Path]) -> list[Outcome]:
    """The outcomes of those runs that are finished."""
    return [one for run in runs if (run / OUTCOME).is_file() for one in read(run / OUTCOME)]
