"""Decoding of many prompts: sorted by length, in batches that shrink as rows end.

    prompts [[12, 7, 1], [9, 1], ...]  ->  (1, Generation(ids=(55, 8), finished=True)), ...

Token for token what ``generate(do_sample=False)`` gives one prompt at a time, faster: prompts of
one length share a batch, a row leaves the batch soon after its end (so that the last long answers
are not paid for by all), and the loop holds nothing but the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from specialize.evaluate.t5_decoding import T5Decoding, is_t5
from specialize.models.batches import each_batch
from specialize.models.context import context_length
from specialize.students.ends import generation_ends
from specialize.teacher.local.decode import Decoding, head_groups, start_decoding
from specialize.teacher.local.sample import draw_tokens
from specialize.teacher.protocol import Sampling

# Rows of a batch, at most: on a processor as many as its own cache holds the keys of
MAX_ROWS: Mapping[str, int] = {"cpu": 64, "cuda": 256}
_SHRINK = 0.95  # a batch is packed once at most this share of it still runs


@dataclass(frozen=True, slots=True)
class Generation:
    """The new tokens of one prompt, without its end; ``finished``: the model ended by itself."""

    ids: tuple[int, ...]
    finished: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer and how large a batch may be."""

    max_new_tokens: int
    batch_tokens: int  # padded prompt tokens of a batch

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.batch_tokens < 1:
            raise ValueError(
                f"max_new_tokens = {self.max_new_tokens} and batch_tokens = {self.batch_tokens} "
                f"must be at least 1"
            )


@dataclass(frozen=True, slots=True)
class Draws:
    """Answers are drawn, each from its own random numbers, instead of being the most probable."""

    temperature: float
    seeds: Sequence[int]  # one for every prompt
    usable: int  # ids from here on have no token


@dataclass(frozen=True, slots=True)
class Stop:
    """Says by the last ``window`` new tokens of an answer whether it has come to its end."""

    window: int
    ended: Callable[[Sequence[int]], bool]


def end_tokens(model: PreTrainedModel) -> frozenset[int]:
    """The ids at which ``generate`` stops.

    Raises:
        ValueError: the model's configuration names no end of sequence.
    """
    ends = generation_ends(model)
    if not ends:
        raise ValueError("the model has no end-of-sequence token in its configuration")
    return frozenset(ends)


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    limits: Limits,
    *,
    draws: Draws | None = None,
    stop: Stop | None = None,
) -> Iterator[list[tuple[int, Generation]]]:
    """Answer every prompt, longest prompts first, greedily unless there are ``draws``.

    Args:
        model: in evaluation mode, encoder-decoder or causal, on the device to use.
        prompts: token ids, none empty, each shorter than ``context_length(model.config)``.

    Yields:
        Per batch, the positions in ``prompts`` with their generations.
    """
    ends = torch.tensor(sorted(end_tokens(model)), device=model.device)
    lengths = [len(prompt) for prompt in prompts]
    context = context_length(model.config)
    room = [_room(model, context, length, limits.max_new_tokens) for length in lengths]
    groups = [0] * len(prompts) if model.config.is_encoder_decoder else head_groups(prompts)
    most = MAX_ROWS.get(model.device.type, 256)
    batches = list(_batches(lengths, room, groups, limits.batch_tokens, most))

    def answered(number: int) -> list[Generation]:
        batch = batches[number]
        choose = _Chooser(draws, batch, room[batch[0]], model.device)
        rows = _Rows(len(batch), ends, room[batch[0]], stop)
        with torch.inference_mode():
            _decode(_start(model, [prompts[i] for i in batch]), rows, choose)
        return rows.generations()

    for number, made in each_batch(model, answered, len(batches)):
        yield list(zip(batches[number], made, strict=True))


def _room(model: PreTrainedModel, context: int | None, length: int, max_new_tokens: int) -> int:
    """How many tokens may follow a prompt of ``length``."""
    if context is None:
        return max_new_tokens
    left = context if model.config.is_encoder_decoder else context - length
    if left < 1 or length > context:
        raise ValueError(f"a prompt of {length} tokens leaves no room in a context of {context}")
    return min(left, max_new_tokens)


