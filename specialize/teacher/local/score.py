"""Rows of given texts: one forward pass over prompt and text, many texts at once.

Batches hold texts of about the same length under budgets; they are a function of the texts alone,
so that the same call gives the same bits. A text whose logits alone would exceed the budget is
read in pieces, each with the keys and values of those before it, so that memory does not grow
with the length of a text times the vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import EncoderDecoderCache, PreTrainedModel

from specialize.errors import TeacherError
from specialize.teacher.local.cache import growing_cache
from specialize.teacher.local.decode import column_options, right_padded, start_token
from specialize.teacher.local.sparse_rows import SparseRows, entry_numbers, sparse_rows, to_numpy
from specialize.teacher.protocol import Sampling, ScoredText

# Of a piece's attention mask: with a small vocabulary it would outgrow the logits. The library
# makes it of float32, 128 MiB here.
_MASK = 1 << 25


@dataclass(frozen=True, slots=True)
class Given:
    """A text to score: the ids of its prompt, its own ids (at least one), and itself.

    Where there are ``ends``, the last of ``tokens`` is the first of them: it takes the place of the
    end that is most probable there.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    text: str
    ends: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.prompt) + len(self.tokens)


def batches_of(
    given: Sequence[Given], *, rows: int, tokens: int, positions: int
) -> Iterator[list[int]]:
    """Indices in batches of about equal length, longest first.

    A batch has at most ``rows`` texts, ``tokens`` tokens with padding and prompts, and
    ``positions`` tokens to score, but always one text.
    """
    order = sorted(range(len(given)), key=lambda i: (-len(given[i]), i))
    batch: list[int] = []
    scored = 0
    for i in order:
        more = len(given[i].tokens)
        full = len(batch) == rows or (len(batch) + 1) * len(given[(batch or [i])[0]]) > tokens
        if batch and (full or scored + more > positions):
            yield batch
            batch, scored = [], 0
        batch.append(i)
        scored += more
    if batch:
        yield batch


@torch.inference_mode()
def score_batch(
    model: PreTrainedModel, given: Sequence[Given], settings: Sampling, *, positions: int
) -> list[ScoredText]:
    """The sparse rows of every text, in order.

    Args:
        positions: most rows of logits at a time; a text of more is alone in its batch.
    """
    if len(given) == 1 and len(given[0].tokens) > positions:
        return [_scored(given[0], list(long_text_rows(model, given[0], settings, positions)))]
    logits = text_logits(model, given)
    scored, start = [], 0
    for item in given:
        stop = start + len(item.tokens)
        rows = _rows(logits[start:stop], item, 0, settings, _numbers(item, settings))
        scored.append(_scored(item, [rows]))
        start = stop
    return scored


class _Rows(NamedTuple):
    """Some tokens of a text with their rows."""

    tokens: Tensor
    rows: SparseRows


def _numbers(item: Given, settings: Sampling) -> NDArray[np.float64] | None:
    return entry_numbers(_seed(item), len(item.tokens), settings)


def _rows(
    logits: Tensor,
    item: Given,
    first: int,
    settings: Sampling,
    numbers: NDArray[np.float64] | None,
) -> _Rows:
    """The rows of the tokens from ``first`` on, from logits (N, V), which are overwritten."""
    stop = first + len(logits)
    tokens = torch.tensor(item.tokens[first:stop], device=logits.device)
    if item.ends and stop == len(item.tokens):
        ends = torch.tensor(item.ends, device=logits.device)
        tokens[-1] = ends[logits[-1, ends].argmax()]
    drawn = None if numbers is None else torch.from_numpy(numbers[first:stop]).to(logits.device)
    return _Rows(tokens, sparse_rows(logits, tokens, settings, drawn))


def _scored(item: Given, parts: Sequence[_Rows]) -> ScoredText:
    rows = SparseRows(*map(torch.cat, zip(*(part.rows for part in parts), strict=True)))
    if bool(rows.token_logprobs.isnan().any()):
        raise TeacherError(
            "the teacher's logits hold NaN; its weights are damaged or overflow in this dtype"
        )
    return ScoredText(
        text=item.text,
        token_id=to_numpy(torch.cat([part.tokens for part in parts]), np.int32),
        token_logprob=to_numpy(rows.token_logprobs, np.float32),
        distributions=rows.distributions(),
        finish="given",
        tempered_tails=to_numpy(rows.tempered_tails, np.float32),
    )


