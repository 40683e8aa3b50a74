"""One token at a time from a T5, with nothing in a step but its arithmetic.

    encoder states (B, S, d)  ->  per layer cross keys (B, H, w, S) and values (B, H, S, w), once
    one token per row         ->  logits (B, V)

The library's own forward builds masks, position buckets and cache objects anew for each token,
which for a student of this size costs more than the token. Here the keys of the prompt are
projected once and kept transposed, query, key and value of a layer are one product, and the
relative position bias (Raffel et al. 2020, arXiv:1910.10683, section 2.1) of a step is a slice of
one table. A test holds the tokens equal to ``generate``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn.functional import gelu, linear, pad, rms_norm
from transformers import MT5ForConditionalGeneration, PreTrainedModel, T5ForConditionalGeneration

from specialize.teacher.local.decode import right_padded, start_token

if TYPE_CHECKING:  # MT5's modules have the same parts
    from transformers.models.t5.modeling_t5 import (
        T5Block,
        T5DenseActDense,
        T5DenseGatedActDense,
        T5LayerCrossAttention,
        T5LayerFF,
        T5LayerNorm,
        T5LayerSelfAttention,
        T5Stack,
    )

_ROOM = 32  # positions by which the caches grow
_PART = 1024  # padded tokens that the encoder reads at once on a processor


def is_t5(model: PreTrainedModel) -> bool:
    """Whether ``T5Decoding`` knows the model's arithmetic."""
    return type(model) in (T5ForConditionalGeneration, MT5ForConditionalGeneration)