def _batches(
    lengths: Sequence[int],
    room: Sequence[int],
    groups: Sequence[int],
    batch_tokens: int,
    max_rows: int,
) -> Iterator[list[int]]:
    """Positions by group, long prompts first, so that rows x longest stays in the budget.

    Prompts of a batch have equal room for what follows, so that none is cut short for another.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (groups[i], -lengths[i])):
        if batch:
            first = batch[0]
            full = len(batch) >= min(max_rows, batch_tokens // lengths[first])
            if full or room[i] != room[first] or groups[i] != groups[first]:
                yield batch
                batch = []
        batch.append(i)
    if batch:
        yield batch


def _decode(decoding: Decoding, rows: _Rows, choose: _Chooser) -> None:
    """One batch, one token of every row at a time."""
    while True:
        token = choose(decoding.logits, rows.place)
        rows.take(token)
        if rows.done:
            return
        keep = rows.shrink()
        if keep is not None:
            token = token[keep]
            decoding.keep(keep)
        decoding.advance(token)


def _start(model: PreTrainedModel, prompts: list[Sequence[int]]) -> Decoding:
    """The fastest decoding that knows this kind of model."""
    if is_t5(model):
        return T5Decoding(model, prompts)
    return start_decoding(model, prompts, [1] * len(prompts))


class _Chooser:
    """The next token of every row: the most probable, or one that the row's own numbers draw."""

    def __init__(
        self, draws: Draws | None, batch: Sequence[int], steps: int, device: torch.device
    ) -> None:
        self.draws, self.step = draws, 0
        if draws is not None:
            each = [np.random.default_rng(draws.seeds[i]).random(steps) for i in batch]
            self.numbers = torch.tensor(np.stack(each), device=device)
            self.sampling = Sampling(steps, draws.temperature)

    def __call__(self, logits: Tensor, place: Tensor) -> Tensor:
        """(rows,) from logits (rows, V); ``place`` has every row's place in the batch."""
        if self.draws is None:
            return _largest(logits)
        numbers = self.numbers[place.to(logits.device), self.step]
        self.step += 1
        return draw_tokens(logits[:, : self.draws.usable], numbers, self.sampling)


def _largest(logits: Tensor) -> Tensor:
    """(rows,) the id of each row's largest logit, the first of several."""
    if logits.device.type != "cpu" or logits.dtype != torch.float32:
        return logits.argmax(-1)
    # on a processor torch's takes 6 to 12 times as long, from 600 to 50,257 ids
    return torch.from_numpy(logits.numpy().argmax(-1))


class _Rows:
    """The rows of a batch that still run, and what all of them wrote."""

    def __init__(self, count: int, ends: Tensor, max_new_tokens: int, stop: Stop | None) -> None:
        self.written = torch.zeros(count, max_new_tokens, dtype=torch.long)
        self.lengths = [max_new_tokens] * count
        self.finished = [False] * count
        self.ends, self.step, self.limit, self.stop = ends, 0, max_new_tokens, stop
        self.place = torch.arange(count)  # of every row in the batch: its place in ``written``
        self.running = torch.ones(count, dtype=torch.bool)

    def take(self, tokens: Tensor) -> None:
        """Note one new token (rows,) of every row in the batch."""
        tokens_here = tokens.cpu()
        self.written[self.place, self.step] = tokens_here
        ended = torch.isin(tokens, self.ends).cpu() & self.running
        for row in self.place[ended].tolist():
            self.lengths[row], self.finished[row] = self.step, True
        self.running &= ~ended
        self.step += 1
        if self.stop is not None:
            self._stop(self.stop)

    def _stop(self, stop: Stop) -> None:
        """End the rows that wrote a text after which nothing counts."""
        recent = self.written[self.place, max(0, self.step - stop.window) : self.step].tolist()
        for i, row in enumerate(self.place.tolist()):
            if self.running[i] and stop.ended(recent[i]):
                self.lengths[row], self.finished[row] = self.step, True
                self.running[i] = False

    @property
    def done(self) -> bool:
        return self.step == self.limit or not bool(self.running.any())

    def shrink(self) -> Tensor | None:
        """Positions in the batch to go on with, once enough rows have ended; else None."""
        if int(self.running.sum()) > _SHRINK * len(self.running):
            return None
        keep = self.running.nonzero().squeeze(1)
        self.place, self.running = self.place[keep], self.running[keep]
        return keep.to(self.ends.device)

    def generations(self) -> list[Generation]:
        rows = self.written.tolist()
        return [
            Generation(tuple(row[:length]), finished)
            for row, length, finished in zip(rows, self.lengths, self.finished, strict=True)
        ]
