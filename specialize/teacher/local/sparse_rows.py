"""Raw logits -> sparse rows: some entries and the exact mass of everything else.

For one row with logits z, its K largest entries S and Z = log sum exp z::

    entry  log p_i = z_i - Z  (i in S)        tail  log sum_{j not in S} exp z_j - Z

The tail is summed over the complement itself, relative to its own largest logit, and never taken
as 1 minus the rest, which in float32 is noise for a teacher that is sure. One pass finds the top
entries (blocks first, then inside the best blocks), one more sums; no copy of the logits is made.

Three ways to choose S: the K largest; of these only the first that reach a given mass; or N draws
from the row, each id stored with its share of the draws (Anshumann et al. 2025, arXiv:2503.16870,
section 4): what a student learns from such rows is, in the mean, what it learns from whole ones.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from align.sparse import SparseDistributions, from_padded
from specialize.teacher.protocol import Sampling

Scalar = TypeVar("Scalar", bound=np.generic)
_BLOCK = 128  # logits; an entry of the top K lies in one of the K blocks with the largest maxima


class SparseRows(NamedTuple):
    """N rows in float32 and nats; slots that are not in use have id 0 and -inf, and come last."""

    token_logprobs: Tensor  # (N,) of the tokens at these positions
    ids: Tensor  # (N, K) most probable first
    logprobs: Tensor  # (N, K)
    tails: Tensor  # (N,)
    tempered_tails: Tensor  # (N, M) outside the same entries, at M other temperatures

    def distributions(self) -> SparseDistributions:
        """The N rows without the slots that are not in use."""
        ids, logprobs, tails = (
            values.cpu().numpy() for values in (self.ids, self.logprobs, self.tails)
        )
        return from_padded(ids, logprobs, tails)


def sparse_rows(
    logits: Tensor, tokens: Tensor, settings: Sampling, numbers: Tensor | None
) -> SparseRows:
    """The rows that ``settings`` asks for.

    Args:
        logits: (N, V) raw, at temperature 1; float32 ones are overwritten. tokens: (N,) ids.
        numbers: (N, draws) uniform in [0, 1), float64; None where entries are not drawn.
    """
    if numbers is not None:
        return draw_sparse_rows(logits, tokens, numbers)
    return take_sparse_rows(
        logits,
        tokens,
        settings.top_k,
        mass=settings.entry_mass,
        temperatures=settings.tail_temperatures,
    )


def take_sparse_rows(
    logits: Tensor,
    tokens: Tensor,
    top_k: int,
    *,
    mass: float = 1.0,
    temperatures: tuple[float, ...] = (),
) -> SparseRows:
    """The ``top_k`` entries of every row, or the first of them that reach ``mass``, and their tail.

    Args:
        logits: (N, V) raw, at temperature 1; float32 ones are overwritten. tokens: (N,) ids.
        temperatures: at which the tail is taken too.
    """
    logits = logits.float()
    width = logits.shape[-1]
    own = logits.gather(-1, tokens[:, None]).squeeze(-1)
    values, ids = _largest(logits, min(top_k + 1, width))
    if top_k >= width:
        tails = [torch.full_like(own, -torch.inf)] * (1 + len(temperatures))
    else:
        best = values[:, -1:]  # the complement's largest
        values, ids = values[:, :-1], ids[:, :-1]
        rest = logits.scatter_(-1, ids, -torch.inf).sub_(best)
        tails = [_tempered(rest, best, t) for t in temperatures]
        tails = [best.squeeze(-1) + rest.exp_().sum(-1).log(), *tails]
    if mass < 1:
        values, ids, tails = _capped(values, ids, tails, mass, temperatures)
    total = torch.logaddexp(values.logsumexp(-1), tails[0])
    tempered = [
        tail - torch.logaddexp((values / t).logsumexp(-1), tail)
        for tail, t in zip(tails[1:], temperatures, strict=True)
    ]
    stacked = torch.stack(tempered, -1) if tempered else own.new_zeros(len(own), 0)
    return SparseRows(own - total, ids, values - total[:, None], tails[0] - total, stacked)


def _tempered(rest: Tensor, best: Tensor, temperature: float) -> Tensor:
    return best.squeeze(-1) / temperature + (rest / temperature).exp_().sum(-1).log()


def _capped(
    values: Tensor, ids: Tensor, tails: list[Tensor], mass: float, temperatures: tuple[float, ...]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The entries before which the sum is less than ``mass``; the others join the tails."""
    total = torch.logaddexp(values.logsumexp(-1), tails[0])
    entries = (values - total[:, None]).exp()
    dropped = entries.cumsum(-1) - entries >= mass
    others = values.masked_fill(~dropped, -torch.inf)
    tails = [
        torch.logaddexp(tail, (others / t).logsumexp(-1))
        for tail, t in zip(tails, (1.0, *temperatures), strict=True)
    ]
    return values.masked_fill(dropped, -torch.inf), ids.masked_fill(dropped, 0), tails


def draw_sparse_rows(logits: Tensor, tokens: Tensor, numbers: Tensor) -> SparseRows:
    """The ids that ``numbers`` (N, draws) choose, each with its share of the draws; no tail.

    An id's share is in the mean its probability, whatever the number of draws: the rows are
    unbiased, where the top K and a renormalized top K are not.
    """
    log_p = logits.float().log_softmax(-1)
    sums = log_p.double().exp().cumsum(-1)
    drawn = torch.searchsorted(sums, numbers * sums[:, -1:], right=True)
    drawn = drawn.clamp(max=logits.shape[-1] - 1).sort(-1).values
    first = torch.ones_like(drawn, dtype=torch.bool)
    first[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    group = first.cumsum(-1) - 1  # which distinct id of its row each draw is
    counts = torch.zeros_like(drawn).scatter_add_(-1, group, torch.ones_like(drawn))
    ids = torch.zeros_like(drawn).scatter_(-1, group, drawn)
    counts, order = counts.sort(dim=-1, descending=True, stable=True)
    ids = ids.gather(-1, order).masked_fill(counts == 0, 0)
    own = log_p.gather(-1, tokens[:, None]).squeeze(-1)
    shares = (counts / drawn.shape[-1]).log().float()
    return SparseRows(
        own, ids, shares, torch.full_like(own, -torch.inf), own.new_zeros(len(own), 0)
    )


def entry_numbers(seed: int, positions: int, settings: Sampling) -> NDArray[np.float64] | None:
    """(positions, draws) the random numbers of one text's entries; None where none are drawn."""
    if settings.draws is None:
        return None
    return np.random.default_rng([seed, 1]).random((positions, settings.draws))


def _largest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and ids (N, count) of the largest logits, falling."""
    rows, width = logits.shape
    blocks, rest = divmod(width, _BLOCK)
    if blocks < 8 * count:
        found = logits.topk(count, dim=-1)
        return found.values, found.indices
    maxima = logits[:, : width - rest].view(rows, blocks, _BLOCK).amax(-1)
    best = maxima.topk(count, dim=-1, sorted=False).indices
    inside = torch.arange(_BLOCK, device=logits.device)
    ids = (best[:, :, None] * _BLOCK + inside).flatten(1)
    last = torch.arange(width - rest, width, device=logits.device).expand(rows, -1)
    ids = torch.cat([ids, last], dim=1)
    found = logits.gather(-1, ids).topk(count, dim=-1)
    return found.values, ids.gather(-1, found.indices)


def to_numpy(values: Tensor, dtype: type[Scalar]) -> NDArray[Scalar]:
    """``values`` as an array of its own."""
    return np.array(values.cpu().numpy(), dtype)
