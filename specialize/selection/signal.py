"""Signal and noise of a set: what its scores of several checkpoints can say at all.

    signal = max |m_i - m_j| / mean(m)         over all trained checkpoints
    noise  = std(m_last) / mean(m_last)        over the last n of them, divided by n, not n - 1
    ratio  = signal / noise

Heineman et al. 2025, arXiv:2508.13144 (``signal_to_noise_ratio`` in snr/metrics.py of
allenai/signal-and-noise). There the m of the signal are different models; here they are the
checkpoints that a selection chooses among, so what is still learnt late in a run counts as noise.

One worked set, the accuracies 20, 40, 60, 66, 60, 66 % by step: the signal is 46 / 52 = 0.88, the
noise of the last three 2.83 / 64 = 0.044, the ratio 20. Six draws of nothing but noise would give
2.5: ``chance_ratio``, the mean range of normal draws in standard deviations (Tippett 1925,
doi:10.1093/biomet/17.3-4.364).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, fmean, pstdev

from specialize.artifacts.selection import SignalNoise

_MOST, _FEWEST = 5, 3  # checkpoints that noise is measured over
_FAR, _STEPS = 8.0, 800  # the integral of ``chance_ratio``: from -8 to 8 standard deviations


def signal_and_noise(set_: str, role: str, scores: Sequence[float]) -> SignalNoise:
    """Signal, noise and their ratio of one set.

    Noise is measured over the last five checkpoints, in shorter runs over the later half, and
    with fewer than three of these not at all.

    Args:
        set_: its name.
        role: what it is evidence of.
        scores: one per trained checkpoint, by step; shares from 0 to 1.
    """
    last = min(_MOST, (len(scores) + 1) // 2)
    noise = _relative(pstdev(scores[-last:]), scores[-last:]) if last >= _FEWEST else None
    signal = _relative(max(scores) - min(scores), scores) if len(scores) > 1 else None
    return SignalNoise(
        set=set_,
        role=role,
        checkpoints=len(scores),
        last=last if noise is not None else 0,
        signal=signal,
        noise=noise,
        ratio=signal / noise if signal is not None and noise else None,
        by_chance=chance_ratio(len(scores)),
    )


@cache
def chance_ratio(draws: int) -> float:
    """Mean range of ``draws`` normal draws in standard deviations; O(1), by the midpoint rule."""
    width = 2 * _FAR / _STEPS
    below = [NormalDist().cdf(-_FAR + width * (i + 0.5)) for i in range(_STEPS)]
    return width * sum(1 - p**draws - (1 - p) ** draws for p in below)


def _relative(spread: float, scores: Sequence[float]) -> float | None:
    mean = fmean(scores)
    return spread / mean if mean else None
