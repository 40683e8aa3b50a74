"""Distances of two stored rows, entry by entry, and of two whole distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping

Entries = Mapping[int, float]


def kl(p: list[float], q: list[float]) -> float:
    """Nats of q from p over the same classes."""
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return math.inf
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def tv(p: list[float], q: list[float]) -> float:
    """Total variation over the same classes."""
    return math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2


def merged(p: Entries, q: Entries) -> tuple[list[float], list[float]]:
    """Both over the tokens that both list, and everything else."""
    both = sorted(p.keys() & q.keys())
    sides = [[row[token] for token in both] for row in (p, q)]
    return [*sides[0], 1 - math.fsum(sides[0])], [*sides[1], 1 - math.fsum(sides[1])]


def filled(p: Entries, q: Entries) -> tuple[list[float], list[float]]:
    """Both over the tokens that either lists, and the rest; tails are shared in proportion."""
    either = sorted(p.keys() | q.keys())
    mine, theirs = _completed(p, q), _completed(q, p)
    first, second = [mine[token] for token in either], [theirs[token] for token in either]
    return [*first, 1 - math.fsum(first)], [*second, 1 - math.fsum(second)]


def _completed(row: Entries, other: Entries) -> dict[int, float]:
    """``row`` with the tokens that only ``other`` lists."""
    tail, least = 1 - math.fsum(row.values()), min(row.values(), default=1.0)
    foreign = {token: mass for token, mass in other.items() if token not in row}
    rest = _rest(other, row)
    whole = math.fsum(foreign.values()) + rest
    return {**row, **{token: min(least, tail * mass / whole) for token, mass in foreign.items()}}


def _rest(row: Entries, other: Entries) -> float:
    """About what ``row`` leaves to tokens that neither lists."""
    tail, least = 1 - math.fsum(row.values()), min(row.values(), default=1.0)
    foreign = [mass for token, mass in other.items() if token not in row]
    named = math.fsum(min(mass, least) for mass in foreign)
    return max(tail - named, tail / (len(foreign) + 1))
