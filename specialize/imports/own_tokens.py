"""The log-probability of a token in its own row, where a dump has rows alone."""

from __future__ import annotations

import math

from specialize.teacher.served.wire import Entries

_NEVER = -9999.0  # what servers write for -inf


def own_logprob(token: int, row: Entries) -> float:
    """Nats of ``token``; of one that is not among the entries the most that it can have had."""
    listed = dict(row)
    if token in listed:
        return listed[token]
    rest = 1 - math.fsum(math.exp(value) for value in listed.values())
    return min([*listed.values(), math.log(rest) if rest > 0 else _NEVER])
