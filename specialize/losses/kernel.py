"""The divergence from the teacher's sparse rows to the student's logits, in nats.

One row, at temperature T, with support S (the stored entries) and the rest of the vocabulary as
one bucket of teacher mass p_t and student mass q_t; forward KL::

    L = T^2 [ sum_S p_i (log p_i - log q_i) + p_t (log p_t - log q_t) ],   q = softmax(z / T)

    dL/dz_j = T (m q_j - p_j) on S,   T q_j (m - p_t / q_t) elsewhere,     m = sum_S p_i + p_t

This is the exact KL of the two coarsened distributions, at most the full KL, and has the teacher
as its optimum. A hard row (one entry of probability 1, no tail) is cross-entropy. q_t is summed
over the complement, shifted by the complement's own maximum, never taken as 1 - sum: neither a
saturated student nor a teacher mass of 1 loses the gradient. Reverse KL and the JSD have the same
gradient with another pull u in place of p (``divergences``).

One chunk of rows at a time, in one float32 buffer of V columns that holds the logits before and the
gradient after.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from specialize.losses.divergences import cost_and_pull

_BLOCK = 64  # columns whose sum float32 still holds to its own precision
_SMALL = 2048  # columns
_LOWEST = torch.finfo(torch.float32).min


@dataclass(frozen=True, slots=True)
class SparseTargets:
    """The teacher's side of N rows.

    Attributes:
        ids: (N, K) int64, distinct within a row where used.
        logprobs: (N, K) float32 nats; -inf where unused.
        tail: (N,) float32 nats, the teacher's mass outside ``ids``.
        weight: (N,) float32; rows of weight 0 are not read.
        temperature: of all rows, or (N,) float32 of each.
        beta: of all rows, or (N,) float32 of each: 0 is forward KL, 1 reverse KL, a number between
            the generalized JSD.
    """

    ids: Tensor
    logprobs: Tensor
    tail: Tensor
    weight: Tensor
    temperature: float | Tensor = 1.0
    beta: float | Tensor = 0.0

    def __post_init__(self) -> None:
        ids, logprobs, rows = self.ids.shape, self.logprobs.shape, len(self.ids)
        if ids != logprobs or len(ids) != 2:
            raise ValueError(
                f"ids {tuple(ids)} and logprobs {tuple(logprobs)} must both be (rows, K)"
            )
        if self.tail.shape != (rows,) or self.weight.shape != (rows,):
            raise ValueError(
                f"tail {tuple(self.tail.shape)} and weight {tuple(self.weight.shape)} must be "
                f"({rows},)"
            )
        if isinstance(self.temperature, Tensor):
            if self.temperature.shape != (rows,):
                raise ValueError(f"temperature {tuple(self.temperature.shape)} must be ({rows},)")
        elif self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if isinstance(self.beta, Tensor):
            if self.beta.shape != (rows,):
                raise ValueError(f"beta {tuple(self.beta.shape)} must be ({rows},)")
        elif not 0 <= self.beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {self.beta}")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | Tensor) -> SparseTargets:
        temperature, beta = self.temperature, self.beta
        return SparseTargets(
            self.ids[rows],
            self.logprobs[rows],
            self.tail[rows],
            self.weight[rows],
            temperature[rows] if isinstance(temperature, Tensor) else temperature,
            beta[rows] if isinstance(beta, Tensor) else beta,
        )

    def used(self) -> Tensor:
        """(N,) False for rows of weight 0 and for those that are all tail: these say nothing."""
        return (self.weight != 0) & (self.logprobs > -torch.inf).any(1)


def kl_rows(buffer: Tensor, targets: SparseTargets) -> Tensor:
    """Turn ``buffer`` from logits (C, V) into the weighted gradient; returns (3, C) measures.

    Whatever has K columns is float64: it costs nothing and keeps differences of near-equal
    probabilities. Where terms would cancel (1 - q_i, m - p_i), the others are summed instead.
    """
    logprobs, temperature, beta = targets.logprobs, targets.temperature, targets.beta
    if isinstance(temperature, Tensor):
        buffer.div_(temperature[:, None])
        temperature = temperature.double()
    elif temperature != 1:
        buffer.div_(temperature)
    valid = logprobs > -torch.inf
    first = valid.int().argmax(1, keepdim=True)
    # an unused slot repeats a used one, so that both write the same value
    ids = torch.where(valid, targets.ids, targets.ids.gather(1, first))
    z = buffer.gather(1, ids).double().masked_fill(~valid, -torch.inf)

    buffer.scatter_(1, ids, _LOWEST)
    highest = buffer.amax(1, keepdim=True)
    total = _row_sums(buffer.sub_(highest).exp_())
    rest = highest.squeeze(1).double() + total.log()  # log-sum-exp of the complement
    log_all = torch.logaddexp(torch.logsumexp(z, 1), rest)

    log_p, log_pt = logprobs.double(), targets.tail.double()
    log_q, log_qt = z - log_all[:, None], rest - log_all
    q, qt = log_q.exp(), log_qt.exp()
    if isinstance(beta, Tensor):
        beta = beta.double()
    cost, pull = cost_and_pull(beta[:, None] if isinstance(beta, Tensor) else beta, log_p, log_q)
    tail_cost, tail_pull = cost_and_pull(beta, log_pt, log_qt)
    nats = temperature**2 * (cost.sum(1) + tail_cost)

    scale = temperature * targets.weight.double()
    on = q * (_others(pull) + tail_pull[:, None]) - pull * (_others(q) + qt[:, None])
    off = qt * pull.sum(1) - tail_pull * q.sum(1)
    buffer.mul_((scale * off / total).float()[:, None])
    on = torch.where(valid, on, on.gather(1, first))
    buffer.scatter_(1, ids, (scale[:, None] * on).float())

    top = z.gather(1, log_p.argmax(1, keepdim=True)).squeeze(1)
    agreement = top >= torch.maximum(z.amax(1), highest.squeeze(1).double())
    return torch.stack([nats, q.sum(1), agreement.double()]).float()


def _row_sums(values: Tensor) -> Tensor:
    """(C,) float64 sums of the rows of ``values`` (C, V) float32, without a float64 copy of them.

    Blocks are summed in float32, whose error stays near that of one addition, and the blocks' sums
    in float64. Rows of a small vocabulary are summed in float64 alone: their copy costs nothing.
    """
    if values.shape[1] < _SMALL:
        return values.sum(1, dtype=torch.float64)
    whole = values.shape[1] // _BLOCK * _BLOCK
    blocks: Tensor = values[:, :whole].unflatten(1, (-1, _BLOCK)).sum(2)
    return blocks.sum(1, dtype=torch.float64) + values[:, whole:].sum(1, dtype=torch.float64)


def _others(values: Tensor) -> Tensor:
    """(C, K): for each entry the sum of its row's other entries, without subtracting."""
    before = values.cumsum(1).roll(1, 1)
    before[:, 0] = 0
    after = values.flip(1).cumsum(1).roll(1, 1)
    after[:, 0] = 0
    return before + after.flip(1)
