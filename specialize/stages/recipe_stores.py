"""What a run learns from: the responses of its teachers, and their targets for its student.

make_stores(recipe, run)                                        all, in this process
make_stores(recipe, run, engine=Engine(processes=4))            all, in four
make_stores(recipe, run, last="responses", part=Part(3, 16))    one job's part, for merge_store
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from specialize import datasets
from specialize.config.recipe import Recipe
from specialize.datasets.given_texts import texts_to_score
from specialize.datasets.recipe_sets import training_examples
from specialize.engines import HERE, Engine
from specialize.errors import ConfigurationError
from specialize.formats import DemonstrationPool
from specialize.io.part import Part
from specialize.io.times import timed
from specialize.stages.consistency import check_consistency
from specialize.stages.reuse import why_responses_differ
from specialize.stages.stores import is_divided, opened_for, written_in_parts
from specialize.store import Store, place_of
from specialize.targets.stage import write_targets
from specialize.teacher.dump import dump

StoreKind = Literal["responses", "targets"]


def make_stores(
    recipe: Recipe,
    run: Path,
    *,
    last: StoreKind = "targets",
    part: Part | None = None,
    engine: Engine = HERE,
) -> dict[str, object]:
    """Dump every teacher that is a model, and align what the objectives learn from.

    A teacher that has answered everything is not loaded again.

    Args:
        recipe, run: the run's recipe and directory.
        last: ``responses`` stops before they are aligned.
        part: what this job writes of the stores of kind ``last``; earlier ones must be whole.
        engine: what writes all parts at once.

    Returns:
        How many positions each store has, or this part of it, by its place in the run.

    Raises:
        ConfigurationError: a teacher is neither a model nor an imported store, or not the one that
            it must be consistent with; or the responses that a part would align are not whole.
    """
    wanted = {name for objective in recipe.objectives for name in objective.teachers}
    places = []
    for name, teacher in recipe.teachers.items():
        responses, targets = run / "responses" / name, run / "targets" / name
        if teacher.model is not None:
            with timed(run, f"dump {name}"):
                places.append(_dump(recipe, name, run, part, engine, last))
        elif not responses.is_dir() and not targets.is_dir() and name in wanted:
            raise ConfigurationError(
                f"teacher {name!r} has no model, and there is no store at {responses}; name a "
                f"model, or import its responses there (specialize import)"
            )
        if last == "targets" and responses.is_dir():
            check_consistency(recipe, run, name, Store.open(responses).description)
            if name in wanted:
                with timed(run, f"align {name}"):
                    places.append(_align(recipe, name, run, part, engine))
    stores = {place: Store.open(place, allow_partial=True) for place in places}
    return {str(place.relative_to(run)): store.positions for place, store in stores.items()}


def _dump(
    recipe: Recipe, name: str, run: Path, part: Part | None, engine: Engine, last: StoreKind
) -> Path:
    """The store of a teacher's responses, written where it is not yet complete."""
    responses = run / "responses" / name
    training = training_examples(recipe)
    if responses.is_dir() and why_responses_differ(recipe, name, responses, training) is None:
        return responses
    if part is not None and last == "targets":
        raise ConfigurationError(
            f"part {part} of the targets needs all responses, and {responses} is not finished; "
            f"write those first (--only responses), and merge their parts (specialize merge)"
        )
    if is_divided(responses, engine):
        write = partial(_dump_part, recipe, name, run)
        written_in_parts(responses, write, engine, on_gpu=True)
        return responses
    return _dump_part(recipe, name, run, part)


def _dump_part(recipe: Recipe, name: str, run: Path, part: Part | None) -> Path:
    teacher, training = recipe.teachers[name], training_examples(recipe)
    place = place_of(run / "responses" / name, part)
    with opened_for(teacher, place, part) as opened:
        check_consistency(recipe, run, name, opened.description)
        dump(
            opened,
            training.questions,
            run / "responses" / name,
            teacher,
            pool=DemonstrationPool(training.examples),
            kind=datasets.kind_of(recipe.train_on.set),
            seed=recipe.seed,
            part=part,
            texts=texts_to_score(teacher, training.questions),
        )
    return place


def _align(recipe: Recipe, name: str, run: Path, part: Part | None, engine: Engine) -> Path:
    targets = run / "targets" / name
    if is_divided(targets, engine):
        write = partial(_align_part, recipe, name, run, engine.threads)
        written_in_parts(targets, write, engine, on_gpu=False)
        return targets
    return _align_part(recipe, name, run, None, part)


def _align_part(
    recipe: Recipe, name: str, run: Path, threads: int | None, part: Part | None
) -> Path:
    write_targets(
        run / "responses" / name,
        run / "targets" / name,
        student=recipe.student,
        policy=recipe.alignment.policy,
        top_k=recipe.alignment.top_k,
        temperature=recipe.row_temperature(name),
        threads=threads,
        part=part,
    )
    return place_of(run / "targets" / name, part)
