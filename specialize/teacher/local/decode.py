"""One token at a time from a causal or an encoder-decoder model, many rows at once.

A decoding starts with prompts, each shared by several rows: a prompt is read once and its keys
and values are repeated. ``logits`` then holds the next token's raw logits of every row;
``advance`` feeds one token per row, ``keep`` drops the rows that are done.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from transformers import EncoderDecoderCache, PreTrainedModel

from specialize.teacher.local.cache import growing_cache


class Decoding(Protocol):
    """A batch of texts in the making."""

    logits: Tensor  # (rows, V) raw logits of the next token

    def advance(self, tokens: Tensor) -> None:
        """Append ``tokens`` (rows,) and compute the logits behind them."""

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (indices into the present rows) only."""


def start_decoding(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], repeats: Sequence[int]
) -> Decoding:
    """A decoding in which prompt i has ``repeats[i]`` adjacent rows."""
    if model.config.is_encoder_decoder:
        return _EncoderDecoderDecoding(model, prompts, repeats)
    return _CausalDecoding(model, prompts, repeats)


class _CausalDecoding:
    """Prompts are padded on the left, so that all rows end in the same column."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], repeats: Sequence[int]
    ) -> None:
        self._model, self._cache = model, growing_cache(model.config)
        ids, mask = left_padded(prompts, model.device)
        outputs = model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
            **column_options(model, positions_of(mask), 1),
        )
        rows = _rows_of(repeats, model.device)
        self._cache.batch_select_indices(rows)
        self._padded = not bool(mask.all())
        self._mask, self._next = mask[rows], mask.sum(-1)[rows]
        self.logits: Tensor = outputs.logits[:, -1][rows]

    def advance(self, tokens: Tensor) -> None:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        outputs = self._model(
            input_ids=tokens[:, None],
            attention_mask=self._mask if self._padded else None,
            past_key_values=self._cache,
            use_cache=True,
            **column_options(self._model, self._next[:, None], 1),
        )
        self._next = self._next + 1
        self.logits = outputs.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask, self._next = self._mask[rows], self._next[rows]
        self.logits = self.logits[rows]


class _EncoderDecoderDecoding:
    """The encoder reads every prompt once; the decoder starts from the model's start token."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], repeats: Sequence[int]
    ) -> None:
        self._model = model
        ids, mask = right_padded(prompts, model.device)
        encoded = model.get_encoder()(input_ids=ids, attention_mask=mask)
        rows = _rows_of(repeats, model.device)
        self._encoded, self._mask = encoded.last_hidden_state[rows], mask[rows]
        config = model.config
        self._cache = EncoderDecoderCache(growing_cache(config), growing_cache(config))
        self.advance(torch.full((len(rows),), start_token(model), device=model.device))

    def advance(self, tokens: Tensor) -> None:
        outputs = self._model(
            encoder_outputs=(self._encoded,),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self.logits: Tensor = outputs.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._encoded, self._mask = self._encoded[rows], self._mask[rows]
        self.logits = self.logits[rows]


def left_padded(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (B, width), padding (id 0) in front."""
    width = max(map(len, sequences))
    ids = [[0] * (width - len(sequence)) + list(sequence) for sequence in sequences]
    mask = [[0] * (width - len(sequence)) + [1] * len(sequence) for sequence in sequences]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def right_padded(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (B, width), padding (id 0) behind."""
    ids, mask = left_padded([list(reversed(sequence)) for sequence in sequences], device)
    return ids.flip(1), mask.flip(1)


def positions_of(mask: Tensor) -> Tensor:
    """(B, width) the position of every token in its own row, padding not counted."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def column_options(model: PreTrainedModel, positions: Tensor, columns: int) -> dict[str, object]:
    """Positions, and how many last columns need logits, for models that take these arguments.

    A causal model that takes no positions derives them from the mask or needs none.
    """
    options: dict[str, object] = {"position_ids": positions, "logits_to_keep": columns}
    return {name: value for name, value in options.items() if name in _accepted(type(model))}


@cache
def _accepted(kind: type[PreTrainedModel]) -> frozenset[str]:
    """The arguments that models of this kind take."""
    return frozenset(inspect.signature(kind.forward).parameters)


def start_token(model: PreTrainedModel) -> int:
    """The id with which an encoder-decoder's texts begin.

    Raises:
        ValueError: the model's configuration does not say.
    """
    for config in (model.config, model.generation_config):
        if config is not None and isinstance(config.decoder_start_token_id, int):
            return config.decoder_start_token_id
    raise ValueError(
        "the model's configuration has no decoder_start_token_id, so its texts have no beginning"
    )


def _rows_of(repeats: Sequence[int], device: torch.device) -> Tensor:
    return torch.repeat_interleave(torch.tensor(repeats)).to(device)
