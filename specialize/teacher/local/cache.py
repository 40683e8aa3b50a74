"""A key-value cache that grows without copying what it holds at every step.

The library's dynamic cache concatenates, which copies all keys and values for each new token.
This one writes into a buffer with room to spare and hands out views of it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

_ROOM = 64  # positions


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model; layers of special kinds (sliding, recurrent) stay as they are."""
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


class GrowingLayer(DynamicLayer):
    """``keys`` and ``values`` are views of buffers with ``_ROOM`` positions to spare."""

    def __init__(self) -> None:
        DynamicLayer.__init__(self)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.is_initialized = True
            self._buffers = (_roomy(key_states, 0), _roomy(value_states, 0))
            self._show(0)
        start, stop = self._length, self._length + key_states.shape[-2]
        if stop > self._buffers[0].shape[-2]:
            self._move(*self._shown(start), stop - start)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:stop, :] = states
        return self._show(stop)

    def batch_repeat_interleave(self, repeats: int) -> None:
        keys, values = self._shown(self._length)
        self._move(keys.repeat_interleave(repeats, 0), values.repeat_interleave(repeats, 0), 0)

    def batch_select_indices(self, indices: Tensor) -> None:
        keys, values = self._shown(self._length)
        self._move(keys[indices], values[indices], 0)

    def _move(self, keys: Tensor, values: Tensor, more: int) -> None:
        """Hold ``keys`` and ``values`` in new buffers with room for ``more`` positions."""
        self._buffers = (_roomy(keys, more), _roomy(values, more))
        for buffer, states in zip(self._buffers, (keys, values), strict=True):
            buffer[..., : states.shape[-2], :] = states
        self._show(keys.shape[-2])

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        self._length = length
        self.keys, self.values = self._shown(length)
        return self.keys, self.values

    def _shown(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = self._buffers
        return keys[..., :length, :], values[..., :length, :]


def _roomy(states: Tensor, more: int) -> Tensor:
    """An empty buffer for ``states`` and ``more`` positions after them, with room to spare."""
    *lead, length, width = states.shape
    return torch.empty(
        (*lead, length + more + _ROOM, width), dtype=states.dtype, device=states.device
    )
