"""The stage: checkpoints answer evaluation sets; predictions and scores go into the run.

    evaluate(recipe, run)                                    every checkpoint, validation splits
    evaluate(recipe, run, checkpoints=[chosen], split="test")
    evaluate_teachers(recipe, run, split="test")

What was predicted before and still holds is not asked again: an interrupted evaluation goes on
where it stopped, and a second one loads no model. ``scores.jsonl`` is rewritten from all
predictions that hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from specialize.artifacts.predictions import (
    PredictionFile,
    Settings,
    prediction_files,
    write_questions,
)
from specialize.artifacts.scores import CheckpointScore, write_scores
from specialize.config.recipe import Recipe
from specialize.datasets.recipe_sets import Split
from specialize.evaluate.asking import Work, answer, holding
from specialize.evaluate.grading import grade, score, settings_of
from specialize.evaluate.planning import Asked, plan_evaluation
from specialize.evaluate.shards import Shard
from specialize.evaluate.subjects import Subject, run_subjects, subject, teachers
from specialize.io.progress import progress
from specialize.students import checkpoints as checkpoints_of
from specialize.students.checkpoints import Checkpoint


def evaluate(
    recipe: Recipe,
    run: Path,
    *,
    checkpoints: Sequence[Checkpoint] | None = None,
    split: Split = "validation",
    shard: Shard | None = None,
) -> list[CheckpointScore]:
    """Let checkpoints answer every set of the recipe in every format.

    Args:
        run: the run's directory; receives ``predictions/`` and ``scores.jsonl``.
        checkpoints: whom to ask; None: the student before training and every complete checkpoint.
        shard: answer only these examples, into files of the shard's own, and score nothing.

    Returns:
        The scores of those asked, by step, set and format; none of a shard.
    """
    return _evaluate(recipe, run, run_subjects(recipe, run, checkpoints), split, shard)


def evaluate_teachers(
    recipe: Recipe, run: Path, *, split: Split, shard: Shard | None = None
) -> list[CheckpointScore]:
    """The same for the recipe's teachers that are models; their labels are ``teacher-<name>``."""
    return _evaluate(recipe, run, teachers(recipe), split, shard)


def evaluate_model(
    recipe: Recipe, run: Path, model: str | Path, *, label: str, step: int, split: Split
) -> list[CheckpointScore]:
    """The same for any model directory or hub id, causal or encoder-decoder."""
    return _evaluate(recipe, run, [subject(model, label, step)], split, None)


def _evaluate(
    recipe: Recipe, run: Path, subjects: Sequence[Subject], split: Split, shard: Shard | None
) -> list[CheckpointScore]:
    plan = plan_evaluation(recipe, split)
    for asked in plan:
        write_questions(run, asked.spec.label, split, asked.examples)
    work = [(who, [_open(who, asked, run, recipe, shard) for asked in plan]) for who in subjects]
    total = (
        sum(len(asked.examples) for asked in plan) * len(subjects) // (shard or Shard(0, 1)).count
    )
    missing = sum(len(part.missing) for _, parts in work for part in parts)
    with progress(f"evaluate ({split})", total, done=max(0, total - missing)) as advance:
        for who, parts in work:
            if any(part.missing for part in parts):
                answer(who.model, parts, recipe.evaluation, recipe.seed, advance)
    if shard is not None:
        return []
    labels = [who.label for who in subjects]
    scores = refresh_scores(recipe, run)
    return [s for s in scores if s.split == split and s.checkpoint in labels]


def _open(who: Subject, asked: Asked, run: Path, recipe: Recipe, shard: Shard | None) -> Work:
    """Open a file of predictions and see which of them still hold."""
    file = PredictionFile.of(run, who.label, asked.spec.label, asked.split, asked.format)
    settings = settings_of(asked, who.label, who.step, who.digest, recipe)
    if shard is None:
        file.start(settings)
        file.take_shards(settings)
        return Work(asked, file, holding(asked, file.read()))
    own, before = file.of_shard(shard.suffix), file.settings()
    known = file.read() if before is not None and settings.permits_reuse_of(before) else []
    return Work(asked, own, holding(asked, known + own.start(settings)), shard)


def refresh_scores(recipe: Recipe, run: Path) -> list[CheckpointScore]:
    """Rewrite ``scores.jsonl`` from every complete file of predictions that holds for the recipe.

    Files are put into their set's order and graded by the present rules for answers.
    """
    files = [(file, file.settings()) for file in prediction_files(run)]
    known = [(file, settings) for file, settings in files if settings is not None]
    digests = {
        who.label: who.digest for who in run_subjects(recipe, run, checkpoints_of.complete(run))
    }
    plans: dict[str, Mapping[tuple[str, str], Asked]] = {}
    scores = []
    for file, settings in known:
        if settings.split not in plans:
            split: Split = "test" if settings.split == "test" else "validation"
            plans[split] = {(a.spec.label, a.format): a for a in plan_evaluation(recipe, split)}
        asked = plans[settings.split].get((settings.set, settings.format))
        if asked is None:
            continue
        digest = digests.get(settings.checkpoint, settings.model)
        present = settings_of(asked, settings.checkpoint, settings.step, digest, recipe)
        if present.permits_reuse_of(settings):
            scores += _settle(file, present, asked)
    order = {spec.label: i for i, spec in enumerate(recipe.evaluation.sets)}
    formats = recipe.evaluation.formats
    scores.sort(
        key=lambda s: (s.step, s.checkpoint, s.split, order[s.set], formats.index(s.format))
    )
    write_scores(run / "scores.jsonl", scores)
    return scores


def _settle(file: PredictionFile, present: Settings, asked: Asked) -> list[CheckpointScore]:
    """Order and grade a file; its score, or nothing where predictions are missing."""
    found = holding(asked, file.read())
    if len(found) < len(asked.examples):
        return []
    graded = [grade(found[example.id], example, asked.kind) for example in asked.examples]
    file.replace(graded)
    return [score(present, graded)]
