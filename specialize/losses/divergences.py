"""Reverse KL and Jensen-Shannon divergence on the stored entries and one bucket; experimental.

Over the k + 1 classes "entry 1, ..., entry k, anything else" with teacher p and student q::

    reverse_kl   sum q (log q - log p)
    jsd          (KL(p || m) + KL(q || m)) / 2,   m = (p + q) / 2

On k entries without the bucket the reverse KL has no lower bound: a student that leaves the support
makes it ever smaller. With the bucket both are at least 0 and have the teacher as their optimum.
The reverse KL of a class that the teacher excludes would be infinite: probabilities below
``exp(-20)`` count as that much. Plain autograd, so that it costs several times the memory of the
forward KL.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from specialize.losses.kernel import SparseTargets
from specialize.losses.sparse import RowMeasures

Divergence = Literal["reverse_kl", "jsd"]

_FLOOR, _NOTHING = -20.0, -1e4  # nats


def divergence(
    kind: Divergence,
    logits: Tensor,
    ids: Tensor,
    logprobs: Tensor,
    tail: Tensor,
    weight: Tensor,
    *,
    temperature: float | Tensor = 1.0,
) -> tuple[Tensor, RowMeasures]:
    """Weighted sum of the rows' divergences in nats, and what each row showed.

    Args:
        kind: which of the two.
        logits, ids, logprobs, tail, weight, temperature: as in ``measured_kl``.
    """
    whole = SparseTargets(ids, logprobs, tail, weight, temperature)
    rows = whole.used().nonzero().squeeze(1)
    targets = whole[rows]
    warmth = targets.temperature
    each = warmth[:, None] if isinstance(warmth, Tensor) else warmth
    log_p, log_q, agreement = _classes(logits[rows].float() / each, targets)
    p, q = log_p.exp(), log_q.exp()
    if kind == "reverse_kl":
        terms = _times(q, log_q - log_p.clamp(min=_FLOOR))
    else:
        middle = torch.logaddexp(log_p, log_q) - torch.log(torch.tensor(2.0))
        terms = (_times(p, log_p - middle) + _times(q, log_q - middle)) / 2
    nats = warmth**2 * terms.sum(1)
    measures = torch.zeros(3, len(whole), device=logits.device)
    measures[:, rows] = torch.stack([nats, q[:, :-1].sum(1), agreement]).detach().float()
    return (nats * targets.weight).sum().float(), RowMeasures(*measures)


def _classes(z: Tensor, targets: SparseTargets) -> tuple[Tensor, Tensor, Tensor]:
    """log p and log q (C, K + 1) in float64, unused slots at probability 0; agreement (C,)."""
    valid = targets.logprobs > -torch.inf
    first = valid.int().argmax(1, keepdim=True)
    ids = torch.where(valid, targets.ids, targets.ids.gather(1, first))
    inside = z.gather(1, ids).double().masked_fill(~valid, -torch.inf)
    others = z.scatter(1, ids, -torch.inf)
    rest = others.logsumexp(1).double()
    log_all = torch.logaddexp(inside.logsumexp(1), rest)
    log_q = torch.cat([inside, rest[:, None]], 1) - log_all[:, None]
    log_p = torch.cat([targets.logprobs, targets.tail[:, None]], 1).double()
    top = inside.gather(1, targets.logprobs.argmax(1, keepdim=True)).squeeze(1)
    agreement = top >= torch.maximum(inside.amax(1), others.amax(1).double())
    # finite, so that an unused slot has no part in the gradient
    return log_p.clamp(min=_NOTHING), log_q.clamp(min=_NOTHING), agreement.double()


def _times(mass: Tensor, logs: Tensor) -> Tensor:
    """``mass * logs`` with 0 where there is no mass, in the gradient too."""
    some = mass > 0
    return torch.where(some, mass, 0.0) * torch.where(some, logs, 0.0)
