"""Whether a changed recipe may continue a run: the one rule, for every stage that asks.

What decides the weights must agree with what the run was begun with. How the run is carried out,
when it is saved, and what is evaluated and selected may change from call to call::

    --set training.checkpoint_every=50       continues
    --set optimization.learning_rate=1e-4    is refused
"""

from __future__ import annotations

from collections.abc import Mapping

from specialize.io.nested import flatten

# A key that ends with a dot is a whole section.
MAY_CHANGE = (
    "evaluation.",
    "selection",
    "running.",
    "training.checkpoint_every",
    "training.keep_checkpoints",
)


def conflicts(begun: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """One line for every value that differs although it may not, by its dotted key.

    Args:
        begun: the recipe, or some of its sections, that the run was begun with, as plain values.
        now: the same sections of the recipe that is to continue it.
    """
    before, after = flatten(begun), flatten(now)
    return [
        f"{key}: {before.get(key)!r} in the run, {after.get(key)!r} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not _may_change(key)
    ]


def _may_change(key: str) -> bool:
    return any(key.startswith(free) if free.endswith(".") else key == free for free in MAY_CHANGE)
