"""Drawing texts: every row has its own random numbers, rows come from the same forward passes.

The token of row i at step t is the one whose cumulative probability, at the sampling temperature,
first exceeds the t-th number of row i's own generator. So a text depends on its prompt and seed,
never on what else is in the batch. The sparse row is read from the same logits before temperature
and nucleus are applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from align.vocabulary import Vocabulary
from specialize.errors import TeacherError
from specialize.teacher.local.decode import start_decoding
from specialize.teacher.local.sparse_rows import (
    SparseRows,
    entry_numbers,
    sparse_rows,
    to_numpy,
)
from specialize.teacher.protocol import Finish, Sampling, ScoredText
from specialize.tokens import Tokenizer

_PATIENCE = 64
_DROP_SHARE = 8  # finished rows leave the batch once they are 1 in 8: leaving copies the rest


@dataclass(frozen=True, slots=True)
class Request:
    """One text to draw: its prompt's ids, its seed, and the most tokens it may have."""

    prompt: tuple[int, ...]
    seed: int
    room: int


@torch.inference_mode()
def sample_batch(
    model: PreTrainedModel, tokenizer: Tokenizer, requests: Sequence[Request], settings: Sampling
) -> list[ScoredText]:
    """Draw one text per request; requests with equal adjacent prompts share its reading."""
    prompts, repeats = _runs([request.prompt for request in requests])
    decoding = start_decoding(model, prompts, repeats)
    record = _Record(requests, settings, tokenizer, decoding.logits)
    while True:
        tokens = record.draw(decoding.logits)
        still = record.take(tokens)
        if still is None:
            decoding.advance(tokens)
            continue
        if not len(still):
            return record.texts()
        decoding.keep(still)
        decoding.advance(tokens[still])


class _Record:
    """What a batch has written so far, and which of its rows are done.

    ``rows`` are the batch rows that still decode, some of which may be done already: they leave
    together, because leaving copies the cache.
    """

    def __init__(
        self, requests: Sequence[Request], settings: Sampling, tokenizer: Tokenizer, logits: Tensor
    ) -> None:
        count, steps = len(requests), max(request.room for request in requests)
        self.settings, self.tokenizer, self.device = settings, tokenizer, logits.device
        self.ends = [end for end in tokenizer.ends if end < logits.shape[-1]]
        self.stops = _Stops(tokenizer, settings.until)
        self.closing: set[int] = set()  # rows whose text is over: only the end's row is to come
        steps += settings.until is not None
        self.room = np.array([request.room for request in requests])
        self.uniforms = torch.tensor(_uniforms(requests, steps), device=self.device)
        self.rows = torch.arange(count, device=self.device)
        self.finish: list[Finish | None] = [None] * count
        self.length = np.zeros(count, np.int64)
        self.step = 0
        width, device = settings.slots, self.device
        if settings.draws is None:
            width = min(width, logits.shape[-1])
        self.usable = min(tokenizer.size, logits.shape[-1])
        self.tokens = np.zeros((count, steps), np.int32)
        self.sparse = SparseRows(
            token_logprobs=torch.zeros(count, steps, device=device),
            ids=torch.zeros(count, steps, width, dtype=torch.int32, device=device),
            logprobs=torch.zeros(count, steps, width, device=device),
            tails=torch.zeros(count, steps, device=device),
            tempered_tails=torch.zeros(
                count, steps, len(settings.tail_temperatures), device=device
            ),
        )
        end_steps = steps if self.ends and settings.until is not None else 0
        self.end_ids = torch.zeros(count, end_steps, dtype=torch.int32, device=device)
        self.end_logprobs = torch.zeros(count, end_steps, device=device)
        numbers = [entry_numbers(r.seed, steps, settings) for r in requests]
        drawn = [array for array in numbers if array is not None]
        self.numbers = torch.tensor(np.stack(drawn), device=device) if drawn else None

    def draw(self, logits: Tensor) -> Tensor:
        """The next token of every present row; its sparse row is kept."""
        at = (self.rows, self.step)
        tokens = draw_tokens(logits[:, : self.usable], self.uniforms[at], self.settings)
        logits = logits.float()
        if self.end_ids.shape[1]:
            best = logits[:, self.ends].max(-1)
            self.end_ids[at] = torch.tensor(self.ends, device=self.device)[best.indices].int()
            closing = [i for i, row in enumerate(self.rows.tolist()) if row in self.closing]
            tokens[closing] = self.end_ids[at][closing].long()
            self.end_logprobs[at] = best.values - logits.gather(-1, tokens[:, None])[:, 0]
        entries = None if self.numbers is None else self.numbers[at]
        rows = sparse_rows(logits, tokens, self.settings, entries)
        for kept, values in zip(self.sparse, rows, strict=True):
            kept[at] = values.to(kept.dtype)
        if self.end_ids.shape[1]:
            self.end_logprobs[at] += rows.token_logprobs
        return tokens

    def take(self, tokens: Tensor) -> Tensor | None:
        """Note which rows are done; the present rows that go on, or None while all stay."""
        present, written = self.rows.tolist(), tokens.tolist()
        self.tokens[present, self.step] = written
        self.step += 1
        for row, token in zip(present, written, strict=True):
            if self.finish[row] is None:
                self.length[row] = self.step
                self.finish[row] = self._ending(row, token)
                if self.finish[row] == "answer" and row not in self.closing and self.ends:
                    self.closing.add(row)
                    self.finish[row] = None  # the step that would follow has the end's row
        going = [i for i, row in enumerate(present) if self.finish[row] is None]
        few = (len(present) - len(going)) * _DROP_SHARE < len(present)
        full = any(self.finish[row] == "length" for row in present)  # no position follows
        if going and few and not full:
            return None
        still = torch.tensor(going, dtype=torch.int64, device=self.device)
        self.rows = self.rows[still]
        return still

    def _ending(self, row: int, token: int) -> Finish | None:
        if row in self.closing:
            return "answer"
        if token in self.ends:
            return "eos"
        if self.stops.breaks_line(token) and self.stops.over(row, self.tokens[row, : self.step]):
            return "answer"
        return "length" if self.step >= self.room[row] else None

    def texts(self) -> list[ScoredText]:
        """What was written, text after text: each a view of the batch's columns."""
        written = np.arange(self.tokens.shape[1]) < self.length[:, None]
        at = torch.from_numpy(written).to(self.device)
        rows = SparseRows(*(values[at] for values in self.sparse))
        if bool(rows.token_logprobs.isnan().any()):
            raise TeacherError(
                "the teacher's logits hold NaN; its weights are damaged or overflow in this dtype"
            )
        ends = at[:, : self.end_ids.shape[1]]
        batch = ScoredText(
            text="",
            token_id=self.tokens[written],
            token_logprob=to_numpy(rows.token_logprobs, np.float32),
            distributions=rows.distributions(),
            finish="length",
            tempered_tails=to_numpy(rows.tempered_tails, np.float32),
            end_id=to_numpy(self.end_ids[ends], np.int32),
            end_logprob=to_numpy(self.end_logprobs[ends], np.float32),
        )
        bounds = np.concatenate([[0], np.cumsum(self.length)]).tolist()
        return [self._text(row, batch, *span) for row, span in enumerate(pairwise(bounds))]

    def _text(self, row: int, batch: ScoredText, first: int, last: int) -> ScoredText:
        """The text of one row, which has the positions ``first:last`` of the batch."""
        tokens = batch.token_id[first:last]
        ended = self.finish[row] == "eos" or row in self.closing
        spelled = tokens[:-1] if ended else tokens  # an end may spell its name
        return ScoredText(
            text=self.tokenizer.decode(spelled.tolist()),
            token_id=tokens,
            token_logprob=batch.token_logprob[first:last],
            distributions=batch.distributions[first:last],
            finish=self.finish[row] or "length",
            tempered_tails=batch.tempered_tails[first:last],
            end_id=batch.end_id[first:last],
            end_logprob=batch.end_logprob[first:last],
        )


