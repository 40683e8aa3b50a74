"""What becomes of the mass that the teacher's stored entries leave.

Pure transforms of rows, so that one kernel serves every rule.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Tail = Literal["bucket", "renormalize", "to_label", "drop"]

_NEVER = -1e6  # nats; an entry below it says "not this token"


def apply_tail(
    tail_rule: Tail, ids: Tensor, logprobs: Tensor, tail: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (ids, logprobs, tail) as ``tail_rule`` wants them; the inputs are left as they are.

    ``bucket``: unchanged, the tail is one more class. ``renormalize``: the stored entries are
    scaled to mass 1 (the optimum of Fu et al. 2023). ``to_label``: the tail's mass goes to the
    target's own token. ``drop``: the tail is forgotten and nothing is scaled.

    Args:
        ids, logprobs: (N, K). tail, labels: (N,). ``labels`` are the tokens of the target.
    """
    if tail_rule == "bucket":
        return ids, logprobs, tail
    # rows that exclude their entries say so by the tail alone, which no rule may move
    best = logprobs.amax(1)
    excludes = (best > -torch.inf) & (best < _NEVER)
    left = torch.where(excludes, tail, -torch.inf)
    if tail_rule == "drop":
        return ids, logprobs, left
    if tail_rule == "renormalize":
        stored = logprobs.logsumexp(1, keepdim=True)
        # a row that stores nothing has nothing to scale
        return ids, torch.where(stored > _NEVER, logprobs - stored, logprobs), left
    moved = torch.where(excludes, -torch.inf, tail)
    return *_tail_to_label(ids, logprobs, moved, labels), left


def mix_label(
    ids: Tensor, logprobs: Tensor, tail: Tensor, labels: Tensor, share: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (1 - share) p + share * one-hot(label): KL and cross-entropy in one target.

    Where the label is among the entries the gradient is that of (1 - share) KL + share CE; where
    it is not, it becomes an entry and the tail is what is left without it. Hard rows stay as they
    are; so do those whose own token has probability 0, which are there to make it unlikely.

    Args:
        ids, logprobs: (N, K). tail, labels: (N,). share: of the label, in [0, 1).
    """
    if not share:
        return ids, logprobs, tail
    is_label = (ids == labels[:, None]) & (logprobs > -torch.inf)
    hard = (is_label & (logprobs == 0)).any(1)
    unlikely = (is_label & (logprobs < _NEVER)).any(1)
    kept = torch.where(hard | unlikely, 0.0, math.log1p(-share))
    given = torch.where(hard | unlikely, -torch.inf, math.log(share))
    merged = logprobs + kept[:, None]
    merged = torch.where(is_label, torch.logaddexp(merged, given[:, None]), merged)
    absent = torch.where(is_label.any(1), -torch.inf, given)
    return (
        torch.cat([ids, labels[:, None]], 1),
        torch.cat([merged, absent[:, None]], 1),
        tail + kept,
    )


def _tail_to_label(
    ids: Tensor, logprobs: Tensor, tail: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    is_label = (ids == labels[:, None]) & (logprobs > -torch.inf)
    merged = torch.where(is_label, torch.logaddexp(logprobs, tail[:, None]), logprobs)
    absent = torch.where(is_label.any(1), torch.full_like(tail, -torch.inf), tail)
    return torch.cat([ids, labels[:, None]], 1), torch.cat([merged, absent[:, None]], 1)
