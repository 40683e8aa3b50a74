"""Slow and plain versions of what training computes, in float64."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor


def dense_kl(
    logits: Tensor, ids: Tensor, logprobs: Tensor, tail: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows' loss (N,), gradient (N, V), and the size of the two terms whose difference it is.

    One row at a time over the whole vocabulary, with the complement's log-sum-exp of its own.
    """
    z = logits.double() / temperature
    losses, gradients, sizes = [], [], []
    for row in range(len(z)):
        used = logprobs[row] > -torch.inf
        support, log_p = ids[row][used], logprobs[row][used].double()
        outside = torch.ones(z.shape[1], dtype=torch.bool)
        outside[support] = False
        log_q = torch.log_softmax(z[row], 0)
        log_qt = torch.logsumexp(log_q[outside], 0)
        p, pt = log_p.exp(), tail[row].double().exp()
        loss = (p * (log_p - log_q[support])).sum()
        if pt > 0:
            loss = loss + pt * (tail[row].double() - log_qt)
        m = p.sum() + pt
        q = log_q.exp()
        # m - p and 1 - q by sums of the others, so that float64 does not cancel
        gradient, size = torch.empty_like(q), torch.empty_like(q)
        share = (log_q - log_qt).exp()  # of the complement's mass
        plus, minus = share * log_qt.exp() * p.sum(), share * pt * q[support].sum()
        gradient[outside], size[outside] = (plus - minus)[outside], (plus + minus)[outside]
        for slot, token in enumerate(support.tolist()):
            others = [i for i in range(len(support)) if i != slot]
            rest_p = p[others].sum() + pt
            rest_q = q[support[others]].sum() + log_qt.exp()
            gradient[token] = q[token] * rest_p - p[slot] * rest_q
            size[token] = q[token] * rest_p + p[slot] * rest_q
        assert torch.isfinite(m)
        losses.append(loss * temperature**2)
        gradients.append(gradient * temperature)
        sizes.append(size * temperature)
    return torch.stack(losses), torch.stack(gradients), torch.stack(sizes)


def dense_divergence(
    beta: float, logits: Tensor, ids: Tensor, logprobs: Tensor, tail: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Rows' divergence (N,) and gradient (N, V): the dense one over k + 1 classes, by autograd.

    0 is forward KL, 1 reverse KL, a number between the generalized JSD (arXiv:2306.13649). In the
    reverse KL no class of the teacher is less probable than exp(-20).
    """
    leaf = logits.double().requires_grad_()
    log_all = torch.log_softmax(leaf / temperature, 1)
    losses = []
    for row in range(len(leaf)):
        used = logprobs[row] > -torch.inf
        outside = torch.ones(leaf.shape[1], dtype=torch.bool)
        outside[ids[row][used]] = False
        rest = log_all[row][outside].logsumexp(0)
        log_q = torch.cat([log_all[row][ids[row][used]], rest[None]])
        log_p = torch.cat([logprobs[row][used], tail[row][None]]).double()
        p, q = log_p.exp(), log_q.exp()
        if beta == 1:
            loss = (q * (log_q - log_p.clamp(min=-20))).sum()
        elif beta == 0:
            loss = (p[p > 0] * (log_p - log_q)[p > 0]).sum()
        else:
            log_m = (beta * p + (1 - beta) * q).log()
            of_p, of_q = (p * (log_p - log_m))[p > 0], (q * (log_q - log_m))[q > 0]
            loss = beta * of_p.sum() + (1 - beta) * of_q.sum()
        losses.append(loss * temperature**2)
    total = torch.stack(losses)
    total.sum().backward()
    assert leaf.grad is not None
    return total.detach(), leaf.grad


def _bucket_kl(log_p: Tensor, log_q: Tensor, log_pt: Tensor, log_qt: Tensor) -> Tensor:
    """Forward KL over k entries and a bucket, as it is written where nothing can be 0."""
    entries = (log_p.exp() * (log_p - log_q)).sum(-1)
    return (entries + log_pt.exp() * (log_pt - log_qt)).sum()


def distillkit_bucket(logits: Tensor, ids: Tensor, log_p: Tensor) -> Tensor:
    """The tail as 1 - sum with the sum clamped to 1 - 1e-8, which float32 rounds to 1.

    Own transcription of the ``symmetric_uniform`` handling of arcee-ai/DistillKit (a61c2e7).
    """
    log_q = torch.log_softmax(logits, -1).gather(-1, ids)
    tails = [(1 - x.exp().sum(-1).clamp(max=1 - 1e-8)).log() for x in (log_p, log_q)]
    return _bucket_kl(log_p, log_q, *tails)


def trl_bucket(logits: Tensor, ids: Tensor, log_p: Tensor) -> Tensor:
    """The tail as log(1 - exp(s)) with s clamped to -1e-7.

    Own transcription of ``_add_tail_bucket`` of huggingface/trl 1.16.0
    (experimental/server_distillation).
    """
    log_q = torch.log_softmax(logits, -1).gather(-1, ids)
    sums = [x.logsumexp(-1).clamp(max=-1e-7) for x in (log_p, log_q)]
    return _bucket_kl(log_p, log_q, *[torch.log(-torch.expm1(s)) for s in sums])


def megatron_bucket(logits: Tensor, ids: Tensor, log_p: Tensor) -> Tensor:
    """The tail as 1 - sum clamped to 1e-8.

    Own transcription of the ghost token of NVIDIA/Megatron-LM (d98e8a6, training/distillation).
    """
    log_q = torch.log_softmax(logits, -1).gather(-1, ids)
    tails = [(1 - x.exp().sum(-1)).clamp(min=1e-8).log() for x in (log_p, log_q)]
    return _bucket_kl(log_p, log_q, *tails)


def epoch_of_rows(order: list[int], count: int) -> list[list[int]]:
    """A stream of row numbers cut into epochs of ``count``."""
    return [sorted(order[i : i + count]) for i in range(0, len(order), count)]


def padded_share(parts: list[np.ndarray], *lengths: np.ndarray) -> float:
    """Share of padding in the rectangles of these micro-batches, one for each of ``lengths``."""
    used = sum(int(values[part].sum()) for part in parts for values in lengths)
    size = sum(len(part) * int(values[part].max()) for part in parts for values in lengths)
    return 1 - used / size


def cheapest_cuts(
    lengths: list[tuple[int, int]], limit: int, tokens: int | None, overhead: int
) -> int:
    """Least cost over every way to cut the rows, by trying all of them."""
    costs = []
    for cuts in itertools.product([False, True], repeat=len(lengths) - 1):
        ends = [i + 1 for i, cut in enumerate(cuts) if cut] + [len(lengths)]
        parts = [lengths[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        padded = [len(p) * (max(s for s, _ in p) + max(t for _, t in p)) for p in parts]
        allowed = all(
            len(p) <= limit and (tokens is None or len(p) == 1 or size <= tokens)
            for p, size in zip(parts, padded, strict=True)
        )
        if allowed:
            costs.append(sum(padded) + overhead * len(parts))
    return min(costs)
