"""Examples, objectives and target stores -> rows.

Per objective of the recipe: ``answer`` gives one hard row per example (its gold target in the
objective's format) or, with a teacher, per response that has an answer; ``rationale`` one hard row
per kept response, ``solution`` the same followed by the teacher's answer, ``distribution`` one
row per kept response with the teacher's projected distributions, or with those of several teachers
averaged. An example for which a teacher has nothing simply has no row there: it is masked.

Stores are gone through once, and what a row needs is noted (``KeptRows``); distributions are read
when a row is, unless its length depends on them (thinking, a filter, several teachers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from specialize.config.recipe import Objective, Recipe
from specialize.errors import ConfigurationError, NothingPassedError
from specialize.io.cores import usable_cores
from specialize.records import Example
from specialize.rows.ids import Ids
from specialize.rows.kept import KeptRows, ObjectiveRows, digest_of
from specialize.rows.objectives import ObjectiveTargets
from specialize.rows.prompts import encode, prompts_of
from specialize.rows.row import RowSet
from specialize.rows.saved import (
    GIVEN,
    PROMPTS,
    FoundRows,
    keep,
    key_of,
    reopened_rows,
    sole_writer,
)
from specialize.store import Store
from specialize.tokens import Tokenizer


def build_rows(
    recipe: Recipe,
    examples: Sequence[Example],
    stores: Mapping[str, Store],
    tokenizer: Tokenizer,
    *,
    encoder_decoder: bool,
    unlabelled: Sequence[Example] = (),
    folder: Path | None = None,
) -> RowSet:
    """Every row that the recipe trains on.

    Args:
        recipe: names objectives, limits and the seed.
        examples: those that may be trained on and shown; nothing held out.
        stores: target stores by teacher, in the vocabulary of ``tokenizer``.
        tokenizer: the student's.
        encoder_decoder: prompts then end with the end of sequence, as T5 was trained; else the
            target follows the prompt in one text.
        unlabelled: further questions, for the teachers' answers and rationales alone.
        folder: keeps what was found for the next call; None: memory does.

    Raises:
        ConfigurationError: the tokenizer has no end of sequence, or too few demonstrations.
        NothingPassedError: an objective is left without rows, and does not say ``missing: mask``.
        StoreError: a store is damaged, or has ids that the tokenizer has not.
        DiskFullError: ``folder`` has no room.
    """
    targets = targets_of(
        recipe, examples, stores, tokenizer, encoder_decoder=encoder_decoder, unlabelled=unlabelled
    )
    return rows_of(targets, folder)


def targets_of(
    recipe: Recipe,
    examples: Sequence[Example],
    stores: Mapping[str, Store],
    tokenizer: Tokenizer,
    *,
    encoder_decoder: bool,
    unlabelled: Sequence[Example] = (),
) -> ObjectiveTargets:
    """What the objectives of a recipe teach; arguments as of ``build_rows``.

    Raises:
        ConfigurationError: the tokenizer has no end of sequence.
    """
    _refuse_endless(tokenizer)
    asked = (*examples, *unlabelled)
    return ObjectiveTargets(recipe, asked, len(examples), stores, tokenizer, encoder_decoder)


def rows_of(targets: ObjectiveTargets, folder: Path | None) -> RowSet:
    """The rows of all ``targets``; see ``build_rows``."""
    recipe = targets.recipe
    made = _found(targets) if folder is None else _found_once(targets, folder)
    reads = [targets.read(objective, made.given) for objective in recipe.objectives]
    rows = KeptRows(targets.examples, made.parts, reads, made.prompts)
    content = {"prompts": made.prompts.digest, "given": made.given.digest}
    content |= {f"store {name}": digest for name, digest in targets.digests().items()}
    return RowSet(
        objectives=tuple(objective.name for objective in recipe.objectives),
        formats=tuple(objective.format for objective in recipe.objectives),
        rows=rows,
        dropped=made.dropped,
        known=rows.lengths(),
        identity=digest_of(targets.examples, made.parts, content),
    )


def _refuse_endless(tokenizer: Tokenizer) -> None:
    if tokenizer.eos is None:
        raise ConfigurationError(
            f"tokenizer {tokenizer.name} has no end of sequence, so a student could not learn to "
            f"stop; name it in tokenizer_config.json as eos_token"
        )


def _found(targets: ObjectiveTargets, folder: Path | None = None) -> FoundRows:
    """The rows of every objective; ids go to files in ``folder``, or to memory."""
    prompts = Ids(folder and folder / PROMPTS)
    given = Ids(folder and folder / GIVEN)
    parts, dropped = [], {}
    for number, objective in enumerate(targets.recipe.objectives):
        part, lost = _part(targets, number, prompts, given)
        parts.append(part)
        dropped[objective.name] = dict(sorted(lost.items()))
    prompts.finish()
    given.finish()
    return FoundRows(tuple(parts), dropped, prompts, given)


def _found_once(targets: ObjectiveTargets, folder: Path) -> FoundRows:
    """What an earlier call has left in ``folder``, if it was about the same rows."""
    key = key_of(targets)
    with sole_writer(folder):  # of several processes that train together one finds the rows
        found = reopened_rows(folder, key)
        if found is None:
            found = _found(targets, folder)
            keep(found, folder, key)
    return found


def _part(
    targets: ObjectiveTargets, number: int, prompts: Ids, given: Ids
) -> tuple[ObjectiveRows, Counter[str]]:
    """The rows of one objective, and what was left out."""
    recipe, objective = targets.recipe, targets.recipe.objectives[number]
    found, lost = targets.find(objective, given)
    lost = Counter(lost)
    examples, labelled = targets.examples, targets.examples[: targets.labelled]
    keys = zip(found.example.tolist(), found.sample.tolist(), strict=True)
    asked = ((examples[at], sample) for at, sample in keys)
    questions = prompts_of(objective.name, targets.form(objective), labelled, asked, recipe.seed)
    most = recipe.training.max_prompt_tokens
    start, length = np.zeros(len(found), np.int64), np.zeros(len(found), np.int64)
    last, at = None, 0
    encoded = encode(
        questions, targets.tokenizer, most=most, eos=targets.encoder_decoder,
        threads=usable_cores(),
    )  # fmt: skip
    for i, fitted in enumerate(encoded):
        lost["context_cut"] += fitted.cut
        length[i] = len(fitted.ids)
        if length[i] > most:
            lost["prompt_too_long"] += 1
            continue
        if fitted.ids is not last:  # prompts that follow one another are often one
            last, at = fitted.ids, prompts.append(fitted.ids)
        start[i] = at
    kept = length <= most
    if targets.fresh is not None:
        lost.pop("no_response", None)  # other windows may have one
    part = ObjectiveRows(found.take(kept), start[kept], length[kept])
    answered = any(count for reason, count in lost.items() if reason != "no_response")
    # of a window only the whole run can tell, see ``windows.GrowingPlan``
    if targets.fresh is None and (
        objective.missing == "refuse" or answered
    ):  # only a teacher without any response is masked
        _refuse_nothing(objective, len(part), lost)
    return part, lost


def _refuse_nothing(objective: Objective, rows: int, lost: Counter[str]) -> None:
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in lost.items() if count)
        raise NothingPassedError(
            f"objective {objective.name!r} has no row to train on ({reasons or 'no response'}); "
            f"keep: all takes wrong responses too, training.max_prompt_tokens and "
            f"max_target_tokens take longer ones, missing: mask goes on without it"
        )
