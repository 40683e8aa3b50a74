"""Divergence and output projection in one, for vocabularies too wide for their logits.

Instead of (N, V) logits and their gradient only one chunk of rows exists at a time: it is
projected, turned into its gradient in its own place by the same kernel, and multiplied back into
the gradients of the hidden states and of the projection. The gradients are made in the forward
pass. A chunk has as many rows as fit into a fixed memory: every chunk costs one more pass over
the projection's gradient, so that few large ones are faster than many small ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from specialize.losses.kernel import SparseTargets
from specialize.losses.sparse import RowMeasures, chunk_rows, gradient_rows, scaled, summed

# Bytes of a chunk's logits, whatever the vocabulary.
_CPU_BYTES, _DEVICE_BYTES = 1 << 26, 1 << 28


def fused_kl(
    hidden: Tensor,
    projection: Tensor,
    ids: Tensor,
    logprobs: Tensor,
    tail: Tensor,
    weight: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    beta: float | Tensor = 0.0,
    chunk: int | None = None,
) -> tuple[Tensor, RowMeasures]:
    """``measured_kl`` of the logits ``hidden @ projection.T``, which are never all there.

    Args:
        hidden: (N, d) float32 or bfloat16; the products are computed in its type.
        projection: (V, d) float32 or bfloat16, without bias.
        ids, logprobs, tail, weight, temperature, beta: as in ``measured_kl``.
        chunk: rows of a chunk; None: as many as fit into a fixed amount of memory.

    Raises:
        ValueError: the shapes do not fit.
    """
    targets = SparseTargets(ids, logprobs, tail, weight, temperature, beta)
    if len(targets) != len(hidden) or hidden.shape[1] != projection.shape[1]:
        raise ValueError(
            f"hidden {tuple(hidden.shape)}, projection {tuple(projection.shape)} and "
            f"{len(targets)} rows of targets do not fit"
        )
    if chunk is None:
        size = _CPU_BYTES if hidden.device.type == "cpu" else _DEVICE_BYTES
        chunk = max(1, size // (len(projection) * hidden.element_size()))
    with torch.autocast(hidden.device.type, enabled=False):  # the type of ``hidden`` decides
        nats, *measures = _FusedKL.apply(  # type: ignore[no-untyped-call]  # torch's, without types
            hidden, projection, targets, chunk
        )
    return nats, RowMeasures(*measures)


class _Context(FunctionCtx):
    """What the forward pass leaves for the backward."""

    gradients: tuple[Tensor, Tensor | None] | None


class _FusedKL(torch.autograd.Function):
    """Project, measure and multiply back, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: _Context, hidden: Tensor, projection: Tensor, targets: SparseTargets, chunk: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        matrix = projection.to(hidden.dtype)
        for_hidden = torch.zeros_like(hidden)
        for_projection = None
        measures = torch.zeros(3, len(hidden), device=hidden.device)
        rows = targets.used().nonzero().squeeze(1)
        buffer = hidden.new_empty(min(chunk, len(rows)), len(projection))
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            states = hidden[part]
            logits = torch.mm(states, matrix.T, out=buffer[: len(part)])
            measures[:, part] = gradient_rows(logits, logits, targets[part], chunk_rows(logits))
            for_hidden[part] = logits @ matrix
            if projection.requires_grad:
                for_projection = _plus(for_projection, logits, states, projection.dtype)
        if projection.requires_grad and for_projection is None:
            for_projection = torch.zeros_like(projection)
        ctx.gradients = for_hidden, for_projection
        return summed(ctx, measures, targets.weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, scale: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("the gradient of fused_kl is made once; call backward once")
        for_hidden, for_projection = gradients
        if for_projection is not None:
            for_projection = scaled(for_projection, scale)
        return scaled(for_hidden, scale), for_projection, None, None


def _plus(total: Tensor | None, slope: Tensor, states: Tensor, dtype: torch.dtype) -> Tensor:
    """``total`` and the chunk's part of the projection's gradient."""
    if total is None:
        return (slope.T @ states).to(dtype)
    if dtype == slope.dtype:
        return total.addmm_(slope.T, states)
    return total.add_(slope.T @ states)
