"""The stage: checkpoints answer evaluation sets; predictions and scores go into the run.

    evaluate(recipe, run)                                    every checkpoint, validation splits
    evaluate(recipe, run, checkpoints=[chosen], split="test", with_teachers=True)

What was predicted before and still holds is not asked again: an interrupted evaluation goes on
where it stopped, and one with nothing to ask loads no model. At the end ``scores.jsonl`` is
rewritten from all predictions of the run that hold. Each file is read, and graded, at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from specialize.artifacts.predictions import PredictionFile, prediction_files, write_questions
from specialize.artifacts.results import RunResults
from specialize.artifacts.scores import CheckpointScore
from specialize.config.recipe import Recipe
from specialize.datasets.recipe_sets import Split
from specialize.errors import InputError
from specialize.evaluate.grading import score, settings_of
from specialize.evaluate.planning import EvaluationPlan, PromptedSet, asked_of
from specialize.evaluate.shards import begun_parts, forget_parts, shard_lock
from specialize.evaluate.sheets import AnswerSheet
from specialize.evaluate.subjects import Subject, run_subjects, subject, teachers
from specialize.io.part import Part
from specialize.io.progress import progress
from specialize.students import checkpoints as checkpoints_of
from specialize.students.checkpoints import Checkpoint


def evaluate(
    recipe: Recipe,
    run: Path,
    *,
    checkpoints: Sequence[Checkpoint] | None = None,
    split: Split = "validation",
    shard: Part | None = None,
    ask: bool = True,
    divide: Callable[[], object] | None = None,
    with_teachers: bool = False,
    results: RunResults | None = None,
) -> list[CheckpointScore]:
    """Let checkpoints answer every set of the recipe in every format.

    Args:
        run: the run's directory; receives ``predictions/`` and ``scores.jsonl``.
        checkpoints: which to ask; None: the student before training and every complete one but
            those that an interruption left.
        shard: answer only these examples, into files of the shard's own, and score nothing.
        ask: answer what is missing; else only what shards answered is put together.
        divide: is called where answers are missing, to have every shard answered.
        with_teachers: ask the recipe's teachers that are models too, as ``teacher-<name>``.
        results: receives the scores and grades; later stages of the same process read them there.

    Returns:
        The scores of those asked, by step, set and format; teachers last; none of a shard.

    Raises:
        LockedError: another job answers the shard, or, without one, is still at any.
        InputError: answers are missing and none are to be asked for; names the shards.
    """
    asked = run_subjects(recipe, run, checkpoints)
    if with_teachers:
        asked += teachers(recipe)
    if shard is not None:
        with shard_lock(run, split, shard):
            _ask(_open_all(recipe, run, asked, EvaluationPlan(recipe), split, shard), recipe, split)
        return []
    parts = begun_parts(run, split)
    if divide is not None and _missing(recipe, run, asked, split):
        divide()
    scores = _evaluate(recipe, results or RunResults(run), asked, split, None if ask else parts)
    forget_parts(run, split)
    return scores


def evaluate_model(
    recipe: Recipe, run: Path, model: str | Path, *, label: str, step: int, split: Split
) -> list[CheckpointScore]:
    """The same for any model directory, GGUF file or hub id, causal or encoder-decoder.

    Args:
        recipe: whose evaluation sets and formats are asked.
        run: the directory that receives predictions and scores.
        model: a directory, GGUF file or hub id.
        label: the name by which its files are called.
        step: optimizer steps of its training.
        split: validation or test.
    """
    return _evaluate(recipe, RunResults(run), [subject(model, label, step)], split, None)


class _Asking(NamedTuple):
    """A model and its sheets, one for each set and format."""

    model: Path
    sheets: list[AnswerSheet]


def _evaluate(
    recipe: Recipe,
    results: RunResults,
    subjects: Sequence[Subject],
    split: Split,
    parts: Sequence[Part] | None,
) -> list[CheckpointScore]:
    """Answer what is missing, or, where there are ``parts`` of jobs, refuse that there is any."""
    plan = EvaluationPlan(recipe)
    asking = _open_all(recipe, results.run, subjects, plan, split, None)
    sheets = [sheet for each in asking for sheet in each.sheets]
    if parts is None:
        _ask(asking, recipe, split)
    else:
        _refuse_missing(sheets, parts)
    _settle(recipe, results, plan, sheets, subjects)
    labels = [who.label for who in subjects]
    found = [s for s in results.scores if s.split == split and s.checkpoint in labels]
    return sorted(found, key=lambda score: labels.index(score.checkpoint))


def _open_all(
    recipe: Recipe,
    run: Path,
    subjects: Sequence[Subject],
    plan: EvaluationPlan,
    split: Split,
    shard: Part | None,
) -> list[_Asking]:
    """Every model's sheets; the questions are kept beside them."""
    for prompted in {each.spec.label: each for each in plan.of(split)}.values():
        write_questions(run, prompted.spec.label, split, prompted.examples)
    return [
        _Asking(who.model, [_open(who, each, run, recipe, shard) for each in plan.of(split)])
        for who in subjects
    ]


