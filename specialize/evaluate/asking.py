"""One model answers what is missing of several sets, and its answers are kept as they come."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

import torch
from transformers import PreTrainedModel

from specialize.artifacts.predictions import Prediction, PredictionFile, prompt_digest
from specialize.config.recipe import Evaluation
from specialize.evaluate.generation import Draws, Generation, Limits, Stop, generate
from specialize.evaluate.grading import grade
from specialize.evaluate.planning import Asked
from specialize.evaluate.shards import Shard
from specialize.evaluate.voting import majority, seed_of
from specialize.io.progress import Advance
from specialize.models.context import context_length
from specialize.rows.prompts import Question, encode
from specialize.students.student import load_model
from specialize.tokens import Tokenizer, load_tokenizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What one model still has to answer of one set in one format.

    ``kept`` holds, by the example's id, the predictions that need not be made again.
    """

    asked: Asked
    file: PredictionFile
    kept: Mapping[str, Prediction]
    shard: Shard = field(default_factory=lambda: Shard(0, 1))

    @property
    def missing(self) -> list[int]:
        return [
            i
            for i, example in enumerate(self.asked.examples)
            if self.shard.has(i) and example.id not in self.kept
        ]


def holding(asked: Asked, predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    """The predictions that answer the very prompts of ``asked``, by id."""
    wanted = {
        example.id: prompt_digest(prompt)
        for example, prompt in zip(asked.examples, asked.prompts, strict=True)
    }
    return {p.id: p for p in predictions if wanted.get(p.id) == p.prompt}


def answer(
    path: Path, parts: Sequence[Work], evaluation: Evaluation, seed: int, advance: Advance
) -> None:
    """Let the model at ``path`` answer all that is missing, sets and formats in common batches.

    A prompt that is longer than the model's context is refused: an empty, wrong prediction.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = load_model(path).eval().to(device), load_tokenizer(path)
    asking, prompts = _fitting(model, tokenizer, parts, advance)
    several = evaluation.samples
    made: dict[int, list[Generation]] = {}
    for batch in generate(
        model,
        [prompt for prompt in prompts for _ in range(several)],
        Limits(evaluation.max_new_tokens, evaluation.batch_tokens),
        draws=_draws(asking, evaluation, seed, tokenizer.size) if several > 1 else None,
        stop=_stop(evaluation.stop, tokenizer),
    ):
        for position, generation in batch:
            made.setdefault(position // several, []).append(generation)
        whole = sorted(position for position, found in made.items() if len(found) == several)
        _keep(
            [
                (*asking[at], _predicted(*asking[at], made.pop(at), evaluation.stop, tokenizer))
                for at in whole
            ]
        )
        advance(len(whole))


def _fitting(
    model: PreTrainedModel, tokenizer: Tokenizer, parts: Sequence[Work], advance: Advance
) -> tuple[list[tuple[Work, int]], list[list[int]]]:
    """What is missing and fits into the model's context, with the ids; the rest is refused."""
    missing = [(part, i) for part in parts for i in part.missing]
    questions = [
        Question(part.asked.prompts[i], part.asked.examples[i].context) for part, i in missing
    ]
    most = min((part.asked.max_prompt_tokens for part in parts), default=1)
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
    _keep([(part, i, replace(_ungraded(part, i), refused=True)) for part, i in refused])
    advance(len(refused))
    return list(compress(missing, fits)), list(compress(prompts, fits))


def _draws(
    asking: Sequence[tuple[Work, int]], evaluation: Evaluation, seed: int, usable: int
) -> Draws:
    """Random numbers for every answer to every question, of its id alone."""
    ids = [part.asked.examples[i].id for part, i in asking]
    seeds = [seed_of(seed, id_, number) for id_ in ids for number in range(evaluation.samples)]
    return Draws(evaluation.temperature, seeds, usable)


def _stop(stops: Sequence[str], tokenizer: Tokenizer) -> Stop | None:
    if not stops:
        return None
    # a token spells at least one byte, but for a few that spell none
    window = max(len(text.encode()) for text in stops) + 8
    return Stop(window, lambda ids: any(text in tokenizer.decode(ids) for text in stops))


def _predicted(
    part: Work,
    i: int,
    made: Sequence[Generation],
    stops: Sequence[str],
    tokenizer: Tokenizer,
) -> Prediction:
    """The answer to example i: the only one, or that of most of several."""
    texts = [_before(tokenizer.decode(each.ids), stops) for each in made]
    chosen = majority(texts, part.asked.kind) if len(texts) > 1 else 0
    return replace(
        _ungraded(part, i),
        text=texts[chosen],
        finished=made[chosen].finished,
        tokens=sum(len(each.ids) for each in made),
        samples=tuple(texts) if len(texts) > 1 else (),
    )


def _before(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first of the stops in it."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


def _ungraded(part: Work, i: int) -> Prediction:
    """An empty prediction for example i."""
    example, prompt = part.asked.examples[i], part.asked.prompts[i]
    return Prediction(
        id=example.id,
        prompt=prompt_digest(prompt),
        text="",
        answer=None,
        gold=example.answer,
        correct=False,
        finished=False,
        tokens=0,
    )


def _keep(answered: Sequence[tuple[Work, int, Prediction]]) -> None:
    """Grade predictions and append them to the files of their sets."""
    by_file: dict[PredictionFile, list[Prediction]] = {}
    for part, i, prediction in answered:
        graded = grade(prediction, part.asked.examples[i], part.asked.kind)
        by_file.setdefault(part.file, []).append(graded)
    for file, predictions in by_file.items():
        file.append(predictions)
