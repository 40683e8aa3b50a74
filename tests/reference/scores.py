"""Scores of checkpoints the slow way: from the definitions, example by example."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

Answers = Sequence[bool]  # one per example


def signal(scores: Sequence[float]) -> float:
    """The largest difference of any two scores over their mean."""
    largest = max(abs(one - other) for one in scores for other in scores)
    return largest / (sum(scores) / len(scores))


def noise(scores: Sequence[float]) -> float:
    """The root of the mean squared distance from the mean, over the mean."""
    mean = sum(scores) / len(scores)
    return sqrt(sum((score - mean) ** 2 for score in scores) / len(scores)) / mean


def moving_average(scores: Sequence[float], window: int) -> list[float]:
    """Each score's mean with those at most half a window away."""
    averaged = []
    for i in range(len(scores)):
        near = [score for j, score in enumerate(scores) if abs(i - j) <= (window - 1) / 2]
        averaged.append(sum(near) / len(near))
    return averaged


def contrast(first: Sequence[Answers], second: Sequence[Answers]) -> tuple[float, float]:
    """Mean over examples of (mean of first - mean of second), and the variance of that mean."""
    examples = range(len(first[0]))
    apart = [
        sum(each[i] for each in first) / len(first) - sum(each[i] for each in second) / len(second)
        for i in examples
    ]
    mean = sum(apart) / len(apart)
    return mean, sum((value - mean) ** 2 for value in apart) / len(apart) / len(apart)
