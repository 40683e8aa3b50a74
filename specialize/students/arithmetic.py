"""A student's arithmetic on a processor, in fewer passes over its memory.

The library spells some functions as many operations, each of which reads and writes a tensor: the
tanh form of GELU as eight, T5's norm as five, its attention with a product by one and with sums
that need no new memory. Small models spend more time there than in matrix products. Here each is
what it was up to rounding; tests hold values and gradients equal to the library's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    T5ForConditionalGeneration,
)
from transformers.activations import NewGELUActivation
from transformers.masking_utils import eager_mask
from transformers.models.mt5.modeling_mt5 import MT5LayerNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

_ATTENTION = "specialize_biased"


def lighten(model: PreTrainedModel) -> None:
    """Put these operations into a float32 ``model`` that is to be trained on a processor."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))
            elif isinstance(child, T5LayerNorm | MT5LayerNorm):
                setattr(module, name, RootMeanSquareNorm(child.weight, child.variance_epsilon))
    if type(model) in (T5ForConditionalGeneration, MT5ForConditionalGeneration):
        AttentionInterface.register(_ATTENTION, biased_attention)
        AttentionMaskInterface.register(_ATTENTION, eager_mask)
        model.set_attn_implementation(_ATTENTION)


class RootMeanSquareNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * weight over the last axis, under the library's names."""

    def __init__(self, weight: nn.Parameter, epsilon: float) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = weight, epsilon

    def forward(self, states: Tensor) -> Tensor:
        normed: Tensor = _Normed.apply(states, self.weight, self.variance_epsilon)
        return normed


class _Context(FunctionCtx):
    """What the forward pass leaves for the backward."""

    saved_tensors: tuple[Tensor, Tensor, Tensor]


class _Normed(torch.autograd.Function):
    """With n = x r, r = 1 / sqrt(mean(x^2) + epsilon), g the gradient of n w:

    d w = sum g n,   d x = r (g w - n mean(g w n))
    """

    @staticmethod
    def forward(ctx: _Context, states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        length = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
        scale = length.square_().div_(states.shape[-1]).add_(epsilon).rsqrt_()
        normed = states * scale
        ctx.save_for_backward(normed, scale, weight)
        return normed * weight

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        normed, scale, weight = ctx.saved_tensors
        for_weight = (slope * normed).flatten(0, -2).sum(0)
        inner = slope * weight
        mean = torch.linalg.vecdot(inner, normed).unsqueeze_(-1).div_(-normed.shape[-1])
        return inner.addcmul_(normed, mean).mul_(scale), for_weight, None


def biased_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    position_bias: Tensor,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, None]:
    """T5's attention: scores are not scaled, the bias of positions is added.

    Args:
        query: (B, H, T, w). key, value: (B, H, S, w). attention_mask: (B, 1, T, S), added.
        position_bias: (1, H, T, S).

    Returns:
        (B, T, H, w).
    """
    scores = (query @ key.transpose(-1, -2)).add_(position_bias)
    if attention_mask is not None:
        scores = scores.add_(attention_mask)
    weights = nn.functional.dropout(scores.softmax(-1), p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2), None