class _Stops:
    """Knows when a text is over by what it says, which is looked at where a line ends.

    A text is read from its beginning, so a long one is not looked at in every line: it may go on
    for a ``_PATIENCE``-th of its length, and is cut where it was over.
    """

    def __init__(self, tokenizer: Tokenizer, until: Callable[[str], int | None] | None) -> None:
        self._vocabulary: Vocabulary = tokenizer.vocabulary()
        self._until = until
        data, indptr = self._vocabulary.data, self._vocabulary.indptr
        breaks = np.concatenate(([0], np.cumsum(data == ord("\n"))))
        self._breaks = breaks[indptr[1:]] > breaks[indptr[:-1]]
        self._looked: dict[int, int] = {}  # tokens that each row had then

    def breaks_line(self, token: int) -> bool:
        return self._until is not None and token < len(self._breaks) and bool(self._breaks[token])

    def over(self, row: int, tokens: NDArray[np.int32]) -> bool:
        if (len(tokens) - self._looked.get(row, 0)) * _PATIENCE < len(tokens):
            return False
        self._looked[row] = len(tokens)
        inside = tokens[tokens < len(self._vocabulary)].tolist()
        text = b"".join(self._vocabulary.pieces(inside)).decode("utf-8", "surrogateescape")
        return self._until is not None and self._until(text) is not None


def draw_tokens(logits: Tensor, numbers: Tensor, settings: Sampling) -> Tensor:
    """(N,) the tokens that ``numbers`` (N,) in [0, 1) choose from ``logits`` (N, V).

    Inverse transform sampling; sums are taken in float64, so that the rounding of a large
    vocabulary shifts no boundary by more than 1e-13.
    """
    probabilities = (logits.float() / settings.temperature).softmax(-1).double()
    if settings.top_p == 1:
        return _choose(probabilities, numbers)
    ordered, ids = probabilities.sort(stable=True, dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    chosen = _choose(ordered.masked_fill(before >= settings.top_p, 0.0), numbers)
    return ids.gather(-1, chosen[:, None]).squeeze(-1)


def _choose(weights: Tensor, numbers: Tensor) -> Tensor:
    sums = weights.cumsum(-1)
    wanted = numbers[:, None] * sums[:, -1:]
    found = torch.searchsorted(sums, wanted, right=True).squeeze(-1)
    return found.clamp(max=weights.shape[-1] - 1)


def _uniforms(requests: Sequence[Request], steps: int) -> np.ndarray:
    return np.stack([np.random.default_rng(request.seed).random(steps) for request in requests])


def _runs(prompts: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Adjacent equal prompts as one, and how many there were of each."""
    heads: list[tuple[int, ...]] = []
    counts: list[int] = []
    for prompt in prompts:
        if heads and heads[-1] == prompt:
            counts[-1] += 1
        else:
            heads.append(prompt)
            counts.append(1)
    return heads, counts
