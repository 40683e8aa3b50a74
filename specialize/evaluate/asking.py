"""One model answers what is missing of several sets, and its answers are kept as they come."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path

import torch
from transformers import PreTrainedModel

from specialize.artifacts.predictions import Prediction
from specialize.config.recipe import Evaluation
from specialize.evaluate.generation import Draws, Generation, Limits, Stop, generate
from specialize.evaluate.grading import grade
from specialize.evaluate.sheets import AnswerSheet
from specialize.evaluate.voting import majority, seed_of
from specialize.io.progress import Advance
from specialize.models.context import context_length
from specialize.rows.prompts import Question, encode
from specialize.students.ends import stop_at_all_ends
from specialize.students.student import load_model
from specialize.tokens import Tokenizer, load_tokenizer

_log = logging.getLogger(__name__)


def answer(
    path: Path, sheets: Sequence[AnswerSheet], evaluation: Evaluation, seed: int, advance: Advance
) -> None:
    """Let the model at ``path`` answer all that is missing, sets and formats in common batches.

    A prompt that is longer than the model's context is refused: an empty, wrong prediction.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = load_model(path).eval().to(device), load_tokenizer(path)
    stop_at_all_ends(model, tokenizer)
    asking, prompts = _fitting(model, tokenizer, sheets, advance)
    several = evaluation.samples
    made: dict[int, list[Generation]] = {}
    for batch in generate(
        model,
        [prompt for prompt in prompts for _ in range(several)],
        Limits(evaluation.max_new_tokens, evaluation.batch_tokens),
        draws=_draws(asking, evaluation, seed, tokenizer.size) if several > 1 else None,
        stop=_stop(evaluation.until, tokenizer),
    ):
        for position, generation in batch:
            made.setdefault(position // several, []).append(generation)
        whole = sorted(position for position, found in made.items() if len(found) == several)
        _keep(
            [
                (*asking[at], _predicted(*asking[at], made.pop(at), evaluation.until, tokenizer))
                for at in whole
            ]
        )
        advance(len(whole))


def _fitting(
    model: PreTrainedModel, tokenizer: Tokenizer, sheets: Sequence[AnswerSheet], advance: Advance
) -> tuple[list[tuple[AnswerSheet, int]], list[list[int]]]:
    """What is missing and fits into the model's context, with the ids; the rest is refused."""
    missing = [(sheet, i) for sheet in sheets for i in sheet.missing]
    questions = [
        Question(sheet.prompted.prompts[i], sheet.prompted.examples[i].context)
        for sheet, i in missing
    ]
    most = min((sheet.prompted.max_prompt_tokens for sheet in sheets), default=1)
    eos = bool(model.config.is_encoder_decoder)
    fitted = list(encode(questions, tokenizer, most=most, eos=eos))
    if cut := sum(one.cut for one in fitted):
        _log.warning("%d prompts lost words of their context, to have %d tokens", cut, most)
    prompts = [one.ids.tolist() for one in fitted]
    context = context_length(model.config) or sys.maxsize
    # a causal model needs room for what it writes
    longest = context if model.config.is_encoder_decoder else context - 1
    fits = [len(prompt) <= longest for prompt in prompts]
    refused = [one for one, fit in zip(missing, fits, strict=True) if not fit]
    _keep([(sheet, i, replace(_ungraded(sheet, i), refused=True)) for sheet, i in refused])
    advance(len(refused))
    return list(compress(missing, fits)), list(compress(prompts, fits))


def _draws(
    asking: Sequence[tuple[AnswerSheet, int]], evaluation: Evaluation, seed: int, usable: int
) -> Draws:
    """Random numbers for every answer to every question, of its id alone."""
    ids = [sheet.prompted.examples[i].id for sheet, i in asking]
    seeds = [seed_of(seed, id_, number) for id_ in ids for number in range(evaluation.samples)]
    return Draws(evaluation.temperature, seeds, usable)


def _stop(stops: Sequence[str], tokenizer: Tokenizer) -> Stop | None:
    if not stops:
        return None
    # a token spells at least one byte, but for a few that spell none
    window = max(len(text.encode()) for text in stops) + 8
    return Stop(window, lambda ids: any(text in tokenizer.decode(ids) for text in stops))


def _predicted(
    sheet: AnswerSheet,
    i: int,
    made: Sequence[Generation],
    stops: Sequence[str],
    tokenizer: Tokenizer,
) -> Prediction:
    """The answer to example i: the only one, or that of most of several."""
    texts = [_before(tokenizer.decode(each.ids), stops) for each in made]
    chosen = majority(texts, sheet.prompted.kind) if len(texts) > 1 else 0
    return replace(
        _ungraded(sheet, i),
        text=texts[chosen],
        finished=made[chosen].finished,
        tokens=sum(len(each.ids) for each in made),
        samples=tuple(texts) if len(texts) > 1 else (),
    )


def _before(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first of the stops in it."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


def _ungraded(sheet: AnswerSheet, i: int) -> Prediction:
    """An empty prediction for example i."""
    example = sheet.prompted.examples[i]
    return Prediction(
        id=example.id,
        prompt=sheet.prompted.prompt_digests[i],
        text="",
        answer=None,
        gold=example.answer,
        correct=False,
        finished=False,
        tokens=0,
    )


def _keep(answered: Sequence[tuple[AnswerSheet, int, Prediction]]) -> None:
    """Grade predictions and add them to their sheets."""
    by_file: dict[Path, tuple[AnswerSheet, dict[str, Prediction]]] = {}
    for sheet, i, prediction in answered:
        example = sheet.prompted.examples[i]
        _, graded = by_file.setdefault(sheet.file.path, (sheet, {}))
        graded[example.id] = grade(prediction, example, sheet.prompted.kind)
    for sheet, graded in by_file.values():
        sheet.add(graded)