def _seed(item: Given) -> int:
    """A given text's own seed for drawn entries: it follows from what is scored alone."""
    ids = np.array([len(item.prompt), *item.prompt, *item.tokens], np.int64)
    return int.from_bytes(hashlib.sha256(ids.tobytes()).digest()[:8], "big")


def text_logits(model: PreTrainedModel, given: Sequence[Given]) -> Tensor:
    """(N, V) raw logits of all tokens of all texts, one text after the other.

    The output projection sees these N positions only, neither prompts nor padding.
    """
    if model.config.is_encoder_decoder:
        ids, mask = right_padded([item.prompt for item in given], model.device)
        start = start_token(model)
        shifted, _ = right_padded([(start, *item.tokens[:-1]) for item in given], model.device)
        inputs = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": shifted}
        width, firsts = shifted.shape[1], [0] * len(given)
    else:
        ids, _ = right_padded([item.prompt + item.tokens for item in given], model.device)
        # no token sees the padding after it; a mask would be the square of the longest text
        inputs = {"input_ids": ids}
        # the last token of the prompt gives the distribution of the text's first
        width, firsts = ids.shape[1], [len(item.prompt) - 1 for item in given]
    wanted = torch.cat(
        [
            torch.arange(len(item.tokens)) + row * width + first
            for row, (item, first) in enumerate(zip(given, firsts, strict=True))
        ]
    ).to(model.device)

    def keep(_: nn.Module, hidden: tuple[Tensor]) -> tuple[Tensor]:
        return (hidden[0].flatten(0, 1).index_select(0, wanted),)

    hook = model.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        logits: Tensor = model(**inputs, use_cache=False).logits
        return logits
    finally:
        hook.remove()


def long_text_rows(
    model: PreTrainedModel, item: Given, settings: Sampling, positions: int
) -> Iterator[_Rows]:
    """The rows of one text, at most ``positions`` at a time (less where it is long), read once.

    Every piece sees the keys and values of the pieces before it, so that its rows are those of
    one pass; only the order of sums differs.
    """
    numbers, first = _numbers(item, settings), 0
    positions = min(positions, max(1, _MASK // len(item)))
    for logits in _pieces(model, item, positions):
        yield _rows(logits, item, first, settings, numbers)
        first += len(logits)


def _pieces(model: PreTrainedModel, item: Given, positions: int) -> Iterator[Tensor]:
    """(n, V) logits of the text's tokens in order, n at most ``positions``."""
    config = model.config
    if config.is_encoder_decoder:
        read: tuple[int, ...] = (start_token(model), *item.tokens[:-1])
        encoded = model.get_encoder()(input_ids=_row(model, item.prompt)).last_hidden_state
        both = EncoderDecoderCache(growing_cache(config), growing_cache(config))
        for start in range(0, len(read), positions):
            ids = _row(model, read[start : start + positions])
            outputs = model(
                encoder_outputs=(encoded,), decoder_input_ids=ids, past_key_values=both,
                use_cache=True,
            )  # fmt: skip
            yield outputs.logits[0]
        return
    read, cache = item.prompt + item.tokens[:-1], growing_cache(config)
    # what is before the last token of the prompt needs no logits
    cuts = [*range(0, len(item.prompt) - 1, positions)]
    cuts += [*range(len(item.prompt) - 1, len(read), positions), len(read)]
    for start, stop in pairwise(cuts):
        count = stop - start if start >= len(item.prompt) - 1 else 1
        places = torch.arange(start, stop, device=model.device)[None]
        outputs = model(
            input_ids=_row(model, read[start:stop]), past_key_values=cache, use_cache=True,
            **column_options(model, places, count),
        )  # fmt: skip
        if start >= len(item.prompt) - 1:
            yield outputs.logits[0]


def _row(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    return torch.tensor([list(ids)], device=model.device)