class T5Decoding:
    """A batch of answers in the making: ``logits`` (rows, V), ``advance`` and ``keep``."""

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> None:
        states, self._outside = _encode_all(model, prompts)
        parts = cast("T5ForConditionalGeneration", model)
        blocks = cast("Sequence[T5Block]", parts.decoder.block)
        self._layers = [_Layer(block, states) for block in blocks]
        self._positions = cast("T5LayerSelfAttention", blocks[0].layer[0]).SelfAttention
        self._bias = states.new_empty(0)
        self._embed, self._norm = parts.decoder.embed_tokens, parts.decoder.final_layer_norm
        self._head = parts.lm_head
        self._scale = parts.model_dim**-0.5 if model.config.scale_decoder_outputs else 1.0
        self._step = 0
        self.logits: Tensor = states
        self.advance(torch.full((len(prompts),), start_token(model), device=model.device))

    def advance(self, tokens: Tensor) -> None:
        """Append ``tokens`` (rows,) and compute the logits after them."""
        states: Tensor = self._embed(tokens)
        bias = self._bias_of_step()
        for layer in self._layers:
            states = layer(states, self._step, bias, self._outside)
        self._step += 1
        self.logits = self._head(_normed(states, self._norm) * self._scale)

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (indices into the present rows) only."""
        self._outside, self.logits = self._outside[rows], self.logits[rows]
        for layer in self._layers:
            layer.keep(rows)

    def _bias_of_step(self) -> Tensor:
        """(1, H, 1, step + 1): what the distance to every earlier token adds to its score."""
        length = self._bias.shape[-1]
        if self._step >= length:
            length += 4 * _ROOM
            self._bias = self._positions.compute_bias(1, length, past_seen_tokens=length - 1)
        return self._bias[..., length - 1 - self._step :]


def _encode_all(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """States (B, S, d) of right-padded prompts, and what to add to scores on them (B, 1, 1, S).

    Equal adjacent prompts are read once. A processor's cache holds the work of few tokens, so
    there the batch is read in parts, each padded to its own width.
    """
    heads = [i for i, prompt in enumerate(prompts) if i == 0 or prompt != prompts[i - 1]]
    ids, mask = right_padded([prompts[i] for i in heads], model.device)
    outside = ((1 - mask) * torch.finfo(model.dtype).min).to(model.dtype)[:, None, None]
    lengths, most = mask.sum(-1).tolist(), _PART if ids.device.type == "cpu" else ids.numel()
    parts = cast("T5ForConditionalGeneration", model)
    states = outside.new_zeros(*ids.shape, parts.model_dim)
    first = 0
    while first < len(ids):
        rows = slice(first, first + max(1, most // max(lengths[first : first + 8])))
        width = max(lengths[rows])
        part = outside[rows, ..., :width]
        states[rows, :width] = _encode(parts.encoder, ids[rows, :width], part)
        first = rows.stop
    if len(heads) == len(prompts):
        return states, outside
    counts = torch.tensor([b - a for a, b in pairwise([*heads, len(prompts)])], device=ids.device)
    return states.repeat_interleave(counts, 0), outside.repeat_interleave(counts, 0)


def _encode(encoder: T5Stack, ids: Tensor, outside: Tensor) -> Tensor:
    """The encoder's states (B, S, d) of padded prompts (B, S)."""
    states: Tensor = encoder.embed_tokens(ids)
    length = ids.shape[1]
    blocks = [cast("tuple[T5LayerSelfAttention, T5LayerFF]", b.layer) for b in encoder.block]
    bias = blocks[0][0].SelfAttention.compute_bias(length, length) + outside
    for own, feed in blocks:
        attention = own.SelfAttention
        project = torch.cat([attention.q.weight, attention.k.weight, attention.v.weight])
        heads = linear(_normed(states, own.layer_norm), project)
        heads = heads.unflatten(-1, (3, attention.n_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = heads.contiguous()
        read = (query @ key.transpose(-1, -2)).add_(bias).softmax(-1) @ value
        states = states + linear(read.transpose(1, 2).flatten(2), attention.o.weight)
        states = states + _feed_forward(feed.DenseReluDense)(_normed(states, feed.layer_norm))
    return _normed(states, encoder.final_layer_norm)


class _Layer:
    """One block of the decoder with its caches; keys are kept transposed, (rows, H, w, length)."""

    def __init__(self, block: T5Block, encoded: Tensor) -> None:
        own, cross, feed = cast(
            "tuple[T5LayerSelfAttention, T5LayerCrossAttention, T5LayerFF]", block.layer
        )
        attention, reading = own.SelfAttention, cross.EncDecAttention
        self._norms = [layer.layer_norm for layer in (own, cross, feed)]
        self._project = torch.cat([attention.q.weight, attention.k.weight, attention.v.weight])
        self._out, self._query, self._read = attention.o.weight, reading.q.weight, reading.o.weight
        self._feed: Callable[[Tensor], Tensor] = _feed_forward(feed.DenseReluDense)
        self._heads = attention.n_heads
        keys, values = self._split(reading.k(encoded)), self._split(reading.v(encoded))
        self._read_keys = keys.permute(0, 2, 3, 1).contiguous()
        self._read_values = values.transpose(1, 2).contiguous()
        rows, _, heads, width = keys.shape
        self._keys = encoded.new_empty(rows, heads, width, 0)
        self._values = encoded.new_empty(rows, heads, 0, width)

    def __call__(self, states: Tensor, step: int, bias: Tensor, outside: Tensor) -> Tensor:
        """States (rows, d) of the next token, after this block."""
        query, key, value = self._split(
            linear(_normed(states, self._norms[0]), self._project)
        ).chunk(3, dim=1)
        if step == self._keys.shape[-1]:
            self._keys = pad(self._keys, (0, _ROOM))
            self._values = pad(self._values, (0, 0, 0, _ROOM))
        self._keys[..., step], self._values[:, :, step] = key, value
        keys, values = self._keys[..., : step + 1], self._values[:, :, : step + 1]
        states = states + linear(_attend(query, keys, values, bias), self._out)
        query = self._split(linear(_normed(states, self._norms[1]), self._query))
        read = _attend(query, self._read_keys, self._read_values, outside)
        states = states + linear(read, self._read)
        return states + self._feed(_normed(states, self._norms[2]))

    def keep(self, rows: Tensor) -> None:
        self._keys, self._values = self._keys[rows], self._values[rows]
        self._read_keys, self._read_values = self._read_keys[rows], self._read_values[rows]

    def _split(self, states: Tensor) -> Tensor:
        """(..., H x w) as (..., H, w); of three joined ones (..., 3 H, w)."""
        width = self._out.shape[1] // self._heads
        return states.unflatten(-1, (-1, width))


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """(rows, H x w) from query (rows, H, w), keys (rows, H, w, L) and values (rows, H, L, w)."""
    weights = (query[:, :, None] @ keys + bias).softmax(-1)
    return (weights @ values).flatten(1)


def _normed(states: Tensor, norm: T5LayerNorm) -> Tensor:
    return rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _feed_forward(dense: T5DenseActDense | T5DenseGatedActDense) -> Callable[[Tensor], Tensor]:
    """The block's feed-forward part; gated ones in one product."""
    act = _activation(dense.act)
    out = dense.wo.weight
    if hasattr(dense, "wi"):
        single = cast("T5DenseActDense", dense).wi.weight
        return lambda states: linear(act(linear(states, single)), out)
    twofold = cast("T5DenseGatedActDense", dense)
    both = torch.cat([twofold.wi_0.weight, twofold.wi_1.weight])

    def gated(states: Tensor) -> Tensor:
        gate, plain = linear(states, both).chunk(2, dim=-1)
        return linear(act(gate) * plain, out)

    return gated


def _activation(act: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same function in one kernel where torch has it."""
    if type(act).__name__ == "NewGELUActivation":
        return lambda states: gelu(states, approximate="tanh")
    return act
