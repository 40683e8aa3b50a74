"""One token at a time from a causal model, whose prompts share their beginning.

    "<3 demonstrations>\\n\\nQ: How many ..."   the demonstrations are read once, as one row;
    "<3 demonstrations>\\n\\nQ: Who is ..."     then every question behind a copy of their keys

Few-shot prompts of one set differ in their last lines only. What they share is read once for the
batch instead of once per row; the rest follows behind padding that no row attends to. Where nothing
worth it is shared this is plain batched decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from specialize.teacher.local.cache import growing_cache
from specialize.teacher.local.decode import column_options, left_padded

_WORTH = 16  # shared tokens below which reading them apart costs more than it saves


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts share; each keeps at least one of its own."""
    first, last = min(prompts), max(prompts)  # what these two share, all share
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


class SharedPrefixDecoding:
    """A batch of texts in the making: ``logits`` (rows, V), ``advance`` and ``keep``."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        self._model, self._cache = model, growing_cache(model.config)
        shared = shared_length(prompts) if len(prompts) > 1 and _takes_positions(model) else 0
        shared = shared if shared >= _WORTH and self._can_repeat() else 0
        if shared:
            self._read_once(prompts[0][:shared], len(prompts))
        ids, mask = left_padded([prompt[shared:] for prompt in prompts], model.device)
        self._padded = not bool(mask.all())
        self._mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        self._next = self._mask.sum(-1)
        self.logits: Tensor = ids
        self._feed(ids, (self._mask.cumsum(-1) - 1).clamp(min=0)[:, shared:])

    def advance(self, tokens: Tensor) -> None:
        """Append ``tokens`` (rows,) and compute the logits behind them."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        self._feed(tokens[:, None], self._next[:, None])
        self._next = self._next + 1

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (indices into the present rows) only."""
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
        return len({type(layer) for layer in self._cache.layers}) == 1 and not any(
            layer.is_sliding for layer in self._cache.layers
        )

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