def _missing(recipe: Recipe, run: Path, subjects: Sequence[Subject], split: Split) -> bool:
    """Whether there is anything to ask; what shards have answered is taken over first."""
    asking = _open_all(recipe, run, subjects, EvaluationPlan(recipe), split, None)
    return any(sheet.missing for each in asking for sheet in each.sheets)


def _refuse_missing(sheets: Sequence[AnswerSheet], parts: Sequence[Part]) -> None:
    missing = [(sheet, i) for sheet in sheets for i in sheet.missing]
    if not missing:
        return
    first, _ = missing[0]
    counts = {part.count for part in parts}
    of = sorted({str(Part(i % count, count)) for _, i in missing for count in counts})
    said = f"of shard {', '.join(of)}; run each again" if of else "; no shard was run"
    raise InputError(
        f"{len(missing)} answers are missing, the first of {first.settings.checkpoint} to "
        f"{first.settings.set} ({first.settings.format}), {said} (specialize evaluate --shard), or "
        f"evaluate without one"
    )


def _ask(asking: Sequence[_Asking], recipe: Recipe, split: Split) -> None:
    """Let every model answer what is missing on its sheets."""
    sheets = [sheet for each in asking for sheet in each.sheets]
    missing = sum(len(sheet.missing) for sheet in sheets)
    total = sum(len(sheet.prompted.examples) // sheet.shard.count for sheet in sheets)
    with progress(f"evaluate ({split})", total, done=max(0, total - missing)) as advance:
        if not missing:
            return
        from specialize.evaluate.asking import answer

        for model, own in asking:
            if any(sheet.missing for sheet in own):
                answer(model, own, recipe.evaluation, recipe.seed, advance)


def _open(
    who: Subject, prompted: PromptedSet, run: Path, recipe: Recipe, shard: Part | None
) -> AnswerSheet:
    """A file of predictions, ready to be added to, with those that still hold."""
    prompted = asked_of(prompted, who.label, recipe)
    file = PredictionFile.of(run, who.label, prompted.spec.label, prompted.split, prompted.format)
    settings = settings_of(prompted, who.label, who.step, who.digest, recipe)
    sheet = AnswerSheet.read(file, settings, prompted, found=file.settings())
    if shard is not None:
        sheet = sheet.of_shard(shard)
    sheet.begin()
    return sheet


def _settle(
    recipe: Recipe,
    results: RunResults,
    plan: EvaluationPlan,
    asked: Sequence[AnswerSheet],
    subjects: Sequence[Subject],
) -> None:
    """Score every complete sheet of the run: those just asked, and what earlier calls left."""
    done = {sheet.file.path for sheet in asked}
    others = [file for file in prediction_files(results.run) if file.path not in done]
    scores = []
    for sheets in (asked, _kept(recipe, results.run, plan, others, subjects)):
        for sheet in sheets:
            predictions = sheet.settle()
            if predictions is not None:
                results.keep(sheet.file, predictions)
                scores.append(score(sheet.settings, predictions))
    order = {spec.label: i for i, spec in enumerate(recipe.evaluation.sets)}
    formats = recipe.evaluation.formats
    scores.sort(
        key=lambda s: (s.step, s.checkpoint, s.split, order[s.set], formats.index(s.format))
    )
    results.replace_scores(scores)


def _kept(
    recipe: Recipe,
    run: Path,
    plan: EvaluationPlan,
    files: Sequence[PredictionFile],
    subjects: Sequence[Subject],
) -> Iterable[AnswerSheet]:
    """The sheets of other files that hold for the recipe, one at a time."""
    digests = {who.label: who.digest for who in subjects}
    unknown = [c for c in checkpoints_of.complete(run) if c.name not in digests]
    digests |= {who.label: who.digest for who in run_subjects(recipe, run, unknown)}
    for file in files:
        found = file.settings()
        if found is None:
            continue
        split: Split = "test" if found.split == "test" else "validation"
        fitting = [
            each
            for each in plan.of(split)
            if (each.spec.label, each.format) == (found.set, found.format)
        ]
        for prompted in fitting:
            model = digests.get(found.checkpoint, found.model)
            present = settings_of(prompted, found.checkpoint, found.step, model, recipe)
            if present.permits_reuse_of(found):
                own = asked_of(prompted, found.checkpoint, recipe)
                yield AnswerSheet.read(file, present, own, found=found)
