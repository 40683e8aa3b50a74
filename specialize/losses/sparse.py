"""The sparse divergence as one node of the graph, on logits that exist.

The gradient is made in the forward pass, chunk by chunk, so that besides it only one float32 chunk
of V columns is needed; with ``reuse_logits`` it takes the logits' own place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from specialize.losses.kernel import SparseTargets, kl_rows

_CPU_CHUNK = 1 << 20  # values of a chunk that stay in a core's cache
_DEVICE_CHUNK = 1 << 25  # fewer launches where there is no such cache


@dataclass(frozen=True, slots=True)
class RowMeasures:
    """What the kernel saw of each row, unweighted; all (N,) float32, without gradient.

    ``nats`` is the row's loss, ``student_mass`` the student's probability on the teacher's
    support, ``agreement`` 1 where both have the same most probable token.
    """

    nats: Tensor
    student_mass: Tensor
    agreement: Tensor


def sparse_kl(
    logits: Tensor,
    ids: Tensor,
    logprobs: Tensor,
    tail: Tensor,
    weight: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    beta: float | Tensor = 0.0,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the rows' divergences in nats, KL(teacher || student), and of the weights.

    For a training loop of one's own: divide the sums of an optimizer step once, so that gradient
    accumulation does not change the mean.

    Args:
        logits: (N, V) float32 or bfloat16, the student's.
        ids: (N, K) int64, the teacher's entries, distinct within a row where used.
        logprobs: (N, K) float32 nats, at ``temperature``; -inf where unused.
        tail: (N,) float32 nats, at ``temperature``: the teacher's mass outside ``ids``.
        weight: (N,) float32. Rows of weight 0 are not read.
        temperature: of all rows, or (N,) of each; the logits are divided by it, the loss is
            multiplied by its square.
        beta: of all rows, or (N,) of each: 0 forward KL, 1 reverse KL, between them the
            generalized JSD.
        chunk: rows of a chunk; None: as many as the device handles best.

    Returns:
        The sum in nats and the weight, both float32 scalars; the sum has a gradient.

    Raises:
        ValueError: the shapes do not fit.

    >>> logits = torch.zeros(1, 4, requires_grad=True)
    >>> nats, weight = sparse_kl(logits, torch.tensor([[2]]), torch.zeros(1, 1),
    ...                          torch.full((1,), -torch.inf), torch.ones(1))
    >>> print(f"{nats.item():.4f} {weight.item()}")  # cross-entropy: log 4
    1.3863 1.0
    """
    nats, _ = measured_kl(
        logits, ids, logprobs, tail, weight, temperature=temperature, beta=beta, chunk=chunk
    )
    return nats, weight.sum()


def measured_kl(
    logits: Tensor,
    ids: Tensor,
    logprobs: Tensor,
    tail: Tensor,
    weight: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    beta: float | Tensor = 0.0,
    chunk: int | None = None,
    reuse_logits: bool = False,
) -> tuple[Tensor, RowMeasures]:
    """Weighted sum of the rows' divergences in nats, and what each row showed.

    Args:
        logits: (N, V) float32 or bfloat16, the student's.
        ids: (N, K) int64, distinct within a row where used.
        logprobs: (N, K) float32 nats, at ``temperature``; -inf where unused.
        tail: (N,) float32 nats, at ``temperature``: the teacher's mass outside ``ids``.
        weight: (N,) float32. Rows of weight 0 are not read.
        temperature: that of the stored rows, one for all or (N,): tempered tails cannot be made
            from others.
        beta: as in ``sparse_kl``.
        chunk: rows of a chunk; None: as many as the device handles best.
        reuse_logits: write the gradient over the logits. They must be of no further use.

    Raises:
        ValueError: the shapes do not fit.
    """
    targets = SparseTargets(ids, logprobs, tail, weight, temperature, beta)
    if len(targets) != len(logits):
        raise ValueError(f"{len(logits)} rows of logits, but {len(targets)} of targets")
    chunk = chunk or chunk_rows(logits)
    nats, *measures = _SparseKL.apply(  # type: ignore[no-untyped-call]  # torch's, without types
        logits, targets, chunk, reuse_logits
    )
    return nats, RowMeasures(*measures)


def chunk_rows(logits: Tensor) -> int:
    """Rows that are turned into their gradient at once where nobody asks for another number."""
    values = _CPU_CHUNK if logits.device.type == "cpu" else _DEVICE_CHUNK
    return max(1, values // logits.shape[1])


class _Context(FunctionCtx):
    """What the forward pass leaves for the backward."""

    gradient: Tensor | None


class _SparseKL(torch.autograd.Function):
    """Gradient made in the forward pass, handed out in the backward."""

    @staticmethod
    def forward(
        ctx: _Context, logits: Tensor, targets: SparseTargets, chunk: int, reuse_logits: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gradient = logits.detach() if reuse_logits else torch.empty_like(logits)
        measures = gradient_rows(logits, gradient, targets, chunk)
        ctx.gradient = gradient if logits.requires_grad else None
        return summed(ctx, measures, targets.weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, scale: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            raise RuntimeError("the gradient of sparse_kl is made once; call backward once")
        return scaled(gradient, scale), None, None, None


def gradient_rows(logits: Tensor, into: Tensor, targets: SparseTargets, chunk: int) -> Tensor:
    """Write the weighted gradient of (N, V) ``logits`` into ``into``, which may be ``logits``.

    ``chunk`` rows at a time become float32: on a CPU about ten passes over them stay in the cache.

    Returns:
        (3, N) the rows' measures, 0 for those of weight 0.
    """
    used = targets.used()
    rows = used.nonzero().squeeze(1)
    whole = len(rows) == len(logits)
    if not whole:
        into.masked_fill_(~used[:, None], 0)
    in_place, same = whole and into.dtype == torch.float32, into.data_ptr() == logits.data_ptr()
    measures = torch.zeros(3, len(logits), device=logits.device)
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk) if whole else rows[start : start + chunk]
        if in_place:
            buffer = into[part] if same else into[part].copy_(logits[part])
        else:
            buffer = logits[part].to(torch.float32, copy=True)
        measures[:, part] = kl_rows(buffer, targets[part])
        if not in_place:
            into[part] = buffer.to(into.dtype)
    return measures


def summed(
    ctx: FunctionCtx, measures: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The weighted sum of the nats, and the rows' measures (3, N), which have no gradient."""
    nats, student_mass, agreement = measures.unbind()
    ctx.mark_non_differentiable(nats, student_mass, agreement)
    return (nats.double() * weight).sum().float(), nats, student_mass, agreement


def scaled(gradient: Tensor, scale: Tensor) -> Tensor:
    """``gradient`` times what comes from above, in its own place."""
    if scale.device.type != "cpu" or scale.item() != 1:
        gradient.mul_(scale)
    return gradient
