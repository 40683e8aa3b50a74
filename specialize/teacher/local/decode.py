"""One token at a time from a causal or an encoder-decoder model, many rows at once.

A decoding starts with prompts, each shared by several rows: a prompt is read once and its keys
and values are repeated, and so is what all prompts of a causal model begin with. ``logits`` then
holds the next token's raw logits of every row;
``advance`` feeds one token per row, ``keep`` drops the rows that are done.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from transformers import EncoderDecoderCache, PreTrainedModel

from specialize.teacher.local.cache import GrowingLayer, growing_cache

_MANY, _HEAD = 8, 64  # prompts and their first tokens in common that make a group
_WORTH = 16  # shared tokens below which reading them apart costs more than it saves


class Decoding(Protocol):
    """A batch of texts in the making."""

    logits: Tensor  # (rows, V) raw logits of the next token

    def advance(self, tokens: Tensor) -> None:
        """Append ``tokens`` (rows,) and compute the logits after them."""

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (indices into the present rows) only."""


def start_decoding(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], repeats: Sequence[int]
) -> Decoding:
    """A decoding in which prompt i has ``repeats[i]`` adjacent rows."""
    if model.config.is_encoder_decoder:
        return _EncoderDecoderDecoding(model, prompts, repeats)
    return CausalDecoding(model, prompts, repeats)


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts share; each keeps at least one of its own."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))  # what these share, all share
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def head_groups(prompts: Sequence[Sequence[int]]) -> list[int]:
    """A number for every prompt: its own for each beginning that many others have, else 0.

    Prompts of a group make batches of their own, in which that beginning is read once.
    """
    heads = [tuple(prompt[:_HEAD]) for prompt in prompts]
    distinct = Counter(
        head[:_HEAD] for head in dict.fromkeys(map(tuple, prompts)) if len(head) > _HEAD
    )
    shared = [head for head, count in distinct.items() if count >= _MANY]
    numbers = {head: number for number, head in enumerate(shared, 1)}
    return [numbers.get(head, 0) for head in heads]


class CausalDecoding:
    """What all prompts begin with is read once; the rest is padded on the left, row by row.

    Few-shot prompts of one set differ in their last lines only. Rows end in the same column, and
    none attends to the padding between the shared tokens and its own.
    """

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], repeats: Sequence[int]
    ) -> None:
        self._model, self._cache = model, growing_cache(model.config)
        shared = shared_length(prompts) if len(prompts) > 1 and _takes_positions(model) else 0
        shared = shared if shared >= _WORTH and self._can_repeat() else 0
        if shared:
            self._read_once(prompts[0][:shared], len(prompts))
        ids, mask = left_padded([prompt[shared:] for prompt in prompts], model.device)
        self._padded = not bool(mask.all())  # without padding nothing reads a mask
        self._mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        self._next = self._mask.sum(-1)
        self.logits: Tensor = ids
        self._feed(ids, positions_of(self._mask)[:, shared:])
        if max(repeats) > 1:
            self.keep(_rows_of(repeats, model.device))

    def advance(self, tokens: Tensor) -> None:
        """Append ``tokens`` (rows,) and compute the logits after them."""
        if self._padded:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        self._feed(tokens[:, None], self._next[:, None])
        self._next = self._next + 1

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (indices into the present rows, which may repeat) only."""
        self._cache.batch_select_indices(rows)
        self._mask, self._next = self._mask[rows], self._next[rows]
        self.logits = self.logits[rows]

    def _read_once(self, prefix: Sequence[int], rows: int) -> None:
        ids = torch.tensor([list(prefix)], device=self._model.device)
        positions = torch.arange(len(prefix), device=ids.device)[None]
        self._model(
            input_ids=ids,
            past_key_values=self._cache,
            use_cache=True,
            **column_options(self._model, positions, 1),
        )
        self._cache.batch_repeat_interleave(rows)

    def _can_repeat(self) -> bool:
        """Whether the model's cache is keys and values of all positions, and nothing else."""
        return all(type(layer) is GrowingLayer for layer in self._cache.layers)

    def _feed(self, ids: Tensor, positions: Tensor) -> None:
        outputs = self._model(
            input_ids=ids,
            attention_mask=self._mask if self._padded else None,
            past_key_values=self._cache,
            use_cache=True,
            **column_options(self._model, positions, 1),
        )
        self.logits = outputs.logits[:, -1]


def _takes_positions(model: PreTrainedModel) -> bool:
    return "position_ids" in column_options(model, torch.zeros(1, 1), 1)


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
    """ids and mask (B, width), padding (id 0) on the left."""
    width = max(map(len, sequences))
    ids = [[0] * (width - len(sequence)) + list(sequence) for sequence in sequences]
    mask = [[0] * (width - len(sequence)) + [1] * len(sequence) for sequence in sequences]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def right_padded(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (B, width), padding (id 0) on the right."""
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
    accepted = _accepted(type(model).forward)
    return {name: value for name, value in options.items() if name in accepted}


@cache
def _accepted(forward: Callable[..., object]) -> frozenset[str]:
    """The arguments that models of this kind take."""
    return frozenset(inspect.signature(forward).parameters)


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
