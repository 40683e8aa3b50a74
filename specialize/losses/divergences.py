"""What a class costs and how it pulls: forward KL, reverse KL and the generalized JSD between them.

Over the k + 1 classes "entry 1, ..., entry k, anything else" with teacher p and student q::

    beta       divergence                                       pull u
    0          sum p (log p - log q)                            p
    1          sum q (log q - log p)                            q (log p - log q)
    between    beta KL(p || m) + (1 - beta) KL(q || m)          (1 - beta) q (log m - log q)
               m = beta p + (1 - beta) q

(The JSD of Agarwal et al. 2024, arXiv:2306.13649, section 2; its limits are the two KLs, scaled by
beta and 1 - beta.) The pull is -q times the slope in q, up to a multiple of q, which the softmax
does not see: a logit's gradient is q sum(u) - u.

On k entries without the bucket the reverse KL has no lower bound: a student that leaves the support
makes it ever smaller. With the bucket all three are at least 0 and have the teacher as their
optimum. The reverse KL of a class that the teacher excludes would be infinite: probabilities below
``exp(-20)`` count as that much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Divergence = Literal["forward_kl", "reverse_kl", "jsd"]

_FLOOR = -20.0  # nats


def beta_of(divergence: Divergence, jsd_beta: float) -> float:
    """The number by which the kernel knows a divergence; ``jsd_beta`` is that of the JSD."""
    betas: Mapping[Divergence, float] = {"forward_kl": 0.0, "reverse_kl": 1.0, "jsd": jsd_beta}
    return betas[divergence]


def cost_and_pull(beta: float | Tensor, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """What every class adds to the divergence in nats, and its pull; 0 where there is no mass.

    Args:
        beta: of all rows, or a tensor that broadcasts to ``log_p``.
        log_p, log_q: of one shape, float64 nats.
    """
    if not isinstance(beta, Tensor):
        if beta == 0:
            return _forward(log_p, log_q)
        return _reverse(log_p, log_q) if beta == 1 else _between(beta, log_p, log_q)
    inner = torch.where((beta > 0) & (beta < 1), beta, 0.5)
    cost, pull = _between(inner, log_p, log_q)
    for end, way in ((0, _forward), (1, _reverse)):
        there = way(log_p, log_q)
        cost = torch.where(beta == end, there[0], cost)
        pull = torch.where(beta == end, there[1], pull)
    return cost, pull


def _forward(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), 0.0), p


def _reverse(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    q = log_q.exp()
    cost = torch.where(q > 0, q * (log_q - log_p.clamp(min=_FLOOR)), 0.0)
    return cost, -cost


def _between(beta: float | Tensor, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    p, q = log_p.exp(), log_q.exp()
    log_beta = beta.log() if isinstance(beta, Tensor) else math.log(beta)
    log_other = torch.log1p(-beta) if isinstance(beta, Tensor) else math.log1p(-beta)
    middle = torch.logaddexp(log_p + log_beta, log_q + log_other)
    of_teacher = torch.where(p > 0, p * (log_p - middle), 0.0)
    of_student = torch.where(q > 0, q * (log_q - middle), 0.0)
    return beta * of_teacher + (1 - beta) * of_student, (beta - 1) * of_student
